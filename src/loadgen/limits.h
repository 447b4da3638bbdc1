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
inline constexpr std::size_t kMaxChatLines = 1'000;          // of --chat-lines
inline constexpr std::size_t kMaxChatLineBytes = 8'000;
inline constexpr std::size_t kMaxChatFileBytes = std::size_t{64} << 20U;  // of --chat-file
inline constexpr std::size_t kMaxHeardMessages = 200;  // kept of one end of a chat
inline constexpr std::size_t kMaxHeardTextBytes = std::size_t{16} << 10U;  // of each

}  // namespace earshot::loadgen
