// `earshot keys`: the key-encryption keys of a running server.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>

#include "app/cli.h"
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

class KeysCommand {
public:
    explicit KeysCommand(CLI::App& app);
    KeysCommand(const KeysCommand&) = delete;
    KeysCommand& operator=(const KeysCommand&) = delete;
    ~KeysCommand();

    bool was_chosen() const;
    Exit run(std::ostream& out, std::ostream& err);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::app
