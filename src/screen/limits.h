// Limits of the screen room; each with its unit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::screen {

// Two pictures are at least so far apart, whatever is asked: 10 in a second.
inline constexpr std::int64_t kPictureNs = 100'000'000;
// What does not change is sent once more after this, so that a receiver that lacks the last packet
// sees it, and the picture becomes as good as it can; and again at this interval.
inline constexpr std::int64_t kRefreshNs = 1'000'000'000;
inline constexpr std::int64_t kRefreshAgainNs = 5'000'000'000;

// Of what is sent: text stays legible at 2 Mbit/s of 1920x1080.
inline constexpr unsigned kLeastKilobits = 400;
inline constexpr unsigned kMostKilobits = 6'000;
inline constexpr std::size_t kPixelsOfKilobit = 1'000;

inline constexpr std::size_t kMaxPayloadBytes = 1'200;  // of RTP

// Of the process: the largest screen takes 1 GiB; a day of a share that never rests.
inline constexpr std::size_t kMemoryBytes = std::size_t{1536} << 20;
inline constexpr std::size_t kCpuSeconds = std::size_t{24} * 3600;

}  // namespace earshot::screen
