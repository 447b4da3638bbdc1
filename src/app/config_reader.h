// Reads a configuration against a schema, the same for both daemons: a table of keys, each with a
// setter for its text; tables that are lists and have readers of their own; a check of the whole.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "app/toml.h"
#include "base/result.h"

namespace earshot::app {

enum class Kind { Text, Number, Flag, List };  // a list: texts, in one text with commas between

template <class Config>
struct KeyOf {
    std::string_view table;
    std::string_view name;
    Kind kind;
    std::string_view default_text;
    std::string_view meaning;
    // Returns what is wrong with the text, empty when nothing is.
    std::string (*set)(Config&, std::string_view text);
};

// [[peer]] or, within a table, [[client.rule]].
template <class Config>
struct ListOf {
    std::string_view table;  // empty: at the top
    std::string_view name;
    std::optional<ConfigError> (*read)(const toml::node&, const std::string& file, Config&);
};

template <class Config>
struct Schema {
    std::string_view variables;  // what the names of its variables begin with: "EARSHOT"
    std::span<const KeyOf<Config>> keys;
    std::span<const ListOf<Config>> lists;      // read after the keys, in this order
    std::span<const std::string_view> foreign;  // tables that are the other daemon's
    std::optional<ConfigError> (*check)(const Config&, const std::string& file);

    const KeyOf<Config>* find_key(std::string_view table, std::string_view name) const {
        const auto found = std::find_if(keys.begin(), keys.end(), [&](const auto& key) {
            return key.table == table && key.name == name;
        });
        return found == keys.end() ? nullptr : &*found;
    }
    bool has_list(std::string_view table, std::string_view name) const {
        return std::any_of(lists.begin(), lists.end(), [&](const auto& list) {
            return list.table == table && list.name == name;
        });
    }
    bool is_foreign(std::string_view table) const {
        return std::find(foreign.begin(), foreign.end(), table) != foreign.end();
    }
    // What may stand in a table, or at the top when it is empty.
    std::vector<std::string_view> names_in(std::string_view table) const {
        std::vector<std::string_view> names;
        for (const auto& list : lists)
            if (list.table == table) names.push_back(list.name);
        for (const auto& key : keys) {
            const std::string_view name = table.empty() ? key.table : key.name;
            if (!table.empty() && key.table != table) continue;
            if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        }
        return names;
    }
};

template <class Config>
std::string full_name(const KeyOf<Config>& key) {
    return fmt::format("{}.{}", key.table, key.name);
}
template <class Config>
std::string default_hint(const KeyOf<Config>& key) {
    return key.default_text.empty() ? "it is empty by default"
                                    : fmt::format("the default is {}", key.default_text);
}
// "EARSHOT_SIP_LISTEN"
std::string variable_name(std::string_view prefix, std::string_view table, std::string_view key);

// A value of the file as the text that a setter takes; or what is wrong with its form.
struct ValueText {
    std::string text{};
    std::string wrong{};
    std::string hint{};
};
ValueText text_of(const toml::node& node, Kind kind, std::string_view key_name,
                  const std::string& default_hint);

namespace detail {

inline ConfigError error_at(const toml::node& node, const std::string& file, std::string key,
                            std::string text, std::string hint = {}) {
    return {.where = file,
            .line = node.source().begin.line,
            .key = std::move(key),
            .text = std::move(text),
            .suggestion = std::move(hint)};
}

template <class Config>
std::optional<ConfigError> read_table(const Schema<Config>& schema, const std::string& file,
                                      std::string_view table, const toml::node& node,
                                      Config& config) {
    if (schema.has_list("", table) || schema.is_foreign(table)) return std::nullopt;
    const auto known = schema.names_in(table);
    if (known.empty())
        return error_at(node, file, std::string(table), "unknown table",
                        suggest(table, schema.names_in("")));
    const toml::table* entries = node.as_table();
    if (entries == nullptr)
        return error_at(node, file, std::string(table), "is a table",
                        fmt::format("write [{}]", table));
    for (const auto& [name, value] : *entries) {
        if (schema.has_list(table, name.str())) continue;
        const KeyOf<Config>* key = schema.find_key(table, name.str());
        if (key == nullptr)
            return error_at(value, file, fmt::format("{}.{}", table, name.str()), "unknown key",
                            suggest(name.str(), known));
        const ValueText given = text_of(value, key->kind, key->name, default_hint(*key));
        if (!given.wrong.empty())
            return error_at(value, file, full_name(*key), given.wrong, given.hint);
        std::string wrong = key->set(config, given.text);
        if (!wrong.empty())
            return error_at(value, file, full_name(*key),
                            fmt::format("\"{}\" {}", given.text, wrong), default_hint(*key));
    }
    return std::nullopt;
}

template <class Config>
std::optional<ConfigError> apply_text(const KeyOf<Config>& key, const std::string& where,
                                      std::string_view value, Config& config) {
    std::string wrong = key.set(config, value);
    if (wrong.empty()) return std::nullopt;
    return ConfigError{.where = where,
                       .key = full_name(key),
                       .text = fmt::format("\"{}\" {}", value, wrong),
                       .suggestion = default_hint(key)};
}

}  // namespace detail

template <class Config>
Config default_of(const Schema<Config>& schema) {
    Config config;
    for (const auto& key : schema.keys) static_cast<void>(key.set(config, key.default_text));
    return config;
}

template <class Config>
base::Result<Config, ConfigError> read_config(const Schema<Config>& schema, std::string_view text,
                                              const std::string& file,
                                              const Environment& environment,
                                              const std::vector<Override>& flags) {
    Config config = default_of(schema);
    const toml::parse_result parsed = toml::parse(text, file);
    if (!parsed) {
        const toml::parse_error& error = parsed.error();
        return ConfigError{.where = file,
                           .line = error.source().begin.line,
                           .text = std::string(error.description())};
    }
    for (const auto& [name, node] : parsed.table())
        if (auto error = detail::read_table(schema, file, name.str(), node, config)) return *error;
    for (const auto& key : schema.keys) {
        const std::string variable = variable_name(schema.variables, key.table, key.name);
        const auto value = environment(variable);
        if (!value) continue;
        if (auto error = detail::apply_text(key, variable, *value, config)) return *error;
    }
    for (const Override& flag : flags) {
        const std::size_t dot = flag.key.find('.');
        const auto* key = schema.find_key(std::string_view(flag.key).substr(0, dot),
                                          std::string_view(flag.key).substr(dot + 1));
        if (key == nullptr)
            return ConfigError{.where = flag.where, .key = flag.key, .text = "unknown key"};
        if (auto error = detail::apply_text(*key, flag.where, flag.value, config)) return *error;
    }
    // Their entries begin as what the keys say.
    for (const auto& list : schema.lists) {
        const toml::table* within = &parsed.table();
        if (!list.table.empty()) within = parsed.table()[list.table].as_table();
        const toml::node* node = within == nullptr ? nullptr : within->get(list.name);
        if (node == nullptr) continue;
        if (auto error = list.read(*node, file, config)) return *error;
    }
    if (auto error = schema.check(config, file.empty() ? "configuration" : file)) return *error;
    return config;
}

template <class Config>
std::string describe(const Schema<Config>& schema) {
    std::string text;
    for (const auto& key : schema.keys)
        text += fmt::format("  {:28} {:18} {}\n", full_name(key), key.default_text, key.meaning);
    return text;
}

// The text of a configuration file; empty for no file.
base::Result<std::string, ConfigError> read_config_file(const std::filesystem::path& file);

}  // namespace earshot::app
