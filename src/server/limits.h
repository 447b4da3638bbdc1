// Limits of what peers and operators can make the server keep or write.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::server {

inline constexpr std::size_t kMaxCallJoinKeys = 64;  // of one call; further ones join nothing
inline constexpr std::uint32_t kRefusalLinesPerSecond = 20;  // in the log; the rest is counted
inline constexpr std::size_t kMaxTargetBytes = 1024;  // of a client's URI, of a call's reference

}  // namespace earshot::server
