// What a peer's session description may make us hold (threats: SDP, "zip of m-lines").
#pragma once

#include <cstddef>

namespace earshot::sdp {

inline constexpr std::size_t kMaxSdpBytes = std::size_t{256} * 1024;  // as a SIP message
inline constexpr std::size_t kMaxMedia = 64;         // parsed; the rest is kept as text
inline constexpr std::size_t kMaxAttributes = 2048;  // of all levels; the rest is counted
inline constexpr std::size_t kMaxBandwidths = 8;     // per level
inline constexpr std::size_t kMaxSsrcs = 32;         // per medium
inline constexpr std::size_t kMaxSrtpKeys = 8;       // of one a=crypto line
inline constexpr std::size_t kMaxFingerprints = 8;   // per medium
inline constexpr std::size_t kMaxFileHashes = 8;     // of one a=file-selector
// RFC 8839 section 5.4: of ice-ufrag and ice-pwd, in characters.
inline constexpr std::size_t kMinIceUfragChars = 4;
inline constexpr std::size_t kMinIcePasswordChars = 22;
inline constexpr std::size_t kMaxIceCredentialChars = 256;
inline constexpr std::size_t kMaxPayloadTypeNumber = 127;  // 7 bits, so at most 128 per medium

}  // namespace earshot::sdp
