// What participants can make a conference cost; each is tested at its edge.
#pragma once

#include <chrono>
#include <cstddef>

namespace earshot::focus {

inline constexpr std::size_t kMaxMembers = 64;     // of one mixer, recorders among them
inline constexpr std::size_t kMaxSounds = 4;       // that one member hears at a time
inline constexpr std::size_t kMaxCommands = 4096;  // that wait for the desk's thread
inline constexpr std::size_t kMaxCsrcs = 15;       // of one packet (RFC 3550 section 5.1)

}  // namespace earshot::focus
