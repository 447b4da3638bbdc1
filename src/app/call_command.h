// `earshot call`: places recorded calls against a recording server, or calls between two phones of
// its own through whatever is to be tried.
#pragma once

#include <iosfwd>
#include <memory>

#include "app/cli.h"

// CLI11's own name. NOLINTNEXTLINE(readability-identifier-naming)
namespace CLI {
class App;
}

namespace earshot::app {

class CallCommand {
public:
    explicit CallCommand(CLI::App& app);
    CallCommand(const CallCommand&) = delete;
    CallCommand& operator=(const CallCommand&) = delete;
    ~CallCommand();

    bool was_chosen() const;
    Exit run(std::ostream& out, std::ostream& err);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::app
