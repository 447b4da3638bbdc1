// `earshot config check`: looks at configuration files of either daemon, and tells what a client's
// rules make of an INVITE.
#pragma once

#include <iosfwd>
#include <memory>

#include "app/cli.h"

// CLI11's own name. NOLINTNEXTLINE(readability-identifier-naming)
namespace CLI {
class App;
}

namespace earshot::app {

class ConfigCommand {
public:
    explicit ConfigCommand(CLI::App& app);
    ConfigCommand(const ConfigCommand&) = delete;
    ConfigCommand& operator=(const ConfigCommand&) = delete;
    ~ConfigCommand();

    bool was_chosen() const;
    Exit run(std::ostream& out, std::ostream& err);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::app
