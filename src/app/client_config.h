// The configuration of `earshot client`: the keys of one table as for the server, [[client.rule]]
// and [[client.on]].
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "client/client_config.h"

namespace earshot::app {

base::Result<client::ClientConfig, ConfigError> load_client_config(
    const std::filesystem::path& file, const Environment& environment,
    const std::vector<Override>& flags);
// The text of a file already read; `name` is used in messages.
base::Result<client::ClientConfig, ConfigError> parse_client_config(
    std::string_view text, const std::string& name, const Environment& environment,
    const std::vector<Override>& flags);

// One line a key: name, default and meaning, for --help and docs.
std::string describe_client_keys();

}  // namespace earshot::app
