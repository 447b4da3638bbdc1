// Limits of key files and of what a key command may answer.
#pragma once

#include <chrono>
#include <cstddef>

namespace earshot::keys {

inline constexpr std::size_t kMaxSealedBytes = 8UL * 1024;    // what a command makes of a key
inline constexpr std::size_t kMaxKekFileBytes = 16UL * 1024;  // room for its base64
inline constexpr std::size_t kMaxCommandOutputBytes = 16UL * 1024;
inline constexpr std::size_t kMaxKeks = 1000;  // of a data directory; a rotation a day for years
inline constexpr std::chrono::seconds kCommandTime{10};

}  // namespace earshot::keys
