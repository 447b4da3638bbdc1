// `earshot config check`: looks at configuration files of either daemon, and tells what a client's
// rules make of an INVITE.
#pragma once

#include <memory>

#include "app/command.h"

namespace earshot::app {

std::unique_ptr<Command> make_config_command(CLI::App& app);

}  // namespace earshot::app
