// Limits of the talk between the server and earshot-media.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot::rendition {

inline constexpr std::size_t kMaxJobBytes = 4UL * 1024 * 1024;  // the job line
inline constexpr std::size_t kMaxReportBytes = 1024UL * 1024;   // one line back
inline constexpr std::size_t kMaxPacketBytes = 64UL * 1024;     // an RTP packet
inline constexpr std::size_t kMaxFrameBytes = 1024UL * 1024;    // of the output, at once
inline constexpr std::size_t kMaxHeadBytes = 64UL * 1024;       // what may be written again
inline constexpr std::size_t kMaxOutputBytes = 256ULL << 30;    // of a rendition
inline constexpr std::size_t kMaxJobStreams = 64;               // that are rendered
inline constexpr std::size_t kMaxStreamFormats = 64;            // a stream
inline constexpr std::size_t kMaxFaults = 1000;                 // and marks, told of a rendition
inline constexpr std::size_t kMaxErrorText = 300;               // of what it says as it ends
inline constexpr std::chrono::seconds kStallTime{60};           // without a byte either way
inline constexpr std::uint64_t kDefaultMemoryBytes = 1536ULL << 20;
inline constexpr std::uint32_t kDefaultCpuSeconds = 4 * 3600;

}  // namespace earshot::rendition
