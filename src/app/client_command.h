// `earshot client`: flags, environment and file become a ClientConfig.
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

class ClientCommand {
public:
    // `assets` is borrowed: the page that the client shows.
    ClientCommand(CLI::App& app, const api::Assets& assets);
    ClientCommand(const ClientCommand&) = delete;
    ClientCommand& operator=(const ClientCommand&) = delete;
    ~ClientCommand();

    bool was_chosen() const;
    Exit run(std::ostream& out, std::ostream& err);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::app
