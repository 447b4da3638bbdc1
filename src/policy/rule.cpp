#include "policy/rule.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/glob.h"
#include "policy/limits.h"

namespace earshot::policy {
namespace {

constexpr std::array<std::string_view, 4> kActions{"record", "decline", "inactive", "streams"};

using Patterns = std::vector<std::string>;

bool any_matches(const Patterns& patterns, std::string_view text) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return glob_matches(pattern, text); });
}

// With or without the scheme: "*@hr.example.com" and "sip:*@hr.example.com" mean the same.
bool any_matches_address(const Patterns& patterns, std::string_view uri) {
    const std::string_view address = address_of(uri);
    return any_matches(patterns, address) || any_matches(patterns, without_scheme(address));
}

template <class List, class Test>
bool any_of_first(const List& list, Test test) {
    const auto count = static_cast<std::ptrdiff_t>(std::min(list.size(), kMaxMatchedTexts));
    return std::any_of(list.begin(), list.begin() + count, test);
}

bool has_participant(const Patterns& patterns, const InviteFacts& facts) {
    return patterns.empty() || any_of_first(facts.participants, [&](const auto& party) {
               return any_matches_address(patterns, party.aor);
           });
}

bool has_number(const Conditions& conditions, const InviteFacts& facts) {
    if (conditions.numbers.empty() && conditions.number_prefixes.empty()) return true;
    const auto has_prefix = [&](const std::string& number) {
        const auto& prefixes = conditions.number_prefixes;
        return prefixes.empty() ||
               std::any_of(prefixes.begin(), prefixes.end(),
                           [&](const std::string& prefix) { return number.starts_with(prefix); });
    };
    return any_of_first(facts.participants, [&](const auto& party) {
        const std::string number = number_of(party.aor);
        if (number.empty() || !has_prefix(number)) return false;
        return conditions.numbers.empty() || any_matches(conditions.numbers, number);
    });
}

bool has_session(const Patterns& patterns, const InviteFacts& facts) {
    return patterns.empty() || any_of_first(facts.session_ids, [&](const std::string& id) {
               return any_matches(patterns, id);
           });
}

bool has_headers(const Conditions& conditions, const InviteFacts& facts) {
    return std::all_of(conditions.headers.begin(), conditions.headers.end(),
                       [&](const auto& wanted) {
                           return any_of_first(facts.headers, [&](const auto& header) {
                               return base::iequals(header.first, wanted.first) &&
                                      any_matches(wanted.second, header.second);
                           });
                       });
}

bool is_its_time(const Conditions& conditions, base::WallTime time) {
    if (conditions.windows.empty()) return true;
    const int minute = conditions.zone.week_minute(time);
    return std::any_of(conditions.windows.begin(), conditions.windows.end(),
                       [&](const TimeWindow& window) { return window.contains(minute); });
}

// The conditions on what is known before the client has said anything.
bool matches_envelope(const Conditions& conditions, const InviteFacts& facts) {
    const auto is_any_or = [](const Patterns& patterns, bool holds) {
        return patterns.empty() || holds;
    };
    return is_any_or(conditions.peers, any_matches(conditions.peers, facts.peer)) &&
           is_any_or(conditions.from, any_matches_address(conditions.from, facts.from)) &&
           is_any_or(conditions.to, any_matches_address(conditions.to, facts.to)) &&
           is_its_time(conditions, facts.time);
}

bool has_further_conditions(const Conditions& conditions) {
    return !conditions.participants.empty() || !conditions.numbers.empty() ||
           !conditions.number_prefixes.empty() || !conditions.groups.empty() ||
           !conditions.session_ids.empty() || !conditions.headers.empty();
}

}  // namespace

std::string_view to_string(Action action) { return kActions[static_cast<std::size_t>(action)]; }

std::optional<Action> parse_action(std::string_view text) {
    for (std::size_t i = 0; i < kActions.size(); ++i)
        if (kActions[i] == text) return static_cast<Action>(i);
    return std::nullopt;
}

bool matches(const StreamPattern& pattern, const OfferedStream& stream) {
    if (!pattern.medium.empty() && !glob_matches(pattern.medium, stream.medium)) return false;
    if (!pattern.label.empty() && !glob_matches(pattern.label, stream.label)) return false;
    return pattern.codec.empty() ||
           std::any_of(stream.codecs.begin(), stream.codecs.end(), [&](const std::string& codec) {
               return glob_matches(pattern.codec, codec);
           });
}

bool declines(const Outcome& outcome, const OfferedStream& stream) {
    return outcome.action == Action::Streams &&
           std::any_of(outcome.streams.begin(), outcome.streams.end(),
                       [&](const StreamPattern& pattern) { return matches(pattern, stream); });
}

Outcome resolve(Outcome outcome, const InviteFacts& facts) {
    const auto is_declined = [&](const OfferedStream& stream) { return declines(outcome, stream); };
    if (!facts.streams.empty() &&
        std::all_of(facts.streams.begin(), facts.streams.end(), is_declined))
        outcome.action = Action::Decline;
    return outcome;
}

bool matches(const Conditions& conditions, const InviteFacts& facts) {
    return matches_envelope(conditions, facts) &&
           (conditions.groups.empty() || any_matches(conditions.groups, facts.group)) &&
           has_session(conditions.session_ids, facts) && has_headers(conditions, facts) &&
           has_participant(conditions.participants, facts) && has_number(conditions, facts);
}

const Rule* find_rule(std::span<const Rule> rules, const InviteFacts& facts) {
    const auto found = std::find_if(rules.begin(), rules.end(), [&](const Rule& rule) {
        return matches(rule.conditions, facts);
    });
    return found == rules.end() ? nullptr : &*found;
}

const Rule* find_certain_rule(std::span<const Rule> rules, const InviteFacts& facts) {
    const auto first = std::find_if(rules.begin(), rules.end(), [&](const Rule& rule) {
        return matches_envelope(rule.conditions, facts);
    });
    if (first == rules.end() || has_further_conditions(first->conditions)) return nullptr;
    return &*first;
}

}  // namespace earshot::policy
