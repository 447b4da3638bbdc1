// Limits of the srtp room; each with its unit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::srtp {

// Packets that may come late and still be told from a replay. RFC 3711 section 3.3.2 asks for 64;
// a burst of video that was reordered needs more.
inline constexpr std::size_t kRtpReplayWindow = 1024;
inline constexpr std::size_t kRtcpReplayWindow = 128;
// SSRCs of one key that a receiver remembers; the one that was silent longest gives way to a new
// one. Only what was authenticated is remembered.
inline constexpr std::size_t kMaxReceivedSources = 256;
// SSRCs that a sender protects under one key. It may forget none: an index that was used twice
// gives the plain text away (RFC 3711 section 9.1).
inline constexpr std::size_t kMaxSentSources = 4096;
// Master keys of one receiver, told apart by MKI (RFC 4568 section 6.1).
inline constexpr std::size_t kMaxMasterKeys = 8;
// RFC 3711 section 9.2: packets of one source under one key.
inline constexpr std::uint64_t kMaxRtpIndex = (std::uint64_t{1} << 48U) - 1;
inline constexpr std::uint32_t kMaxRtcpIndex = 0x7fffffff;
// What protecting adds to a packet at most, without the MKI: the tag; E flag, index and tag.
inline constexpr std::size_t kMaxRtpOverheadBytes = 16;
inline constexpr std::size_t kMaxRtcpOverheadBytes = 20;

}  // namespace earshot::srtp
