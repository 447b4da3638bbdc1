// Reads the [[peer]] tables of a configuration file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/toml.h"
#include "server/server_config.h"

namespace earshot::app {

// Appends to `peers`; `file` is for messages. The first mistake ends it.
std::optional<ConfigError> read_peers(const toml::node& node, const std::string& file,
                                      std::vector<server::Peer>& peers);

}  // namespace earshot::app
