// The verbs of the command line that speak to a running daemon over REST.
#pragma once

#include <memory>

#include "app/command.h"

namespace earshot::app {

// ls, show, export, play, verify, erase, pause, resume, stop, start, doctor, page; of the recording
// client calls, send and hangup.
std::unique_ptr<Command> make_rest_verbs(CLI::App& app);

}  // namespace earshot::app
