// `earshot keys`: the key-encryption keys of a running server.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>

#include "app/command.h"
#include "app/rest_client.h"

namespace CLI {
class App;
}

namespace earshot::app {

Exit run_keys_ls(const Access& access, bool as_json, std::ostream& out, std::ostream& err);
// Tells its progress on `err`.
Exit run_keys_rotate(const Access& access, bool as_json, std::ostream& out, std::ostream& err);
Exit run_keys_remove(const Access& access, const std::string& id, bool is_sure, std::ostream& out,
                     std::ostream& err);

std::unique_ptr<Command> make_keys_command(CLI::App& app);

}  // namespace earshot::app
