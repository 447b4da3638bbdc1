// Limits of the process that decodes Opus.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::opus {

inline constexpr std::size_t kMaxDecoders = 10'000;  // of some 18 kB each
inline constexpr std::uint64_t kMemoryBytes = std::uint64_t{512} << 20;

}  // namespace earshot::opus
