#include "app/rule_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/glob.h"
#include "policy/limits.h"

namespace earshot::app {
namespace {

using Error = std::optional<ConfigError>;

// Reads one [[rule]]. Keys come in the order of the alphabet, so what holds between them is looked
// at last.
class RuleReader {
public:
    RuleReader(const std::string& file, const std::vector<server::Peer>& peers,
               std::size_t& patterns)
        : file_(file), peers_(peers), patterns_(patterns) {}

    Error read(const toml::table& table) {
        for (const auto& [key, node] : table) {
            const Key* known = find(key.str());
            if (known == nullptr)
                return error_at(node, key.str(), "unknown key", suggest(key.str(), key_names()));
            if (auto error = (this->*known->read)(known->name, node)) return error;
        }
        return check_whole(table);
    }
    policy::Rule take() { return std::move(rule_); }

private:
    using Read = Error (RuleReader::*)(std::string_view key, const toml::node& node);
    struct Key {
        std::string_view name;
        Read read;
    };

    ConfigError error_at(const toml::node& node, std::string_view key, std::string text,
                         std::string suggestion = {}) const {
        return {.where = file_,
                .line = node.source().begin.line,
                .key = fmt::format("rule.{}", key),
                .text = std::move(text),
                .suggestion = std::move(suggestion)};
    }

    // A text, or a list of texts.
    Error read_texts(std::string_view key, const toml::node& node, std::vector<std::string>& out) {
        const auto add = [&](const toml::node& item) -> Error {
            const auto text = item.value<std::string>();
            if (!item.is_string() || text->empty())
                return error_at(item, key, "must be a text in quotes or a list of them",
                                fmt::format(R"({} = ["one*", "two"])", key));
            if (text->size() > policy::kMaxPatternBytes)
                return error_at(item, key,
                                fmt::format("is longer than {} octets", policy::kMaxPatternBytes));
            if (++patterns_ > policy::kMaxPatterns)
                return error_at(item, key,
                                fmt::format("is one pattern more than the {} that all "
                                            "rules together may have",
                                            policy::kMaxPatterns));
            out.push_back(*text);
            return std::nullopt;
        };
        const toml::array* list = node.as_array();
        if (list == nullptr) return add(node);
        if (list->empty()) return error_at(node, key, "is empty and would never hold");
        for (const toml::node& item : *list)
            if (auto error = add(item)) return error;
        return std::nullopt;
    }
    template <std::vector<std::string> policy::Conditions::*kMember>
    Error read_patterns(std::string_view key, const toml::node& node) {
        return read_texts(key, node, rule_.conditions.*kMember);
    }

    // A pattern that fits no [[peer]] never holds: a slip of the pen, or a peer that was renamed.
    Error read_peers(std::string_view key, const toml::node& node) {
        std::vector<std::string>& patterns = rule_.conditions.peers;
        if (auto error = read_texts(key, node, patterns)) return error;
        for (std::size_t i = 0; i < patterns.size(); ++i) {
            const auto is_meant = [&](const server::Peer& peer) {
                return policy::glob_matches(patterns[i], peer.name);
            };
            if (std::any_of(peers_.begin(), peers_.end(), is_meant)) continue;
            const toml::array* list = node.as_array();
            return error_at(list == nullptr ? node : *list->get(i), key,
                            fmt::format("\"{}\" is the name of no [[peer]]", patterns[i]),
                            peers_.empty() ? "there is none in this file" : known_peers());
        }
        return std::nullopt;
    }
    std::string known_peers() const {
        constexpr std::size_t kMaxNamed = 20;
        std::string names;
        for (std::size_t i = 0; i < std::min(peers_.size(), kMaxNamed); ++i)
            names += (names.empty() ? "" : ", ") + peers_[i].name;
        return fmt::format("there are: {}{}", names, peers_.size() > kMaxNamed ? ", ..." : "");
    }

    Error read_name(std::string_view key, const toml::node& node) {
        const auto name = node.value<std::string>();
        if (!node.is_string() || name->empty() || name->size() > policy::kMaxNameBytes)
            return error_at(node, key,
                            fmt::format("must be a text of 1 to {} octets", policy::kMaxNameBytes));
        rule_.name = *name;
        return std::nullopt;
    }

    Error read_headers(std::string_view key, const toml::node& node) {
        constexpr std::string_view kHint = R"(header = { X-Record = "no*" })";
        const toml::table* table = node.as_table();
        if (table == nullptr)
            return error_at(node, key, "must be a table of names and patterns", std::string(kHint));
        for (const auto& [name, value] : *table) {
            auto& header = rule_.conditions.headers.emplace_back();
            header.first = name.str();
            if (auto error = read_texts(key, value, header.second)) return error;
        }
        return std::nullopt;
    }

