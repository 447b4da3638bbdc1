// `earshot server`: flags, environment and file become a ServerConfig.
#pragma once

#include <memory>

#include "api/api.h"
#include "app/command.h"

namespace earshot::app {

// `assets` is borrowed: the page that the server shows.
std::unique_ptr<Command> make_server_command(CLI::App& app, const api::Assets& assets);

}  // namespace earshot::app
