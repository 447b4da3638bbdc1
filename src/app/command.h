// A verb of the command line, or several: registers its options, and runs when it was chosen.
#pragma once

#include <iosfwd>
#include <memory>

// CLI11's own name. NOLINTNEXTLINE(readability-identifier-naming)
namespace CLI {
class App;
}

namespace earshot::app {

// Exit codes; scripts rely on them (docs/rest-api.md).
enum class Exit { Ok = 0, FoundBad = 1, Usage = 2, NotFound = 3, Unreachable = 4, Refused = 5 };

// Made by the make_..._command() functions, which register it on an application; it holds the
// values of the options and must live until run().
class Command {
public:
    Command() = default;
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;
    virtual ~Command() = default;

    // After a successful parse: whether it is this one's turn.
    virtual bool was_chosen() const = 0;
    virtual Exit run(std::ostream& out, std::ostream& err) = 0;
};

}  // namespace earshot::app
