// `earshot client`: flags, environment and file become a ClientConfig.
#pragma once

#include <memory>

#include "api/api.h"
#include "app/command.h"

namespace earshot::app {

// `assets` is borrowed: the page that the client shows.
std::unique_ptr<Command> make_client_command(CLI::App& app, const api::Assets& assets);

}  // namespace earshot::app
