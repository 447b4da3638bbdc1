// Limits of what operators may ask of the server.
#pragma once

#include <cstddef>

namespace earshot::server {

inline constexpr std::size_t kMaxTargetBytes = 1024;  // of a client's URI, of a call's reference

}  // namespace earshot::server
