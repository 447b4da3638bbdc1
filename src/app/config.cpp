#include "app/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include "app/config_keys.h"
#include "app/peer_config.h"
#include "app/rule_config.h"
#include "app/text_file.h"
#include "app/toml.h"
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
        if (table == "peer") return read_peers(node, name_, config_.peers);
        if (table == "rule") return read_rules(node, name_, config_.peers, config_.rules);
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
    // A list is one text with commas between its items: an item that holds one would become two.
    static bool has_comma(const toml::array& list) {
        return std::any_of(list.begin(), list.end(), [](const toml::node& item) {
            return item.value_or<std::string_view>("").find(',') != std::string_view::npos;
        });
    }
    static std::string joined(const toml::array& list) {
        std::string text;
        for (const toml::node& item : list)
            text += (text.empty() ? "" : ", ") + item.value_or(std::string{});
        return text;
    }

    // What was meant, where a text was written for a list or a list for a text.
    static std::string right_form(const Key& key, const toml::node& node) {
        if (key.kind == Kind::List && node.is_string())
            return fmt::format("write {} = {}", key.name,
                               list_form(node.value_or<std::string_view>("")));
        if (key.kind == Kind::Text && is_list_of_texts(node))
            return fmt::format(R"(write {} = "{}")", key.name, joined(*node.as_array()));
        return default_hint(key);
    }

    std::optional<ConfigError> read_value(const Key& key, const toml::node& node) {
        if (is_list_of_texts(node) && key.kind == Kind::List && has_comma(*node.as_array()))
            return error_at(node, full_name(key), "has an item with a comma",
                            "commas separate items");
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
                            right_form(key, node));
        }
        std::string wrong = key.set(config_, text);
        if (wrong.empty()) return std::nullopt;
        return error_at(node, full_name(key), fmt::format("\"{}\" {}", text, wrong),
                        default_hint(key));
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
                       .suggestion = default_hint(key)};
}

// What no single key can tell (design: security by default).
std::optional<ConfigError> check_whole(const ServerConfig& config, const std::string& name) {
    const auto outer = std::find_if(config.sip_listen.begin(), config.sip_listen.end(),
                                    [](const NetAddress& a) { return !a.is_loopback(); });
    if (const NetAddress* open = server::find_open_listener(config))
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

ServerConfig default_config() {
    ServerConfig config;
    for (const Key& key : all_keys()) static_cast<void>(key.set(config, key.default_text));
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
    for (const Key& key : all_keys()) {
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
        auto content = read_text_file(file);
        if (!content)
            return ConfigError{
                .where = file.string(),
                .text = "cannot be read",
                .suggestion = "is it a file of less than 4 MiB, and the path right?"};
        text = *std::move(content);
    }
    return parse_config(text, file.string(), environment, flags);
}

std::string describe_keys() {
    std::string text;
    for (const Key& key : all_keys())
        text += fmt::format("  {:28} {:18} {}\n", full_name(key), key.default_text, key.meaning);
    return text;
}

}  // namespace earshot::app
