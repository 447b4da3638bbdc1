// How many threads a daemon gives to media.
#pragma once

#include <cstddef>

namespace earshot::io {

// `wanted`, or one a core that this process may use when that is 0.
std::size_t worker_count(std::size_t wanted);

}  // namespace earshot::io
