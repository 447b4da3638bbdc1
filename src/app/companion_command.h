// `earshot companion`: recordings of calls that live in an RTPEngine, at a running client.
#pragma once

#include <memory>

#include "app/command.h"

namespace CLI {
class App;
}

namespace earshot::app {

std::unique_ptr<Command> make_companion_command(CLI::App& app);

}  // namespace earshot::app
