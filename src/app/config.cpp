#include "app/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "app/rule_config.h"
#include "app/secret_file.h"
#include "app/toml.h"
#include "base/text.h"
#include "http/url.h"

namespace earshot::app {

using base::NetAddress;
using base::Result;
using server::ServerConfig;

namespace {

constexpr std::size_t kMaxListens = 8;

// Reads one key's text into the configuration; returns what is wrong with it, empty when nothing
// is.
using Setter = std::string (*)(ServerConfig&, std::string_view text);

enum class Kind { Text, Number, Flag, List };  // a list: texts, in one text with commas between

struct Key {
    std::string_view table;
    std::string_view name;
    Kind kind;
    std::string_view default_text;
    std::string_view meaning;
    Setter set;
};

std::string set_address(NetAddress& address, std::string_view text) {
    const auto parsed = base::parse_net_address(text);
    if (!parsed)
        return "is not an address: expected HOST:PORT with a literal IP, like 127.0.0.1:5060";
    address = *parsed;
    return {};
}

// One or several, separated by commas.
std::string set_listens(std::vector<NetAddress>& addresses, std::string_view text) {
    addresses.clear();
    while (!text.empty()) {
        std::string wrong =
            set_address(addresses.emplace_back(), base::trim(base::take_until(text, ',')));
        if (!wrong.empty()) return wrong;
        if (std::count(addresses.begin(), addresses.end(), addresses.back()) > 1)
            return "names an address twice";
    }
    if (addresses.empty()) return "is empty";
    return addresses.size() > kMaxListens ? "has more than 8 addresses" : std::string{};
}

std::string set_advertised(std::vector<NetAddress>& addresses, std::string_view text) {
    addresses.clear();
    while (!text.empty()) {
        const std::string_view one = base::trim(base::take_until(text, ','));
        auto address = base::parse_host(one, 0);
        if (!address) address = base::parse_net_address(one);
        if (!address || address->is_unspecified())
            return "is not an address: expected a literal IP, with or without a port";
        const bool has_family = std::any_of(addresses.begin(), addresses.end(), [&](auto& other) {
            return other.is_v4() == address->is_v4();
        });
        if (has_family) return "has two addresses of one IP family";
        addresses.push_back(*address);
    }
    return {};
}

std::string set_dns(std::string& servers, std::string_view text) {
    servers = text;
    while (!text.empty()) {
        const std::string_view one = base::trim(base::take_until(text, ','));
        if (!base::parse_host(one, 0) && !base::parse_net_address(one))
            return "is not an address: expected literal IPs, with or without a port";
    }
    return {};
}

template <class T>
std::string set_number(T& target, std::string_view text, std::uint64_t low, std::uint64_t high) {
    const auto value = base::parse_number<std::uint64_t>(text);
    if (!value || *value < low || *value > high)
        return fmt::format("is not a whole number from {} to {}", low, high);
    target = T(*value);
    return {};
}

std::string set_flag(bool& target, std::string_view text) {
    if (text != "true" && text != "false") return "is neither true nor false";
    target = text == "true";
    return {};
}

// It becomes the Contact of a 302 as it stands.
std::string set_redirect(std::string& target, std::string_view text) {
    const bool is_sip = base::istarts_with(text, "sip:") || base::istarts_with(text, "sips:");
    const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < '\x7f' && c != '<' && c != '>' && c != '"';
    });
    if (!text.empty() && !(is_sip && is_plain))
        return "is no SIP URI: expected one like sip:rec2.example.com";
    target = text;
    return {};
}

std::string set_ports(server::PortRange& range, std::string_view text) {
    std::string_view rest = text;
    const auto low = base::parse_number<std::uint16_t>(base::take_until(rest, '-'));
    const auto high = base::parse_number<std::uint16_t>(rest);
    if (!low || !high || *low < 1024)
        return "is not a port range: expected LOW-HIGH, like 10000-19999, from 1024 up";
    if (*low % 2 != 0 || *high % 2 == 0 || *low > *high)
        return "must begin with an even and end with an odd port (RTP takes the even, RTCP the odd "
               "one)";
    constexpr int kFewest = 8;  // what admission wants free for one call: four pairs
    if (*high - *low + 1 < kFewest)
        return "is too small: a call with video takes four pairs, so 8 ports are the least";
    range = {*low, *high};
    return {};
}

