// The keys of the configuration in one table: for reading, checking, suggesting, --help and
// docs/configuration.md. [[peer]] and [[rule]] are lists of tables: peer_config.h, rule_config.h.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/server_config.h"

namespace earshot::app {

// Reads one key's text into the configuration; returns what is wrong with it, empty when nothing
// is.
using Setter = std::string (*)(server::ServerConfig&, std::string_view text);

enum class Kind { Text, Number, Flag, List };  // a list: texts, in one text with commas between

struct Key {
    std::string_view table;
    std::string_view name;
    Kind kind;
    std::string_view default_text;
    std::string_view meaning;
    Setter set;
};

std::span<const Key> all_keys();
std::string full_name(const Key& key);      // "sip.listen"
std::string default_hint(const Key& key);   // "the default is 4000"
std::string variable_name(const Key& key);  // "EARSHOT_SIP_LISTEN"
const Key* find_key(std::string_view table, std::string_view name);
std::vector<std::string_view> key_names(std::string_view table);
std::vector<std::string_view> table_names();

}  // namespace earshot::app
