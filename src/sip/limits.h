// What a peer may send us in SIP at most. Each limit is tested at its edge and one past it.
#pragma once

#include <cstddef>

namespace earshot::sip {

inline constexpr std::size_t kMaxSipMessageBytes = std::size_t{256} * 1024;
inline constexpr std::size_t kMaxSipHeadBytes = std::size_t{64} * 1024;  // start line to blank line
inline constexpr std::size_t kMaxSipHeaders = 128;    // header fields, not values
inline constexpr std::size_t kMaxHeaderValues = 128;  // values of one name, commas split; more: cut
inline constexpr std::size_t kMaxBlankBytesBeforeMessage = 64;  // CR and LF before a start line

}  // namespace earshot::sip