std::string set_level(base::LogLevel& level, std::string_view text) {
    constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warning", "error"};
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (kNames[i] != text) continue;
        level = static_cast<base::LogLevel>(i);
        return {};
    }
    return "is none of debug, info, warning, error";
}

std::string set_join_keys(std::vector<siprec::JoinKeySource>& keys, std::string_view text) {
    keys.clear();
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view item = base::trim(base::take_until(rest, ','));
        const auto key = siprec::parse_join_key_source(item);
        if (!key)
            return "is no list of keys: each is session_id, sip_session_id, header:NAME, from:NAME "
                   "or element:NAME";
        keys.push_back(*key);
    }
    return {};
}

std::string set_dropped(std::vector<siprec::DroppedElement>& list, std::string_view text) {
    list.clear();
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view item = base::trim(base::take_until(rest, ','));
        const auto element = siprec::parse_dropped_element(item);
        if (!element)
            return "is no list of elements: each is NAME, {NAMESPACE}NAME, {NAMESPACE}* or {*}*";
        list.push_back(*element);
    }
    return {};
}

std::string set_url(std::string& url, std::string_view text) {
    if (!text.empty() && !http::parse_url(text))
        return "is no URL of the form http://HOST[:PORT]/path (https is not supported)";
    url = text;
    return {};
}

std::string set_on_failure(bool& records, std::string_view text) {
    if (text != "record" && text != "decline") return "is neither record nor decline";
    records = text == "record";
    return {};
}

