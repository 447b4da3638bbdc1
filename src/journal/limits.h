// Limits of the journal; each is tested at its edge.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::journal {

inline constexpr std::size_t kBlockBytes = 4096;  // frames begin and end on it
inline constexpr std::size_t kMaxFrameBytes =
    std::size_t{1024} * 1024;  // header, table and records
inline constexpr std::size_t kMaxRecordPayloadBytes = std::size_t{512} * 1024;
inline constexpr std::size_t kMaxRecordingsPerFrame = 4096;
inline constexpr std::uint64_t kMaxSegmentBytes = 1024ULL * 1024 * 1024;  // what a reader accepts

// Runs of a recording that are read at once, for the archive; and what lies between two of them is
// read along rather than asking the disk twice.
inline constexpr std::size_t kReadAtOnceBytes = std::size_t{256} * 1024;
inline constexpr std::size_t kMaxSkippedBytes = std::size_t{8} * 1024;

}  // namespace earshot::journal
