#include "app/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include "app/config_keys.h"
#include "app/config_reader.h"
#include "app/peer_config.h"
#include "app/rule_config.h"
#include "app/text_file.h"
#include "app/tls_config.h"
#include "base/text.h"
#include "server/admission.h"

namespace earshot::app {

using base::NetAddress;
using base::Result;
using server::ServerConfig;

namespace {

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

constexpr std::chrono::seconds kLeastMinSe{90};  // RFC 4028 section 5

bool is_list_of_texts(const toml::node& node) {
    const toml::array* list = node.as_array();
    return list != nullptr && std::all_of(list->begin(), list->end(),
                                          [](const toml::node& item) { return item.is_string(); });
}
// A list is one text with commas between its items: an item that holds one would become two.
bool has_comma(const toml::array& list) {
    return std::any_of(list.begin(), list.end(), [](const toml::node& item) {
        return item.value_or<std::string_view>("").find(',') != std::string_view::npos;
    });
}
std::string joined(const toml::array& list) {
    std::string text;
    for (const toml::node& item : list)
        text += (text.empty() ? "" : ", ") + item.value_or(std::string{});
    return text;
}

// What was meant, where a text was written for a list or a list for a text.
std::string right_form(const toml::node& node, Kind kind, std::string_view name,
                       const std::string& default_hint) {
    if (kind == Kind::List && node.is_string())
        return fmt::format("write {} = {}", name, list_form(node.value_or<std::string_view>("")));
    if (kind == Kind::Text && is_list_of_texts(node))
        return fmt::format(R"(write {} = "{}")", name, joined(*node.as_array()));
    return default_hint;
}

// What no single key can tell (design: security by default).
std::optional<ConfigError> check_whole(const ServerConfig& config, const std::string& name) {
    const auto outer = std::find_if(config.sip_listen.begin(), config.sip_listen.end(),
                                    [](const NetAddress& a) { return !a.is_loopback(); });
    if (const NetAddress* open = server::find_open_listener(config))
        return ConfigError{
            .where = name,
            .key = outer != config.sip_listen.end() && *outer == *open ? "sip.listen" : "sip.tls",
            .text = fmt::format("{} is not loopback, and anyone could send calls to it",
                                base::to_string(*open)),
            .suggestion =
                "name the clients in [[peer]] by addresses or by username and password_file, "
                "demand "
                "certificates of them (sip.client_certificate, sip.ca_file), or write insecure = "
                "true under [sip]"};
    if (auto error = check_tls(config.tls_listen, config.tls, name)) return error;
    for (const server::Peer& peer : config.peers)
        if (!peer.certificate_names.empty() &&
            (config.tls_listen.empty() ||
             config.tls.client_certificate == io::ClientCertificate::No))
            return ConfigError{
                .where = name,
                .key = "peer.certificate_names",
                .text = fmt::format("\"{}\" can never show its certificate", peer.name),
                .suggestion = "set sip.tls, and sip.client_certificate to request or require"};
    const sip::SessionTimerConfig& timer = config.session_timer;
    if (timer.min_se < kLeastMinSe && outer != config.sip_listen.end())
        return ConfigError{
            .where = name,
            .key = "sip.min_se_s",
            .text = fmt::format("{} is less than {}, the least that RFC 4028 section 5 allows",
                                timer.min_se.count(), kLeastMinSe.count()),
            .suggestion = "shorter sessions are for tests, with all listeners on loopback"};
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

std::string list_form(std::string_view text) {
    std::string form;
    while (!text.empty())
        form += fmt::format(R"({}"{}")", form.empty() ? "" : ", ",
                            base::trim(base::take_until(text, ',')));
    return "[" + form + "]";
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

std::string variable_name(std::string_view prefix, std::string_view table, std::string_view key) {
    // Each daemon's data directory is named so often that it has a short name, also for the
    // command line; what is the client's own need not say so twice.
    const bool is_short = (table == "storage" && key == "data") || table == "client";
    std::string name =
        is_short ? fmt::format("{}_{}", prefix, key) : fmt::format("{}_{}_{}", prefix, table, key);
    for (char& c : name)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    return name;
}

ValueText text_of(const toml::node& node, Kind kind, std::string_view key_name,
                  const std::string& default_hint) {
    if (is_list_of_texts(node) && kind == Kind::List && has_comma(*node.as_array()))
        return {.wrong = "has an item with a comma", .hint = "commas separate items"};
    if (kind == Kind::Text && node.is_string()) return {.text = *node.value<std::string>()};
    if (kind == Kind::Number && node.is_integer())
        return {.text = std::to_string(*node.value<std::int64_t>())};
    if (kind == Kind::Flag && node.is_boolean())
        return {.text = *node.value<bool>() ? "true" : "false"};
    if (kind == Kind::List && is_list_of_texts(node)) return {.text = joined(*node.as_array())};
    constexpr std::array<std::string_view, 4> kKinds{"a text in quotes", "a whole number",
                                                     "true or false", "a list of texts"};
    return {.wrong = fmt::format("must be {}", kKinds[static_cast<std::size_t>(kind)]),
            .hint = right_form(node, kind, key_name, default_hint)};
}

Result<std::string, ConfigError> read_config_file(const std::filesystem::path& file) {
    if (file.empty()) return std::string{};
    auto content = read_text_file(file);
    if (content) return *std::move(content);
    return ConfigError{.where = file.string(),
                       .text = "cannot be read",
                       .suggestion = "is it a file of less than 4 MiB, and the path right?"};
}

namespace {

const Schema<ServerConfig>& server_schema() {
    static constexpr std::array kLists{
        ListOf<ServerConfig>{"", "peer",
                             [](const toml::node& node, const std::string& file, ServerConfig& c) {
                                 return read_peers(node, file, c.peers);
                             }},
        ListOf<ServerConfig>{"", "rule",
                             [](const toml::node& node, const std::string& file, ServerConfig& c) {
                                 return read_rules(node, file, c.peers, c.rules);
                             }}};
    static constexpr std::array<std::string_view, 1> kForeign{"client"};
    static const Schema<ServerConfig> schema{"EARSHOT", server_keys(), kLists, kForeign,
                                             check_whole};
    return schema;
}

}  // namespace

ServerConfig default_config() { return default_of(server_schema()); }

Result<ServerConfig, ConfigError> parse_config(std::string_view text, const std::string& name,
                                               const Environment& environment,
                                               const std::vector<Override>& flags) {
    return read_config(server_schema(), text, name, environment, flags);
}

Result<ServerConfig, ConfigError> load_config(const std::filesystem::path& file,
                                              const Environment& environment,
                                              const std::vector<Override>& flags) {
    const auto text = read_config_file(file);
    if (!text) return text.error();
    return parse_config(*text, file.string(), environment, flags);
}

std::string describe_keys() { return describe(server_schema()); }

}  // namespace earshot::app
