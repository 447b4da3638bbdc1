// What a reload of the configuration (SIGHUP) cannot change in a server that runs.
#pragma once

#include <string>

#include "server/server_config.h"

namespace earshot::server {

// Puts back into `next` what is bound to open sockets, files and threads as `running` has it.
// Returns the keys that the file has changed all the same, "sip.listen, storage.data": they wait
// for a restart. Empty: none.
std::string keep_until_restart(ServerConfig& next, const ServerConfig& running);

}  // namespace earshot::server
