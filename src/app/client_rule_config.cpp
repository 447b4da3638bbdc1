#include "app/client_rule_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "app/config_reader.h"
#include "base/net_address.h"
#include "base/text.h"
#include "client/server_entry.h"
#include "policy/limits.h"
#include "sip/uri.h"
#include "siprec/cs_description.h"
#include "siprec/extension_block.h"
#include "siprec/recording_client_session.h"

namespace earshot::app {
namespace {

using Error = std::optional<ConfigError>;
using policy::CallRule;
using policy::Trigger;
using HeaderPatterns = std::vector<std::pair<std::string, std::vector<std::string>>>;

// A value of a table with what an error needs to name it.
struct Place {
    const std::string& file;
    std::string_view table;  // "client.rule"
    std::string_view key;
    const toml::node& node;

    ConfigError wrong(std::string text, std::string hint = {}) const {
        return detail::error_at(node, file, fmt::format("{}.{}", table, key), std::move(text),
                                std::move(hint));
    }
};

Error read_text(const Place& at, std::string& out, std::size_t limit = policy::kMaxSettingBytes) {
    const auto text = at.node.value<std::string>();
    if (!at.node.is_string() || text->size() > limit)
        return at.wrong(fmt::format("must be a text of up to {} octets", limit));
    const std::string unknown = policy::find_unknown_placeholder(*text);
    if (!unknown.empty())
        return at.wrong(fmt::format("holds {{{}}}, which is no placeholder", unknown),
                        "there are {from.uri}, {from.user}, {from.name}, the same of to and "
                        "asserted, {request.uri}, {request.user}, {call_id}, {source}, {time}, "
                        "{header.NAME}; a brace itself is {{");
    out = *text;
    return std::nullopt;
}

Error read_flag(const Place& at, bool& out) {
    if (!at.node.is_boolean()) return at.wrong("must be true or false");
    out = *at.node.value<bool>();
    return std::nullopt;
}

// A text, or a list of texts.
Error read_texts(const Place& at, std::vector<std::string>& out,
                 std::size_t limit = policy::kMaxPatternBytes) {
    out.clear();
    const auto add = [&](const toml::node& item) -> Error {
        const auto text = item.value<std::string>();
        if (!item.is_string() || text->empty() || text->size() > limit)
            return at.wrong("must be a text in quotes or a list of them",
                            fmt::format(R"({} = ["one*", "two"])", at.key));
        out.push_back(*text);
        return std::nullopt;
    };
    const toml::array* list = at.node.as_array();
    if (list == nullptr) return add(at.node);
    if (list->empty()) return at.wrong("is empty and would never hold");
    if (list->size() > policy::kMaxMatchedTexts)
        return at.wrong(fmt::format("has more than {} items", policy::kMaxMatchedTexts));
    for (const toml::node& item : *list)
        if (auto error = add(item)) return error;
    return std::nullopt;
}

Error read_header_patterns(const Place& at, HeaderPatterns& out) {
    const toml::table* table = at.node.as_table();
    if (table == nullptr)
        return at.wrong("must be a table of names and patterns", R"(header = { X-Record = "on" })");
    for (const auto& [name, value] : *table) {
        auto& header = out.emplace_back();
        header.first = name.str();
        if (auto error = read_texts({at.file, at.table, at.key, value}, header.second))
            return error;
    }
    return std::nullopt;
}

Error read_headers(const Place& at, policy::HeaderList& out) {
    const toml::table* table = at.node.as_table();
    if (table == nullptr || table->size() > policy::kMaxSetHeaders)
        return at.wrong(
            fmt::format("must be a table of up to {} names and texts", policy::kMaxSetHeaders),
            R"(headers = { X-Agent = "{header.X-Agent}" })");
    out.clear();
    for (const auto& [name, value] : *table) {
        std::string text;
        if (auto error = read_text({at.file, at.table, at.key, value}, text)) return error;
        out.emplace_back(std::string(name.str()), std::move(text));
    }
    return std::nullopt;
}

template <class Item>
struct KeyReader {
    std::string_view name;
    Error (*read)(const Place&, Item&);
};

// Reads one table by the readers of its keys.
template <class Item>
Error read_item(const toml::table& table, const std::string& file, std::string_view where,
                std::span<const KeyReader<Item>> keys, Item& item) {
    for (const auto& entry : table) {
        const std::string_view name = entry.first.str();
        const auto key = std::find_if(keys.begin(), keys.end(),
                                      [&](const auto& one) { return one.name == name; });
        const Place at{file, where, name, entry.second};
        if (key == keys.end()) {
            std::vector<std::string_view> known;
            for (const auto& one : keys) known.push_back(one.name);
            return at.wrong("unknown key", suggest(name, known));
        }
        if (auto error = key->read(at, item)) return error;
    }
    return std::nullopt;
}

// Reads a list of tables, each with a name of its own.
template <class Item>
Error read_list(const toml::node& node, const std::string& file, std::string_view where,
                std::span<const KeyReader<Item>> keys, const Item& usual, std::vector<Item>& out,
                Error (*check)(const Place&, const Item&)) {
    const auto error_at = [&](const toml::node& item, std::string text, std::string hint) {
        return detail::error_at(item, file, std::string(where), std::move(text), std::move(hint));
    };
    const toml::array* list = node.as_array();
    const std::string form = fmt::format("write [[{}]]", where);
    if (list == nullptr) return error_at(node, "is a list of tables", form);
    if (list->size() > policy::kMaxRules)
        return error_at(node, fmt::format("has more than {} entries", policy::kMaxRules), {});
    for (const toml::node& entry : *list) {
        const toml::table* table = entry.as_table();
        if (table == nullptr) return error_at(entry, "is a list of tables", form);
        Item item = usual;
        if (auto error = read_item(*table, file, where, keys, item)) return error;
        if (item.name.empty()) return error_at(entry, "has no name", R"(name = "sales")");
        if (std::any_of(out.begin(), out.end(),
                        [&](const Item& other) { return other.name == item.name; }))
            return error_at(entry, fmt::format("there are two \"{}\"", item.name),
                            "events name it: give each its own");
        if (auto error = check({file, where, "", entry}, item)) return error;
        out.push_back(std::move(item));
    }
    return std::nullopt;
}

template <auto kMember>
Error read_name(const Place& at, auto& item) {
    std::string& name = item.*kMember;
    if (auto error = read_text(at, name, policy::kMaxNameBytes)) return error;
    return name.empty() ? at.wrong("is empty") : Error{};
}

Error read_percent(const Place& at, CallRule& rule) {
    const auto number = at.node.value<std::int64_t>();
    constexpr std::int64_t kAll = 100;
    if (!at.node.is_integer() || *number < 0 || *number > kAll)
        return at.wrong("must be a whole number from 0 to 100");
    rule.conditions.percent = static_cast<std::uint32_t>(*number);
    return std::nullopt;
}

Error read_direction(const Place& at, CallRule& rule) {
    const std::string word = at.node.value_or(std::string{});
    if (word != "inbound" && word != "outbound")
        return at.wrong(R"(must be "inbound" or "outbound")");
    rule.conditions.is_outbound = word == "outbound";
    return std::nullopt;
}

Error read_windows(const Place& at, CallRule& rule) {
    std::vector<std::string> texts;
    if (auto error = read_texts(at, texts)) return error;
    for (const std::string& text : texts) {
        const auto window = policy::TimeWindow::parse(text);
        if (!window)
            return at.wrong(fmt::format("\"{}\" {}", text, window.error().what),
                            R"(like "mon-fri 08:00-18:00", "sat,sun" or "22:00-06:00")");
        rule.conditions.windows.push_back(*window);
    }
    return std::nullopt;
}

Error read_zone(const Place& at, CallRule& rule) {
    const auto zone = policy::Zone::find(at.node.value_or(std::string{}));
    if (!zone)
        return at.wrong("is no time zone that this system knows",
                        R"(like "Europe/Berlin"; the default is "UTC")");
    rule.conditions.zone = *zone;
    return std::nullopt;
}

Error read_servers(const Place& at, CallRule& rule) {
    if (auto error = read_texts(at, rule.settings.servers, policy::kMaxSettingBytes)) return error;
    const std::string wrong = find_server_fault(rule.settings.servers);
    return wrong.empty() ? Error{} : at.wrong(wrong);
}

Error read_codes(const Place& at, CallRule& rule) {
    if (auto error = read_text(at, rule.settings.skip_failover_codes)) return error;
    const auto parsed = siprec::SkipCodes::parse(rule.settings.skip_failover_codes);
    return parsed ? Error{} : at.wrong("is no regular expression: " + parsed.error().text);
}

Error read_parallel(const Place& at, CallRule& rule) {
    const auto number = at.node.value<std::int64_t>();
    const auto count =
        policy::parse_parallel(number ? std::to_string(*number) : at.node.value_or(std::string{}));
    if (!count)
        return at.wrong(
            fmt::format("is neither \"all\" nor a number up to {}", policy::kMaxServers));
    rule.settings.parallel = *count;
    return std::nullopt;
}

Error read_session(const Place& at, CallRule& rule) {
    const auto kind = policy::parse_session_kind(at.node.value_or(std::string{}));
    if (!kind) return at.wrong("is none of own, shared, persistent");
    rule.settings.session = *kind;
    return std::nullopt;
}

Error read_chat_mapping(const Place& at, CallRule& rule) {
    const auto mapping = policy::parse_chat_mapping(at.node.value_or(std::string{}));
    if (!mapping) return at.wrong("is none of session, reuse, mux");
    rule.settings.chat_mapping = *mapping;
    return std::nullopt;
}

Error read_renew(const Place& at, CallRule& rule) {
    const auto hours = at.node.value<std::int64_t>();
    if (!at.node.is_integer() || *hours < 0 || *hours > policy::kMaxRenewHours)
        return at.wrong(fmt::format("must be a whole number up to {}", policy::kMaxRenewHours));
    rule.settings.renew_h = static_cast<std::uint32_t>(*hours);
    return std::nullopt;
}

Error read_start_at(const Place& at, CallRule& rule) {
    const auto start = policy::parse_start_at(at.node.value_or(std::string{}));
    if (!start) return at.wrong("is none of answer, early, invite");
    rule.settings.start_at = *start;
    return std::nullopt;
}

// The address told to the recording server; nothing fills placeholders in here.
Error read_media(const Place& at, CallRule& rule) {
    if (auto error = read_text(at, rule.settings.media)) return error;
    const std::string& media = rule.settings.media;
    if (media.empty() || base::parse_host(media, 0)) return std::nullopt;
    return at.wrong(fmt::format("\"{}\" is no IP address", media), R"(like "192.0.2.9")");
}

// Of the media types of RFC 8866 section 8.2.2 those that come as RTP, and chats.
Error read_streams(const Place& at, CallRule& rule) {
    if (auto error = read_texts(at, rule.settings.streams)) return error;
    static const std::vector<std::string_view> kTypes{"audio", "video", "text", "message"};
    for (const std::string& type : rule.settings.streams)
        if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end())
            return at.wrong(fmt::format("\"{}\" is no medium that is recorded", type),
                            suggest(type, kTypes));
    return std::nullopt;
}

// XML is judged as it would be with a call: placeholders are texts in it.
Error check_extension(const Place& at, std::string_view key, const std::string& xml,
                      const policy::RecordingSettings& settings) {
    if (base::trim(xml).empty()) return std::nullopt;
    const std::string filled = policy::expand(xml, policy::CallFacts{}, policy::Escape::Xml);
    const std::string name_space = settings.extension_namespace.empty()
                                       ? std::string(siprec::kExtensionNamespace)
                                       : settings.extension_namespace;
    const auto block =
        siprec::read_extension_block(filled, name_space, settings.raw_extensions, false);
    return block ? Error{}
                 : at.wrong(fmt::format("has a {} that would be left out: {}", key, block.error()));
}

Error check_participant(const Place& at, std::string_view key, const std::string& party,
                        const policy::RecordingSettings& settings) {
    if (!policy::is_participant_xml(party)) return std::nullopt;
    const std::string filled = policy::expand(party, policy::CallFacts{}, policy::Escape::Xml);
    const auto block = siprec::read_extension_block(filled, siprec::kExtensionNamespace,
                                                    settings.raw_extensions, true);
    return block ? Error{}
                 : at.wrong(fmt::format("has a {} that would be left out: {}", key, block.error()));
}

using C = policy::CallConditions;
using S = policy::RecordingSettings;

template <std::vector<std::string> C::*kMember>
Error read_condition(const Place& at, CallRule& rule) {
    return read_texts(at, rule.conditions.*kMember);
}
template <std::string S::*kMember>
Error read_setting(const Place& at, CallRule& rule) {
    return read_text(at, rule.settings.*kMember);
}
template <bool S::*kMember>
Error read_switch(const Place& at, CallRule& rule) {
    return read_flag(at, rule.settings.*kMember);
}

// As it would be read from [client]: a text, or a number in its own form.
Error read_indication(const Place& at, CallRule& rule) {
    const auto number = at.node.value<std::int64_t>();
    if (!at.node.is_string() && !at.node.is_integer())
        return at.wrong("must be a text or a number");
    const std::string text =
        at.node.is_integer() ? std::to_string(*number) : *at.node.value<std::string>();
    const std::string wrong = policy::set_indication(rule.settings.indication, at.key, text);
    return wrong.empty() ? Error{} : at.wrong(fmt::format("\"{}\" {}", text, wrong));
}

constexpr std::array kRuleKeys{
    KeyReader<CallRule>{
        "name", [](const Place& at, CallRule& r) { return read_name<&CallRule::name>(at, r); }},
    KeyReader<CallRule>{
        "instance",
        [](const Place& at, CallRule& r) { return read_name<&CallRule::instance>(at, r); }},
    KeyReader<CallRule>{"record",
                        [](const Place& at, CallRule& r) { return read_flag(at, r.records); }},
    KeyReader<CallRule>{"from", read_condition<&C::from>},
    KeyReader<CallRule>{"to", read_condition<&C::to>},
    KeyReader<CallRule>{"request_uri", read_condition<&C::request_uri>},
    KeyReader<CallRule>{"source", read_condition<&C::source>},
    KeyReader<CallRule>{"header",
                        [](const Place& at, CallRule& r) {
                            return read_header_patterns(at, r.conditions.headers);
                        }},
    KeyReader<CallRule>{"when", read_windows},
    KeyReader<CallRule>{"zone", read_zone},
    KeyReader<CallRule>{"direction", read_direction},
    KeyReader<CallRule>{"percent", read_percent},
    KeyReader<CallRule>{"servers", read_servers},
    KeyReader<CallRule>{"skip_failover_codes", read_codes},
    KeyReader<CallRule>{"start_at", read_start_at},
    KeyReader<CallRule>{"parallel", read_parallel},
    KeyReader<CallRule>{"session", read_session},
    KeyReader<CallRule>{"session_name", read_setting<&S::session_name>},
    KeyReader<CallRule>{"session_renew_h", read_renew},
    KeyReader<CallRule>{"mix", read_switch<&S::mix>},
    KeyReader<CallRule>{"chat_mapping", read_chat_mapping},
    KeyReader<CallRule>{"on_demand", read_switch<&S::on_demand>},
    KeyReader<CallRule>{"mandatory", read_switch<&S::mandatory>},
    KeyReader<CallRule>{"indication", read_indication},
    KeyReader<CallRule>{"tone_level_db", read_indication},
    KeyReader<CallRule>{"tone_interval_s", read_indication},
    KeyReader<CallRule>{"announcement", read_indication},
    KeyReader<CallRule>{"announce_first",
                        [](const Place& at, CallRule& r) {
                            return read_flag(at, r.settings.indication.announce_first);
                        }},
    KeyReader<CallRule>{"agreed_reason", read_indication},
    KeyReader<CallRule>{"recordpref", read_indication},
    KeyReader<CallRule>{"group", read_setting<&S::group>},
    KeyReader<CallRule>{"raw_group", read_switch<&S::raw_group>},
    KeyReader<CallRule>{"caller", read_setting<&S::caller>},
    KeyReader<CallRule>{"callee", read_setting<&S::callee>},
    KeyReader<CallRule>{
        "headers",
        [](const Place& at, CallRule& r) { return read_headers(at, r.settings.headers); }},
    KeyReader<CallRule>{"from_uri", read_setting<&S::from_uri>},
    KeyReader<CallRule>{"to_uri", read_setting<&S::to_uri>},
    KeyReader<CallRule>{"socket", read_setting<&S::socket>},
    KeyReader<CallRule>{"media", read_media},
    KeyReader<CallRule>{"session_extension", read_setting<&S::session_extension>},
    KeyReader<CallRule>{"group_extension", read_setting<&S::group_extension>},
    KeyReader<CallRule>{"extension_namespace", read_setting<&S::extension_namespace>},
    KeyReader<CallRule>{"raw_extensions", read_switch<&S::raw_extensions>},
    KeyReader<CallRule>{"streams", read_streams},
};

Error check_rule(const Place& at, const CallRule& rule) {
    if (!rule.records) return std::nullopt;
    if (rule.settings.servers.empty())
        return at.wrong(fmt::format("\"{}\" names no servers, nor does [client]", rule.name),
                        R"(servers = ["sip:recorder.example.com"], or record = false)");
    if (const std::string wrong = policy::find_fault(rule.settings.indication); !wrong.empty())
        return at.wrong(fmt::format("\"{}\": {}", rule.name, wrong));
    if (rule.settings.mix && rule.settings.session == policy::SessionKind::Own)
        return at.wrong(fmt::format("\"{}\" mixes what is not shared", rule.name),
                        R"(session = "persistent", or "shared")");
    siprec::ClientSessionSettings session{.servers = rule.settings.servers};
    const auto is_known_now = [](const std::string& text) {
        return text.find('{') == std::string::npos;
    };
    // Those that are known only with the call are looked at then.
    std::erase_if(session.servers, [&](const auto& server) { return !is_known_now(server); });
    if (session.servers.empty()) session.servers = {"sip:known-with-the-call.invalid"};
    if (is_known_now(rule.settings.from_uri)) session.from_uri = rule.settings.from_uri;
    if (is_known_now(rule.settings.to_uri)) session.to_uri = rule.settings.to_uri;
    for (const auto& [name, value] : rule.settings.headers)
        session.headers.push_back({name, value});
    if (const auto fault = siprec::find_fault(session)) return at.wrong(fault->text);
    const policy::RecordingSettings& settings = rule.settings;
    if (auto error = check_extension(at, "session_extension", settings.session_extension, settings))
        return error;
    if (auto error = check_extension(at, "group_extension", settings.group_extension, settings))
        return error;
    if (!base::trim(settings.group_extension).empty() && settings.group.empty())
        return at.wrong("has a group_extension and no group");
    if (auto error = check_participant(at, "caller", settings.caller, settings)) return error;
    return check_participant(at, "callee", settings.callee, settings);
}

Error read_when(const Place& at, Trigger& trigger) {
    const std::string word = at.node.value_or(std::string{});
    const auto happening = policy::parse_happening(word);
    if (!happening)
        return at.wrong(fmt::format("\"{}\" is nothing that happens", word),
                        suggest(word, {"hold", "unhold", "transfer", "header", "dtmf"}));
    trigger.when = *happening;
    return std::nullopt;
}
Error read_action(const Place& at, Trigger& trigger) {
    const std::string word = at.node.value_or(std::string{});
    const auto action = policy::parse_trigger_action(word);
    if (!action)
        return at.wrong(fmt::format("\"{}\" is no action", word),
                        suggest(word, {"start", "pause", "resume", "stop", "send"}));
    trigger.action = *action;
    return std::nullopt;
}
Error read_by(const Place& at, Trigger& trigger) {
    const std::string word = at.node.value_or(std::string{});
    if (word != "caller" && word != "callee") return at.wrong(R"(must be "caller" or "callee")");
    trigger.by_caller = word == "caller";
    return std::nullopt;
}
template <std::string Trigger::*kMember>
Error read_trigger_text(const Place& at, Trigger& trigger) {
    return read_text(at, trigger.*kMember);
}

constexpr std::array kTriggerKeys{
    KeyReader<Trigger>{
        "name", [](const Place& at, Trigger& t) { return read_name<&Trigger::name>(at, t); }},
    KeyReader<Trigger>{"event", read_when},
    KeyReader<Trigger>{"by", read_by},
    KeyReader<Trigger>{
        "header", [](const Place& at, Trigger& t) { return read_header_patterns(at, t.headers); }},
    KeyReader<Trigger>{"digits", read_trigger_text<&Trigger::digits>},
    KeyReader<Trigger>{"instance", read_trigger_text<&Trigger::instance>},
    KeyReader<Trigger>{"action", read_action},
    KeyReader<Trigger>{"method", read_trigger_text<&Trigger::method>},
    KeyReader<Trigger>{
        "headers", [](const Place& at, Trigger& t) { return read_headers(at, t.send_headers); }},
    KeyReader<Trigger>{"content_type", read_trigger_text<&Trigger::content_type>},
    KeyReader<Trigger>{"body", read_trigger_text<&Trigger::body>},
};

// What would be read and then mean nothing is a mistake.
Error check_trigger(const Place& at, const Trigger& trigger) {
    const toml::table& table = *at.node.as_table();
    for (const char* needed : {"event", "action"})
        if (!table.contains(needed)) return at.wrong(fmt::format("has no {}", needed));
    using policy::CallHappening;
    if (trigger.when == CallHappening::Dtmf && trigger.digits.empty())
        return at.wrong("has no digits", R"(digits = "*1")");
    if (trigger.when == CallHappening::Header && trigger.headers.empty())
        return at.wrong("has no header", R"(header = { X-Record = "on" })");
    const bool sends = trigger.action == policy::TriggerAction::Send;
    for (const char* key : {"method", "headers", "content_type", "body"})
        if (table.contains(key) && !sends)
            return at.wrong(fmt::format("has {}, which belongs to action = \"send\"", key));
    if (sends) {
        sip::RequestSpec request{.method = trigger.method,
                                 .headers = {},
                                 .content_type = trigger.content_type,
                                 .body = trigger.body};
        for (const auto& [name, value] : trigger.send_headers)
            request.headers.push_back({name, value});
        if (const auto fault = siprec::find_request_fault(request)) return at.wrong(fault->text);
    }
    return std::nullopt;
}

}  // namespace

Error read_call_rules(const toml::node& node, const std::string& file,
                      const policy::RecordingSettings& defaults, std::vector<CallRule>& rules) {
    return read_list<CallRule>(node, file, "client.rule", kRuleKeys, {.settings = defaults}, rules,
                               check_rule);
}

Error read_triggers(const toml::node& node, const std::string& file,
                    std::vector<Trigger>& triggers) {
    return read_list<Trigger>(node, file, "client.on", kTriggerKeys, {}, triggers, check_trigger);
}

std::string find_server_fault(const std::vector<std::string>& servers) {
    for (const std::string& server : servers) {
        if (server.find('{') != std::string::npos) continue;  // known only with the call
        if (const auto entry = client::parse_server(server);
            !entry && entry.error().code == "bad_weight")
            return fmt::format("holds \"{}\", whose weight is no number from 0 to 65535", server);
        const auto uri = sip::parse_uri(server);
        if (!uri || !uri->is_sip())
            return fmt::format("holds \"{}\", which is no SIP URI like sip:recorder.example.com",
                               server);
    }
    return {};
}

}  // namespace earshot::app
