// Our client's sessions against our server's, over a lossy network: whatever is lost, what is true
// of a call is what the server knows of it in the end, and both come to rest.
#pragma once

#include <cstdint>

#include "scenario.h"

namespace earshot::simulation {

// Throws Broken when a promise does not hold.
RunFigures run_pair_scenario(std::uint64_t seed, bool is_traced);

}  // namespace earshot::simulation
