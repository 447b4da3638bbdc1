// The configuration of the daemons: TOML 1.0, one table of keys for reading, checking and
// suggesting. Order of precedence: flag, EARSHOT_* variable, file, default (design:
// docs/configuration.md).
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/server_config.h"

namespace earshot::app {

// Where a mistake stands and what would be right. `line` is 0 for flags and variables.
struct ConfigError {
    std::string where{};  // a file's path, "--sip" or "EARSHOT_SIP_LISTEN"
    std::size_t line = 0;
    std::string key{};         // "sip.listen"; empty when the file is not TOML
    std::string text{};        // what is wrong
    std::string suggestion{};  // may be empty
};
std::string to_string(
    const ConfigError& error);  // earshot.toml:3: sip.listn: unknown key (did you mean "listen"?)

// "did you mean ..." for the nearest of the known words, else all of them.
std::string suggest(std::string_view word, const std::vector<std::string_view>& known);

// ["a", "b"] of "a, b": how a list is written.
std::string list_form(std::string_view text);

// A value given by a flag: its key and text.
struct Override {
    std::string where;  // the flag's name, for messages
    std::string key;    // "sip.listen"
    std::string value;
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> process_environment(const std::string& name);

// `file` empty: no file. Also checks what holds between keys (a listener beyond loopback needs
// peers or insecure = true).
base::Result<server::ServerConfig, ConfigError> load_config(const std::filesystem::path& file,
                                                            const Environment& environment,
                                                            const std::vector<Override>& flags);

// The text of a file already read; `name` is used in messages. For `earshot config check` and
// tests.
base::Result<server::ServerConfig, ConfigError> parse_config(std::string_view text,
                                                             const std::string& name,
                                                             const Environment& environment,
                                                             const std::vector<Override>& flags);

server::ServerConfig default_config();

// One line a key: name, default and meaning, for --help and docs.
std::string describe_keys();

}  // namespace earshot::app