constexpr std::array kKeys{
    Key{"sip", "listen", Kind::Text, "127.0.0.1:5060",
        "addresses of the SIP listeners, UDP and TCP, separated by commas",
        [](ServerConfig& c, std::string_view t) { return set_listens(c.sip_listen, t); }},
    Key{"sip", "advertised_address", Kind::Text, "",
        "IP addresses that clients see (NAT): one IPv4, one IPv6; a port if it differs",
        [](ServerConfig& c, std::string_view t) { return set_advertised(c.advertised, t); }},
    Key{"sip", "dns_servers", Kind::Text, "",
        "DNS servers that are asked where a client's host name leads; empty: the system's",
        [](ServerConfig& c, std::string_view t) { return set_dns(c.dns_servers, t); }},
    Key{"sip", "insecure", Kind::Flag, "false",
        "take SIP from everyone although the listener is not loopback",
        [](ServerConfig& c, std::string_view t) { return set_flag(c.insecure, t); }},
    Key{"sip", "strict", Kind::Flag, "false",
        "refuse what the standards do not allow instead of noting it",
        [](ServerConfig& c, std::string_view t) { return set_flag(c.strict, t); }},
    Key{"sip", "max_calls", Kind::Number, "4000", "running calls; beyond it new ones get 503",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.max_calls, t, 1, 1'000'000);
        }},
    Key{"sip", "max_calls_per_host", Kind::Number, "0",
        "running calls of one host; beyond it 503; 0: no limit",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.max_calls_per_host, t, 0, 1'000'000);
        }},
    Key{"sip", "max_unacknowledged", Kind::Number, "500",
        "calls of one host that wait for its ACK; beyond it 503",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.max_unacknowledged, t, 1, 1'000'000);
        }},
    Key{"sip", "redirect_to", Kind::Text, "",
        "SIP URI that new calls are sent to by 302, for maintenance",
        [](ServerConfig& c, std::string_view t) { return set_redirect(c.redirect_to, t); }},
    Key{"sip", "session_expires_s", Kind::Number, "1800",
        "session interval (RFC 4028): half of it passes between refreshes",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.session_timer.session_expires, t, 1, 86'400);
        }},
    Key{"sip", "min_se_s", Kind::Number, "90", "shorter session intervals get 422",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.session_timer.min_se, t, 1, 86'400);
        }},
    Key{"sip", "refresh_always", Kind::Flag, "false",
        "refresh also sessions of clients that do not support timers",
        [](ServerConfig& c, std::string_view t) {
            return set_flag(c.session_timer.refresh_always, t);
        }},
    Key{"http", "listen", Kind::Text, "127.0.0.1:8080", "address of the page and the REST API",
        [](ServerConfig& c, std::string_view t) { return set_address(c.http_listen, t); }},
    Key{"media", "ports", Kind::Text, "10000-19999", "UDP ports for RTP (even) and RTCP (odd)",
        [](ServerConfig& c, std::string_view t) { return set_ports(c.media_ports, t); }},
    Key{"media", "keep_alive_s", Kind::Number, "15",
        "an RTP flow that is idle for so long gets a packet (RFC 6263); 0: none does",
        [](ServerConfig& c, std::string_view t) { return set_number(c.keep_alive, t, 0, 3600); }},
    Key{"storage", "data", Kind::Text, "./earshot-data", "directory of all data",
        [](ServerConfig& c, std::string_view t) {
            c.data = std::filesystem::path(std::string(t));
            return t.empty() ? std::string("is empty") : std::string{};
        }},
    Key{"storage", "commit_interval_ms", Kind::Number, "200",
        "how often the journal is made durable",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.commit_interval, t, 10, 10'000);
        }},
    Key{"storage", "linger_ms", Kind::Number, "1000",
        "a recording closes this long after its last dialog",
        [](ServerConfig& c, std::string_view t) { return set_number(c.linger, t, 0, 600'000); }},
    Key{"storage", "too_short_ms", Kind::Number, "1000",
        "a recording that lasted less gets the warning too_short; 0: none does",
        [](ServerConfig& c, std::string_view t) { return set_number(c.too_short, t, 0, 600'000); }},
    Key{"storage", "min_free_mib", Kind::Number, "256", "below this free space new calls get 503",
        [](ServerConfig& c, std::string_view t) {
            std::uint64_t mib = 0;
            std::string wrong = set_number(mib, t, 0, 1ULL << 40);
            if (wrong.empty()) c.min_free_bytes = mib << 20;
            return wrong;
        }},
    Key{"decision", "url", Kind::Text, "", "asked when no rule holds; empty: nobody is",
        [](ServerConfig& c, std::string_view t) { return set_url(c.decision.url, t); }},
    Key{"decision", "deadline_ms", Kind::Number, "1000", "how long an answer is waited for",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.decision.deadline, t, 10, 20'000);
        }},
    Key{"decision", "on_failure", Kind::Text, "record",
        "record or decline: what is done without an answer",
        [](ServerConfig& c, std::string_view t) {
            return set_on_failure(c.decision.records_on_failure, t);
        }},
    Key{"join", "keys", Kind::List,
        "session_id, sip_session_id, from:x-refci, header:Cisco-Guid, element:ucid, "
        "element:AvayaUCID",
        "calls with an equal one of these are pieces of one recording; empty: none are",
        [](ServerConfig& c, std::string_view t) { return set_join_keys(c.join.keys, t); }},
    Key{"join", "window_s", Kind::Number, "600",
        "a recording takes further pieces so long after its last one",
        [](ServerConfig& c, std::string_view t) {
            return set_number(c.join.window, t, 0, 86'400);
        }},
    Key{"metadata", "drop", Kind::List, "",
        "elements of the metadata that are not kept, with all that is in them",
        [](ServerConfig& c, std::string_view t) { return set_dropped(c.dropped_metadata, t); }},
    Key{"log", "level", Kind::Text, "info", "debug, info, warning or error",
        [](ServerConfig& c, std::string_view t) { return set_level(c.log_level, t); }},
};

std::string full_name(const Key& key) { return fmt::format("{}.{}", key.table, key.name); }

std::string variable_name(const Key& key) {
    std::string name = fmt::format("EARSHOT_{}_{}", key.table, key.name);
    for (char& c : name)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    // The data directory is named so often that it has the short name, also for the command line.
    return name == "EARSHOT_STORAGE_DATA" ? "EARSHOT_DATA" : name;
}

// Levenshtein distance, for suggestions.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] =
                std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

std::vector<std::string_view> table_names() {
    std::vector<std::string_view> names{"peer", "rule"};
    for (const Key& key : kKeys)
        if (names.back() != key.table) names.push_back(key.table);
    return names;
}

std::vector<std::string_view> key_names(std::string_view table) {
    std::vector<std::string_view> names;
    for (const Key& key : kKeys)
        if (key.table == table) names.push_back(key.name);
    return names;
}

const Key* find_key(std::string_view table, std::string_view name) {
    for (const Key& key : kKeys)
        if (key.table == table && key.name == name) return &key;
    return nullptr;
}

std::size_t line_of(const toml::node& node) { return node.source().begin.line; }

// Walks a parsed file; the first mistake ends it.
class FileReader {
public:
    FileReader(ServerConfig& config, std::string name) : config_(config), name_(std::move(name)) {}

    std::optional<ConfigError> read(const toml::table& root) {
        for (const auto& [key, node] : root) {
            auto error = read_table(key.str(), node);
            if (error) return error;
        }
        return std::nullopt;
    }

private:
    ConfigError error_at(const toml::node& node, std::string key, std::string text,
                         std::string hint = {}) const {
        return {.where = name_,
                .line = line_of(node),
                .key = std::move(key),
                .text = std::move(text),
                .suggestion = std::move(hint)};
    }

    std::optional<ConfigError> read_table(std::string_view table, const toml::node& node) {
        if (table == "peer") return read_peers(node);
        if (table == "rule") return read_rules(node, name_, config_.rules);
        const auto known = key_names(table);
        if (known.empty())
            return error_at(node, std::string(table), "unknown table",
                            suggest(table, table_names()));
        const toml::table* entries = node.as_table();
        if (entries == nullptr)
            return error_at(node, std::string(table), "is a table",
                            fmt::format("write [{}]", table));
        for (const auto& [name, value] : *entries) {
            const Key* key = find_key(table, name.str());
            if (key == nullptr)
                return error_at(value, fmt::format("{}.{}", table, name.str()), "unknown key",
                                suggest(name.str(), known));
            auto error = read_value(*key, value);
            if (error) return error;
        }
        return std::nullopt;
    }

    static bool is_list_of_texts(const toml::node& node) {
        const toml::array* list = node.as_array();
        return list != nullptr &&
               std::all_of(list->begin(), list->end(),
                           [](const toml::node& item) { return item.is_string(); });
    }
    static std::string joined(const toml::array& list) {
        std::string text;
        for (const toml::node& item : list)
            text += (text.empty() ? "" : ", ") + item.value_or(std::string{});
        return text;
    }

    std::optional<ConfigError> read_value(const Key& key, const toml::node& node) {
        std::string text;
        if (key.kind == Kind::Text && node.is_string())
            text = *node.value<std::string>();
        else if (key.kind == Kind::Number && node.is_integer())
            text = std::to_string(*node.value<std::int64_t>());
        else if (key.kind == Kind::Flag && node.is_boolean())
            text = *node.value<bool>() ? "true" : "false";
        else if (key.kind == Kind::List && is_list_of_texts(node))
            text = joined(*node.as_array());
        else {
            constexpr std::array<std::string_view, 4> kKinds{"a text in quotes", "a whole number",
                                                             "true or false", "a list of texts"};
            return error_at(node, full_name(key),
                            fmt::format("must be {}", kKinds[static_cast<std::size_t>(key.kind)]),
                            fmt::format("the default is {}", key.default_text));
        }
        std::string wrong = key.set(config_, text);
        if (wrong.empty()) return std::nullopt;
        return error_at(node, full_name(key), fmt::format("\"{}\" {}", text, wrong),
                        fmt::format("the default is {}", key.default_text));
    }

    std::optional<ConfigError> read_peers(const toml::node& node) {
        const toml::array* peers = node.as_array();
        if (peers == nullptr)
            return error_at(node, "peer", "is a list of tables", "write [[peer]]");
        for (const toml::node& entry : *peers) {
            const toml::table* table = entry.as_table();
            if (table == nullptr)
                return error_at(entry, "peer", "is a list of tables", "write [[peer]]");
            server::Peer peer;
            // The profile first: a switch beside it has the last word.
            if (const toml::node* profile = table->get("profile")) {
                auto error = read_profile(peer, *profile);
                if (error) return error;
            }
            for (const auto& [name, value] : *table) {
                auto error = read_peer_key(peer, name.str(), value);
                if (error) return error;
            }
            const bool has_digest = !peer.digest.username.empty();
            if (has_digest != !peer.digest.password.empty())
                return error_at(entry, "peer", "needs both username and password_file, or neither");
            if (peer.name.empty() || (peer.addresses.empty() && !has_digest))
                return error_at(entry, "peer",
                                "needs a name and addresses, or a name, username and password_file",
                                R"(name = "sbc1", addresses = ["192.0.2.1"])");
            config_.peers.push_back(std::move(peer));
        }
        return std::nullopt;
    }

    // What cannot be told from the messages of a kind of client, by its name.
    std::optional<ConfigError> read_profile(server::Peer& peer, const toml::node& node) {
        const std::string_view name = node.value_or<std::string_view>("");
        if (name == "cisco") {  // CUBE without metadata and headers, a plain call to the recorder
            peer.records_unmarked = true;
        } else if (name == "nat") {  // its gateway learns our address from our first packet
            peer.probe_media = true;
        } else if (name != "generic") {
            return error_at(node, "peer.profile", fmt::format("\"{}\" is no profile", name),
                            suggest(name, {"generic", "cisco", "nat"}));
        }
        return std::nullopt;
    }

    std::optional<ConfigError> read_hosts(std::vector<NetAddress>& hosts, std::string_view name,
                                          const toml::array& list) {
        for (const toml::node& item : list) {
            const auto address = base::parse_host(item.value_or<std::string_view>(""), 0);
            if (!address)
                return error_at(item, fmt::format("peer.{}", name), "is not a literal IP address",
                                R"(like "192.0.2.1")");
            hosts.push_back(*address);
        }
        return std::nullopt;
    }

    std::optional<ConfigError> read_peer_key(server::Peer& peer, std::string_view name,
                                             const toml::node& node) {
        if (name == "profile") return std::nullopt;  // read before
        if (name == "name" && node.is_string()) {
            peer.name = *node.value<std::string>();
            return std::nullopt;
        }
        if (name == "join_group" && node.is_string()) {
            peer.join_group = *node.value<std::string>();
            return std::nullopt;
        }
        if (name == "username" && node.is_string()) {
            peer.digest.username = *node.value<std::string>();
            return std::nullopt;
        }
        if (name == "password_file" && node.is_string()) {
            auto password = read_secret(*node.value<std::string>());
            if (!password)
                return error_at(node, "peer.password_file", "cannot be read or is empty",
                                "its first line is the password");
            peer.digest.password = *std::move(password);
            return std::nullopt;
        }
        if (const toml::array* list = node.as_array()) {
            if (name == "addresses") return read_hosts(peer.addresses, name, *list);
            if (name == "media_from") return read_hosts(peer.media_from, name, *list);
        }
        if (const auto flag = node.value_exact<bool>()) {
            if (name == "records_unmarked" || name == "probe_media" || name == "strict") {
                if (name == "records_unmarked") peer.records_unmarked = *flag;
                if (name == "probe_media") peer.probe_media = *flag;
                if (name == "strict") peer.strict = *flag;
                return std::nullopt;
            }
        }
        const std::vector<std::string_view> known{
            "name",       "addresses",   "username", "password_file",    "profile",
            "media_from", "probe_media", "strict",   "records_unmarked", "join_group"};
        if (std::find(known.begin(), known.end(), name) != known.end())
            return error_at(node, fmt::format("peer.{}", name), "has the wrong type",
                            R"(name = "sbc1", addresses = ["192.0.2.1"], strict = false)");
        return error_at(node, fmt::format("peer.{}", name), "unknown key", suggest(name, known));
    }

    ServerConfig& config_;
    std::string name_;
};

std::optional<ConfigError> apply_text(ServerConfig& config, const Key& key,
                                      const std::string& where, std::string_view value) {
    std::string wrong = key.set(config, value);
    if (wrong.empty()) return std::nullopt;
    return ConfigError{.where = where,
                       .key = full_name(key),
                       .text = fmt::format("\"{}\" {}", value, wrong),
                       .suggestion = fmt::format("the default is {}", key.default_text)};
}

// What no single key can tell (design: security by default).
std::optional<ConfigError> check_whole(const ServerConfig& config, const std::string& name) {
    const auto open = std::find_if(config.sip_listen.begin(), config.sip_listen.end(),
                                   [](const NetAddress& a) { return !a.is_loopback(); });
    if (open != config.sip_listen.end() && config.peers.empty() && !config.insecure)
        return ConfigError{
            .where = name,
            .key = "sip.listen",
            .text = fmt::format("{} is not loopback, and anyone could send calls to it",
                                base::to_string(*open)),
            .suggestion =
                "name the clients in [[peer]] by addresses or by username and password_file, or "
                "write insecure = true "
                "under [sip]"};
    const sip::SessionTimerConfig& timer = config.session_timer;
    if (timer.session_expires < timer.min_se)
        return ConfigError{.where = name,
                           .key = "sip.session_expires_s",
                           .text = fmt::format("{} is less than sip.min_se_s, {}",
                                               timer.session_expires.count(), timer.min_se.count()),
                           .suggestion = "the defaults are 1800 and 90"};
    if (!config.http_listen.is_loopback())
        return ConfigError{
            .where = name,
            .key = "http.listen",
            .text = fmt::format("{} is not loopback; accounts do not exist yet",
                                base::to_string(config.http_listen)),
            .suggestion = "listen on 127.0.0.1 and reach it through a reverse proxy or ssh -L"};
    return std::nullopt;
}

}  // namespace

std::string suggest(std::string_view word, const std::vector<std::string_view>& known) {
    std::string_view best;
    std::size_t best_distance = 4;  // farther words help nobody
    for (const std::string_view candidate : known) {
        const std::size_t d = distance(word, candidate);
        if (d < best_distance) {
            best = candidate;
            best_distance = d;
        }
    }
    if (best.empty()) return fmt::format("known here: {}", fmt::join(known, ", "));
    return fmt::format("did you mean \"{}\"?", best);
}

std::string to_string(const ConfigError& error) {
    std::string text = error.where;
    if (error.line > 0) text += fmt::format(":{}", error.line);
    if (!error.key.empty()) text += ": " + error.key;
    text += ": " + error.text;
    if (!error.suggestion.empty()) text += fmt::format(" ({})", error.suggestion);
    return text;
}

std::optional<std::string> process_environment(const std::string& name) {
    // Also at SIGHUP, beside other threads: nothing in this program changes the environment.
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
}

ServerConfig default_config() {
    ServerConfig config;
    for (const Key& key : kKeys) static_cast<void>(key.set(config, key.default_text));
    return config;
}

Result<ServerConfig, ConfigError> parse_config(std::string_view text, const std::string& name,
                                               const Environment& environment,
                                               const std::vector<Override>& flags) {
    ServerConfig config = default_config();
    const toml::parse_result parsed = toml::parse(text, name);
    if (!parsed) {
        const toml::parse_error& error = parsed.error();
        return ConfigError{.where = name,
                           .line = error.source().begin.line,
                           .text = std::string(error.description())};
    }
    if (auto error = FileReader(config, name).read(parsed.table())) return *error;
    for (const Key& key : kKeys) {
        const std::string variable = variable_name(key);
        const auto value = environment(variable);
        if (!value) continue;
        if (auto error = apply_text(config, key, variable, *value)) return *error;
    }
    for (const Override& flag : flags) {
        const std::size_t dot = flag.key.find('.');
        const Key* key = find_key(std::string_view(flag.key).substr(0, dot),
                                  std::string_view(flag.key).substr(dot + 1));
        if (key == nullptr)
            return ConfigError{.where = flag.where, .key = flag.key, .text = "unknown key"};
        if (auto error = apply_text(config, *key, flag.where, flag.value)) return *error;
    }
    if (auto error = check_whole(config, name.empty() ? "configuration" : name)) return *error;
    return config;
}

Result<ServerConfig, ConfigError> load_config(const std::filesystem::path& file,
                                              const Environment& environment,
                                              const std::vector<Override>& flags) {
    std::string text;
    if (!file.empty()) {
        // A directory opens as a file does; only reading it fails.
        std::error_code error;
        std::ifstream stream(file, std::ios::binary);
        if (!stream || std::filesystem::is_directory(file, error))
            return ConfigError{.where = file.string(),
                               .text = "cannot be read",
                               .suggestion = "is it a file, and the path right?"};
        std::ostringstream content;
        content << stream.rdbuf();  // reports by its state what an iterator would throw
        if (stream.bad())
            return ConfigError{.where = file.string(), .text = "cannot be read", .suggestion = ""};
        text = content.str();
    }
    return parse_config(text, file.string(), environment, flags);
}

std::string describe_keys() {
    std::string text;
    for (const Key& key : kKeys)
        text += fmt::format("  {:28} {:18} {}\n", full_name(key), key.default_text, key.meaning);
    return text;
}

}  // namespace earshot::app
