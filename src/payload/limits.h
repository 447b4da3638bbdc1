// Limits of the payload room; each with its unit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::payload {

inline constexpr std::size_t kMaxRedBlocks = 16;    // of one packet (RFC 2198)
inline constexpr std::size_t kMaxTextSources = 64;  // CSRCs of one T.140 stream that are told apart
inline constexpr std::size_t kMaxTextBytes = 4U << 20U;  // of a conversation's lines, in UTF-8
inline constexpr std::size_t kMaxTextLines = 100'000;

// Of one picture. A key frame of 4K intra coding has some 4 MB; what comes beyond is cut off.
inline constexpr std::size_t kMaxUnitBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMaxParameterSets = 64;  // of one stream: 32 SPS are legal, 2 usual
inline constexpr std::size_t kMaxParameterSetBytes = 16'384;
// NAL units held to bring them into decoding order (sprop-interleaving-depth, RFC 6184 section
// 8.1, has values to 32767; nobody sends it).
inline constexpr std::size_t kMaxHeldNalUnits = 1024;
inline constexpr std::size_t kMaxLayerFrames = 8;  // of one VP9 picture (its superframe index)
inline constexpr std::size_t kMaxSequenceHeaderBytes = 1024;  // AV1

// PacketOrder: what comes later than so many packets, or so long, after a newer one is late.
inline constexpr std::size_t kMaxHeldPackets = 1024;
inline constexpr std::int64_t kMaxHoldNs = 2'000'000'000;
// Payload types of one stream: all there are. SSRCs remembered: a new one takes the place of the
// one that has been silent longest.
inline constexpr std::size_t kMaxFormats = 128;
inline constexpr std::size_t kMaxSources = 16;
// Forward error correction: media packets kept of each SSRC, SSRCs of one FEC packet or remembered,
// packets that one may be the parity of (a mask has 110 bits), levels of ULP (two are usual), FEC
// packets that wait for media.
inline constexpr std::size_t kMaxFecMedia = 512;
inline constexpr std::size_t kMaxFecSources = 16;
inline constexpr std::size_t kMaxFecCovered = 256;
inline constexpr std::size_t kMaxFecLevels = 4;
inline constexpr std::size_t kMaxFecWaiting = 32;
inline constexpr std::int64_t kMaxFecTicks = 1
                                             << 22;  // between packets of one parity: 46 s of video
// A step of the sequence number by more is a sender that began anew (RFC 3550 A.1, MAX_DROPOUT).
inline constexpr std::int64_t kMaxStep = 3000;

}  // namespace earshot::payload
