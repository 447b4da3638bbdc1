// How loud 20 ms of speech are, as RFC 6464 section 3 and RFC 6465 say it: dB below the loudest
// possible, 0 to 127; 127 is silence.
#pragma once

#include <cstdint>
#include <span>

namespace earshot::focus {

inline constexpr std::uint8_t kSilence = 127;

// Of 16-bit samples, held in wider ones as a mixer sums them.
std::uint8_t level_of(std::span<const std::int32_t> samples);

}  // namespace earshot::focus
