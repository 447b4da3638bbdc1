// The keys of a server's configuration in one table: for reading, checking, suggesting, --help and
// docs/configuration.md. [[peer]] and [[rule]] are lists of tables: peer_config.h, rule_config.h.
#pragma once

#include <span>

#include "app/config_reader.h"
#include "server/server_config.h"

namespace earshot::app {

using Key = KeyOf<server::ServerConfig>;

std::span<const Key> server_keys();

}  // namespace earshot::app
