// `earshot attend`: the client calls a conference itself and records it.
#pragma once

#include <memory>

#include "app/command.h"

namespace CLI {
class App;
}

namespace earshot::app {

std::unique_ptr<Command> make_attend_command(CLI::App& app);

}  // namespace earshot::app
