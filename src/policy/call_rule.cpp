#include "policy/call_rule.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/glob.h"
#include "policy/limits.h"

namespace earshot::policy {
namespace {

constexpr std::array<std::string_view, 3> kStartAt{"answer", "early", "invite"};
constexpr std::array<std::string_view, 3> kSessionKinds{"own", "shared", "persistent"};
constexpr std::array<std::string_view, 3> kChatMappings{"session", "reuse", "mux"};
constexpr std::array<std::string_view, 5> kHappenings{"hold", "unhold", "transfer", "header",
                                                      "dtmf"};
constexpr std::array<std::string_view, 5> kTriggerActions{"start", "pause", "resume", "stop",
                                                          "send"};

template <class Enum, std::size_t kCount>
std::optional<Enum> find_name(const std::array<std::string_view, kCount>& names,
                              std::string_view text) {
    for (std::size_t i = 0; i < kCount; ++i)
        if (names[i] == text) return static_cast<Enum>(i);
    return std::nullopt;
}

using Patterns = std::vector<std::string>;
using HeaderPatterns = std::vector<std::pair<std::string, Patterns>>;

bool any_matches(const Patterns& patterns, std::string_view text) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return glob_matches(pattern, text); });
}

bool holds_for_address(const Patterns& patterns, std::string_view uri) {
    const std::string_view address = address_of(uri);
    return patterns.empty() || any_matches(patterns, address) ||
           any_matches(patterns, without_scheme(address));
}

bool holds_for_source(const Patterns& patterns, std::string_view source) {
    const std::size_t colon = source.rfind(':');
    return patterns.empty() || any_matches(patterns, source) ||
           any_matches(patterns, source.substr(0, colon));
}

bool hold_for_headers(const HeaderPatterns& wanted, const HeaderList& headers) {
    const auto looked_at = static_cast<std::ptrdiff_t>(std::min(headers.size(), kMaxMatchedTexts));
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& one) {
        return std::any_of(headers.begin(), headers.begin() + looked_at, [&](const auto& header) {
            return base::iequals(header.first, one.first) && any_matches(one.second, header.second);
        });
    });
}

std::string_view user_of(std::string_view uri) {
    const std::string_view address = without_scheme(address_of(uri));
    const std::size_t at = address.find('@');
    return at == std::string_view::npos ? std::string_view{} : address.substr(0, at);
}

std::optional<std::string> party_field(const CallFacts::Party& party, std::string_view field) {
    if (field == "uri") return party.uri;
    if (field == "user") return std::string(user_of(party.uri));
    if (field == "name") return party.name;
    return std::nullopt;
}

// What a placeholder stands for; nullopt: there is no such one.
std::optional<std::string> value_of(std::string_view name, const CallFacts& facts) {
    if (name == "call_id") return facts.call_id;
    if (name == "source") return facts.source;
    if (name == "time") return base::to_rfc3339(facts.time);
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const std::string_view of = name.substr(0, dot);
    const std::string_view field = name.substr(dot + 1);
    if (of == "from") return party_field(facts.from, field);
    if (of == "to") return party_field(facts.to, field);
    if (of == "asserted") return party_field(facts.asserted, field);
    if (of == "request" && field == "uri") return facts.request_uri;
    if (of == "request" && field == "user") return std::string(user_of(facts.request_uri));
    if (of != "header" || field.empty()) return std::nullopt;
    const auto found = std::find_if(facts.headers.begin(), facts.headers.end(), [&](auto& header) {
        return base::iequals(header.first, field);
    });
    return found == facts.headers.end() ? std::string{} : found->second;
}

void append(std::string& out, std::string_view text, Escape escape) {
    if (escape == Escape::None) {
        out += text;
        return;
    }
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&apos;";
                break;
            default:
                out += c;
        }
    }
}

// Cuts `text` into what stands as it is and the names of placeholders.
template <class Literal, class Placeholder>
void walk(std::string_view text, const Literal& literal, const Placeholder& placeholder) {
    while (!text.empty()) {
        const std::size_t open = text.find('{');
        literal(text.substr(0, open));
        if (open == std::string_view::npos) return;
        text.remove_prefix(open);
        if (text.starts_with("{{")) {
            literal(text.substr(0, 1));
            text.remove_prefix(2);
            continue;
        }
        const std::size_t close = text.find('}');
        if (close == std::string_view::npos) return literal(text);
        placeholder(text.substr(1, close - 1));
        text.remove_prefix(close + 1);
    }
}

}  // namespace

std::string expand(std::string_view text, const CallFacts& facts, Escape escape) {
    std::string out;
    walk(
        text, [&](std::string_view literal) { out += literal; },
        [&](std::string_view name) {
            if (const auto value = value_of(name, facts))
                append(out, *value, escape);
            else
                out.append("{").append(name).append("}");
        });
    return out;
}

std::string find_unknown_placeholder(std::string_view text) {
    std::string unknown;
    const CallFacts nobody;
    walk(
        text, [](std::string_view) {},
        [&](std::string_view name) {
            if (unknown.empty() && !value_of(name, nobody)) unknown = name;
        });
    return unknown;
}

std::string one_line(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return text;
}

bool is_xml(std::string_view content_type) {
    const std::string_view type = base::trim(base::take_until(content_type, ';'));
    constexpr std::string_view kXml = "xml";
    return type.size() > kXml.size() && base::iequals(type.substr(type.size() - kXml.size()), kXml);
}

