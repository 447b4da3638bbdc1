// What a run of the test phones may hold.
#pragma once

#include <chrono>
#include <cstddef>

#include "loadgen/voice.h"

namespace earshot::loadgen {

inline constexpr std::size_t kMaxHeardSources = 16;  // SSRCs that one phone hears in a call
inline constexpr std::size_t kMaxHeardSamples = std::size_t{kSampleRate} * 4 * 3600;  // kept: 4 h
inline constexpr std::size_t kMaxMediaCommands = 1'000'000;  // waiting for the media thread
inline constexpr std::size_t kMaxKeptVideoPackets = 512;     // of a stream, for who asks again
inline constexpr std::size_t kMaxDigits = 64;                // of --dtmf, and heard by INFO
inline constexpr std::uint32_t kMaxSpeakers = 64;            // of a conference
inline constexpr std::size_t kMaxRecordChanges = 1'000;      // kept of one phone in a call

}  // namespace earshot::loadgen
