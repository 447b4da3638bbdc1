// `earshot server`: flags, environment and file become a ServerConfig.
#pragma once

#include <iosfwd>
#include <memory>

#include "api/api.h"
#include "app/cli.h"

// CLI11's own name. NOLINTNEXTLINE(readability-identifier-naming)
namespace CLI {
class App;
}

namespace earshot::app {

class ServerCommand {
public:
    // `assets` is borrowed: the page that the server shows.
    ServerCommand(CLI::App& app, const api::Assets& assets);
    ServerCommand(const ServerCommand&) = delete;
    ServerCommand& operator=(const ServerCommand&) = delete;
    ~ServerCommand();

    bool was_chosen() const;
    Exit run(std::ostream& out, std::ostream& err);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::app