std::optional<StartAt> parse_start_at(std::string_view text) {
    return find_name<StartAt>(kStartAt, text);
}
std::string_view to_string(StartAt at) { return kStartAt[static_cast<std::size_t>(at)]; }
std::optional<SessionKind> parse_session_kind(std::string_view text) {
    return find_name<SessionKind>(kSessionKinds, text);
}
std::optional<ChatMapping> parse_chat_mapping(std::string_view text) {
    return find_name<ChatMapping>(kChatMappings, text);
}
std::string_view to_string(SessionKind kind) {
    return kSessionKinds[static_cast<std::size_t>(kind)];
}
std::optional<CallHappening> parse_happening(std::string_view text) {
    return find_name<CallHappening>(kHappenings, text);
}
std::string_view to_string(CallHappening happening) {
    return kHappenings[static_cast<std::size_t>(happening)];
}
std::optional<TriggerAction> parse_trigger_action(std::string_view text) {
    return find_name<TriggerAction>(kTriggerActions, text);
}
std::string_view to_string(TriggerAction action) {
    return kTriggerActions[static_cast<std::size_t>(action)];
}

bool matches(const CallConditions& conditions, const CallFacts& facts) {
    if (!holds_for_address(conditions.from, facts.from.uri) ||
        !holds_for_address(conditions.to, facts.to.uri) ||
        !holds_for_address(conditions.request_uri, facts.request_uri) ||
        !holds_for_source(conditions.source, facts.source) ||
        !hold_for_headers(conditions.headers, facts.headers))
        return false;
    if (conditions.is_outbound && *conditions.is_outbound != facts.is_outbound) return false;
    if (!conditions.windows.empty()) {
        const int minute = conditions.zone.week_minute(facts.time);
        const bool is_its_time =
            std::any_of(conditions.windows.begin(), conditions.windows.end(),
                        [&](const TimeWindow& window) { return window.contains(minute); });
        if (!is_its_time) return false;
    }
    return facts.lot < conditions.percent;
}

std::vector<RecordingPlan> plan_recordings(std::span<const CallRule> rules,
                                           const RecordingSettings& defaults,
                                           const CallFacts& facts) {
    std::vector<RecordingPlan> plans;
    std::vector<std::string_view> decided;
    for (const CallRule& rule : rules) {
        if (std::find(decided.begin(), decided.end(), rule.instance) != decided.end()) continue;
        if (!matches(rule.conditions, facts)) continue;
        decided.push_back(rule.instance);
        if (rule.records)
            plans.push_back({rule.instance, rule.name, resolve(rule.settings, facts)});
    }
    if (rules.empty() && !defaults.servers.empty())
        plans.push_back({std::string(kDefaultInstance), {}, resolve(defaults, facts)});
    return plans;
}

std::optional<std::uint32_t> parse_parallel(std::string_view text) {
    if (text == "all") return kAllServers;
    const auto count = base::parse_number<std::uint32_t>(text);
    if (!count || *count > kMaxServers) return std::nullopt;
    return count;
}

std::string shared_name(const RecordingPlan& plan) {
    if (!plan.settings.session_name.empty()) return plan.settings.session_name;
    if (!plan.settings.group.empty()) return plan.settings.group;
    return plan.rule.empty() ? plan.instance : plan.rule;
}

std::vector<RecordingPlan> spread_parallel(std::vector<RecordingPlan> plans) {
    std::vector<RecordingPlan> all;
    for (RecordingPlan& plan : plans) {
        const auto servers = static_cast<std::uint32_t>(plan.settings.servers.size());
        const std::uint32_t wanted = plan.settings.parallel;
        const std::uint32_t count = wanted == kAllServers ? servers : std::min(wanted, servers);
        for (std::uint32_t copy = 0; copy < std::max(count, 1U); ++copy) {
            all.push_back(plan);
            all.back().copy = copy;
        }
    }
    return all;
}

bool is_participant_xml(std::string_view party) {
    return base::trim(party).starts_with('<') && party.find("nameID") != std::string_view::npos;
}

RecordingSettings resolve(RecordingSettings settings, const CallFacts& facts) {
    const auto fill = [&](std::string& text, Escape escape) {
        if (text.find('{') != std::string::npos) text = expand(text, facts, escape);
    };
    for (std::string& server : settings.servers) fill(server, Escape::None);
    fill(settings.group, Escape::None);
    fill(settings.session_name, Escape::None);
    // What it is, the setting says, not what somebody's header brings into it.
    const auto fill_party = [&](std::string& party, bool& is_xml) {
        is_xml = is_participant_xml(party);
        fill(party, is_xml ? Escape::Xml : Escape::None);
    };
    fill_party(settings.caller, settings.caller_is_xml);
    fill_party(settings.callee, settings.callee_is_xml);
    for (auto& [name, value] : settings.headers) {
        fill(value, Escape::None);
        value = one_line(std::move(value));
    }
    fill(settings.from_uri, Escape::None);
    fill(settings.to_uri, Escape::None);
    fill(settings.session_extension, Escape::Xml);
    fill(settings.group_extension, Escape::Xml);
    fill(settings.indication.agreed_reason, Escape::None);
    return settings;
}

bool matches(const Trigger& trigger, const Happening& happening) {
    if (trigger.when != happening.kind) return false;
    if (trigger.by_caller && *trigger.by_caller != happening.by_caller) return false;
    if (trigger.when == CallHappening::Header)
        return hold_for_headers(trigger.headers, happening.headers);
    return trigger.when != CallHappening::Dtmf ||
           (!trigger.digits.empty() && happening.digits.ends_with(trigger.digits));
}

}  // namespace earshot::policy
