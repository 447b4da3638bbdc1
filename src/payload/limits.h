// Limits of the payload room; each with its unit.
#pragma once

#include <cstddef>

namespace earshot::payload {

inline constexpr std::size_t kMaxRedBlocks = 16;    // of one packet (RFC 2198)
inline constexpr std::size_t kMaxTextSources = 64;  // CSRCs of one T.140 stream that are told apart
inline constexpr std::size_t kMaxTextBytes = 4U << 20U;  // of a conversation's lines, in UTF-8
inline constexpr std::size_t kMaxTextLines = 100'000;

}  // namespace earshot::payload
