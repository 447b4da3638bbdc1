// `earshot call`: places recorded calls against a recording server, or calls between two phones of
// its own through whatever is to be tried.
#pragma once

#include <memory>

#include "app/command.h"

namespace earshot::app {

std::unique_ptr<Command> make_call_command(CLI::App& app);

}  // namespace earshot::app