    Error read_windows(std::string_view key, const toml::node& node) {
        std::vector<std::string> texts;
        if (auto error = read_texts(key, node, texts)) return error;
        for (const std::string& text : texts) {
            const auto window = policy::TimeWindow::parse(text);
            if (!window)
                return error_at(node, key, fmt::format("\"{}\" {}", text, window.error().what),
                                R"(like "mon-fri 08:00-18:00", "sat,sun" or "22:00-06:00")");
            rule_.conditions.windows.push_back(*window);
        }
        return std::nullopt;
    }

    Error read_zone(std::string_view key, const toml::node& node) {
        const auto zone = policy::Zone::find(node.value_or(std::string{}));
        if (!zone)
            return error_at(node, key, "is no time zone that this system knows",
                            R"(like "Europe/Berlin"; the default is "UTC")");
        rule_.conditions.zone = *zone;
        return std::nullopt;
    }

    Error read_action(std::string_view key, const toml::node& node) {
        const std::string name = node.value_or(std::string{});
        const auto action = policy::parse_action(name);
        if (!action)
            return error_at(node, key, fmt::format("\"{}\" is no action", name),
                            suggest(name, {"record", "decline", "inactive", "streams"}));
        rule_.outcome.action = *action;
        return std::nullopt;
    }

    Error read_number(std::string_view key, const toml::node& node, int low, int high, int& out) {
        const auto number = node.value<std::int64_t>();
        if (!node.is_integer() || *number < low || *number > high)
            return error_at(node, key,
                            fmt::format("must be a whole number from {} to {}", low, high));
        out = static_cast<int>(*number);
        return std::nullopt;
    }
    Error read_code(std::string_view key, const toml::node& node) {
        return read_number(key, node, 400, 699, rule_.outcome.code);
    }
    Error read_record_after(std::string_view key, const toml::node& node) {
        int seconds = 0;
        auto error = read_number(key, node, 0, policy::kMaxRecordAfterSeconds, seconds);
        rule_.outcome.record_after = std::chrono::seconds{seconds};
        return error;
    }
    Error read_reason(std::string_view key, const toml::node& node) {
        const auto phrase = node.value<std::string>();
        if (!node.is_string() || phrase->size() > policy::kMaxPhraseBytes)
            return error_at(
                node, key,
                fmt::format("must be a text of up to {} octets", policy::kMaxPhraseBytes));
        rule_.outcome.phrase = *phrase;
        return std::nullopt;
    }

    Error read_streams(std::string_view key, const toml::node& node) {
        constexpr std::string_view kHint =
            R"(streams = [{ medium = "video" }, { codec = "opus" }])";
        const toml::array* list = node.as_array();
        if (list == nullptr || list->empty())
            return error_at(node, key, "must be a list of tables", std::string(kHint));
        for (const toml::node& item : *list) {
            const toml::table* table = item.as_table();
            if (table == nullptr || table->empty())
                return error_at(item, key, "must be a table", std::string(kHint));
            if (auto error = read_stream(*table)) return error;
        }
        return std::nullopt;
    }
    Error read_stream(const toml::table& table) {
        policy::StreamPattern pattern;
        const std::array<std::pair<std::string_view, std::string*>, 3> members{
            {{"medium", &pattern.medium}, {"label", &pattern.label}, {"codec", &pattern.codec}}};
        for (const auto& [key, value] : table) {
            const std::string_view name = key.str();
            const std::string full = fmt::format("streams.{}", name);
            const auto* member = std::find_if(members.begin(), members.end(),
                                              [&](const auto& one) { return one.first == name; });
            if (member == members.end())
                return error_at(value, full, "unknown key",
                                suggest(name, {"medium", "label", "codec"}));
            std::vector<std::string> texts;
            if (auto error = read_texts(full, value, texts)) return error;
            if (texts.size() != 1)
                return error_at(value, full, "must be one text", "write a table for each of them");
            *member->second = texts.front();
        }
        rule_.outcome.streams.push_back(std::move(pattern));
        return std::nullopt;
    }

