// Limits of the rtp room; each with its unit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::rtp {

inline constexpr std::size_t kMaxReportBlocks = 31;     // RFC 3550 §6.4.1: RC has 5 bits
inline constexpr std::size_t kMaxSdesTextBytes = 255;   // RFC 3550 §6.5: 8 bits of length
inline constexpr std::size_t kMaxRtcpPackets = 64;      // in one compound; more is refused
inline constexpr std::size_t kMaxSdesChunks = 31;       // SC has 5 bits
inline constexpr std::size_t kMaxDtmfSegments = 64;     // of one event (RFC 4733 §2.5.1.3), 8 min
inline constexpr std::size_t kMaxNackBlocks = 32;       // of 17 packets each, in one NACK
inline constexpr std::size_t kMaxNackedPackets = 1024;  // read from one NACK
inline constexpr std::size_t kMaxSources = 8;           // remembered by a SourceFilter

}  // namespace earshot::rtp
