// The verbs of the command line that speak to a running server over REST. main.cpp adds `server`
// and `call` beside them.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>

// CLI11's own name. NOLINTNEXTLINE(readability-identifier-naming)
namespace CLI {
class App;
}

namespace earshot::app {

// Exit codes; scripts rely on them (docs/rest-api.md).
enum class Exit { Ok = 0, FoundBad = 1, Usage = 2, NotFound = 3, Unreachable = 4, Refused = 5 };

// Registers ls, show, export, play, verify, pause, resume, stop, start, page and doctor on `app`,
// with their options and examples. The object that comes back holds the options' values and must
// live until run().
class ClientVerbs {
public:
    explicit ClientVerbs(CLI::App& app);
    ClientVerbs(const ClientVerbs&) = delete;
    ClientVerbs& operator=(const ClientVerbs&) = delete;
    ~ClientVerbs();

    // After a successful parse: runs the chosen verb. False when another verb was chosen.
    bool was_chosen() const;
    Exit run(std::ostream& out, std::ostream& err);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace earshot::app