    // What would be read and then mean nothing is a mistake: a rule that is not what it seems.
    Error check_whole(const toml::table& table) const {
        const auto name_of = [&] { return policy::to_string(rule_.outcome.action); };
        if (rule_.name.empty()) return error_at(table, "name", "is missing", R"(name = "no-hr")");
        using policy::Action;
        const Action action = rule_.outcome.action;
        const auto stray = [&](std::string_view key, bool is_at_home,
                               std::string_view home) -> Error {
            const toml::node* node = table.get(key);
            if (node == nullptr || is_at_home) return std::nullopt;
            return error_at(*node, key,
                            fmt::format("means nothing with action = \"{}\"", name_of()),
                            fmt::format("it belongs to action = \"{}\"", home));
        };
        // The code of `streams` is for an offer of which it leaves nothing.
        const bool may_decline = action == Action::Decline || action == Action::Streams;
        if (auto error = stray("code", may_decline, "decline")) return error;
        if (auto error = stray("reason", may_decline, "decline")) return error;
        if (auto error = stray("streams", action == Action::Streams, "streams")) return error;
        if (auto error = stray("record_after_s", action == Action::Inactive, "inactive"))
            return error;
        if (action == Action::Streams && rule_.outcome.streams.empty())
            return error_at(*table.get("action"), "streams", "is missing",
                            R"(streams = [{ medium = "video" }])");
        const toml::node* zone = table.get("zone");
        if (zone != nullptr && rule_.conditions.windows.empty())
            return error_at(*zone, "zone", "means nothing without when",
                            R"(when = "mon-fri 08:00-18:00")");
        return std::nullopt;
    }

    static const std::array<Key, 17>& keys() {
        using C = policy::Conditions;
        static constexpr std::array<Key, 17> kKeys{{
            {"name", &RuleReader::read_name},
            {"participant", &RuleReader::read_patterns<&C::participants>},
            {"number", &RuleReader::read_patterns<&C::numbers>},
            {"number_prefix", &RuleReader::read_patterns<&C::number_prefixes>},
            {"group", &RuleReader::read_patterns<&C::groups>},
            {"session_id", &RuleReader::read_patterns<&C::session_ids>},
            {"peer", &RuleReader::read_peers},
            {"from", &RuleReader::read_patterns<&C::from>},
            {"to", &RuleReader::read_patterns<&C::to>},
            {"header", &RuleReader::read_headers},
            {"when", &RuleReader::read_windows},
            {"zone", &RuleReader::read_zone},
            {"action", &RuleReader::read_action},
            {"code", &RuleReader::read_code},
            {"reason", &RuleReader::read_reason},
            {"streams", &RuleReader::read_streams},
            {"record_after_s", &RuleReader::read_record_after},
        }};
        return kKeys;
    }
    static const Key* find(std::string_view name) {
        const auto& all = keys();
        const auto* found =
            std::find_if(all.begin(), all.end(), [&](const Key& key) { return key.name == name; });
        return found == all.end() ? nullptr : found;
    }
    static std::vector<std::string_view> key_names() {
        std::vector<std::string_view> names;
        for (const Key& key : keys()) names.push_back(key.name);
        return names;
    }

    const std::string& file_;
    const std::vector<server::Peer>& peers_;
    std::size_t& patterns_;
    policy::Rule rule_;
};

}  // namespace

std::optional<ConfigError> read_rules(const toml::node& node, const std::string& file,
                                      const std::vector<server::Peer>& peers,
                                      std::vector<policy::Rule>& rules) {
    const auto error_at = [&](const toml::node& at, std::string text, std::string suggestion) {
        return ConfigError{.where = file,
                           .line = at.source().begin.line,
                           .key = "rule",
                           .text = std::move(text),
                           .suggestion = std::move(suggestion)};
    };
    const toml::array* list = node.as_array();
    if (list == nullptr) return error_at(node, "is a list of tables", "write [[rule]]");
    if (list->size() > policy::kMaxRules)
        return error_at(node, fmt::format("has more than {} rules", policy::kMaxRules), {});
    std::size_t patterns = 0;
    for (const toml::node& item : *list) {
        const toml::table* table = item.as_table();
        if (table == nullptr) return error_at(item, "is a list of tables", "write [[rule]]");
        RuleReader reader(file, peers, patterns);
        if (auto error = reader.read(*table)) return error;
        policy::Rule rule = reader.take();
        if (std::any_of(rules.begin(), rules.end(),
                        [&](const policy::Rule& other) { return other.name == rule.name; }))
            return error_at(item, fmt::format("there are two rules \"{}\"", rule.name),
                            "events and rows name a rule: give each its own");
        rules.push_back(std::move(rule));
    }
    return std::nullopt;
}

}  // namespace earshot::app
