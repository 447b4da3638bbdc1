// Limits of the rfb room; each with its unit.
#pragma once

#include <cstddef>

namespace earshot::rfb {

// Of the shared screen. VP8 takes no longer side (14 bits); the product is that of 8K by 2K.
inline constexpr std::size_t kMaxSide = 16'383;
inline constexpr std::size_t kMaxPixels = std::size_t{16} << 20;
inline constexpr std::size_t kMaxCursorSide = 512;
// Bytes that wait for what makes them readable: a unit (a row, a tile, a block of Tight) that is
// not complete, or in the handshake the other side's word.
inline constexpr std::size_t kMaxWaiting = std::size_t{8} << 20;
inline constexpr std::size_t kMaxNameBytes = 256;  // of a desktop's name; the rest is passed over
inline constexpr std::size_t kInflatedAtOnce = std::size_t{64} << 10;
inline constexpr std::size_t kMaxTightBytes =
    (std::size_t{1} << 22) - 1;  // what its length can say

}  // namespace earshot::rfb
