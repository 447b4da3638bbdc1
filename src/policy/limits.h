// What a configuration, a peer and a decision hook may ask of the rules; all of it is looked at on
// the signalling thread, once an INVITE.
#pragma once

#include <cstddef>
#include <cstdint>

namespace earshot::policy {

inline constexpr std::size_t kMaxRules = 1000;
inline constexpr std::size_t kMaxPatterns = 10'000;        // of all rules together
inline constexpr std::size_t kMaxPatternBytes = 256;       // of one glob
inline constexpr std::size_t kMaxNameBytes = 64;           // of a rule
inline constexpr std::size_t kMaxPhraseBytes = 128;        // a reason phrase
inline constexpr std::size_t kMaxMatchedBytes = 1024;      // of a text that globs are tried on
inline constexpr std::size_t kMaxMatchedTexts = 256;       // participants, headers, sessions
inline constexpr std::size_t kMaxAnswerBytes = 64 * 1024;  // of a decision hook
inline constexpr std::size_t kMaxAnswerStreams = 64;       // patterns in it
inline constexpr std::size_t kMaxSettingBytes = 4096;      // a server, group, extension, ...
inline constexpr std::size_t kMaxServers = 16;             // of one recording session
inline constexpr std::size_t kMaxSetHeaders = 32;          // of its first request
inline constexpr std::size_t kMaxInstances = 8;            // recording sessions of one call
// Of the tone by which parties are told: so that nobody misses it, nor is hurt by it.
inline constexpr int kMinToneLevelDb = -36;
inline constexpr int kMaxToneLevelDb = -6;
inline constexpr int kMinToneIntervalS = 1;
inline constexpr int kMaxToneIntervalS = 60;
inline constexpr std::int64_t kMaxRenewHours = 8'760;  // of a persistent recording session
inline constexpr int kMaxRecordAfterSeconds = 86'400;

}  // namespace earshot::policy
