// One run: what happens is drawn from the seed, and what must hold is checked while it happens and
// when all is quiet again.
#pragma once

#include <cstdint>

namespace earshot::simulation {

struct RunFigures {
    std::uint64_t calls = 0;         // INVITEs that clients sent, each once
    std::uint64_t recorded = 0;      // that became a recording
    std::uint64_t packets = 0;       // stored
    std::uint64_t forged = 0;        // of them forged: before the true source was heard
    std::uint64_t sessions = 0;      // of our client's half, that a server accepted
    std::uint64_t compared = 0;      // of them held against the server's half
    std::uint64_t milliseconds = 0;  // simulated
};

// Throws Broken, which names the promise.
RunFigures run_scenario(std::uint64_t seed, bool is_traced);

}  // namespace earshot::simulation
