// What servers can make the client do and remember; each is tested at its edge.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot::client {

// ---- the health of recording servers
inline constexpr std::size_t kMaxPoolServers = 1024;  // remembered; more are taken for healthy
inline constexpr std::chrono::seconds kFirstQuarantine{2};  // doubled with each failure
inline constexpr std::chrono::seconds kMaxQuarantine{60};   // but for a Retry-After
// After one recording has found a server dead the others have so long to find out by themselves.
inline constexpr std::chrono::milliseconds kSuspicionDelay{500};
// Of so many recordings that meet closed ports at one server within that time the others are moved,
// too; of all, where it has fewer, but of more than one.
inline constexpr std::size_t kRefusedRecordings = 3;
inline constexpr std::chrono::milliseconds kRefusalTime{1'000};
inline constexpr std::size_t kMaxRefusals = 256;     // remembered, of all servers
inline constexpr std::size_t kMaxServerHosts = 256;  // learned from where servers answered

// ---- recordings that servers begin
inline constexpr std::uint32_t kMaxStartsPerSecond = 20;  // of one host
inline constexpr std::size_t kMaxStartHosts = 256;        // in one second
inline constexpr std::size_t kMaxStartedPerCall = 4;      // that run at once
inline constexpr std::size_t kMaxRecordingsPerCall =
    256;  // ended ones too: none more is begun then

// ---- recording sessions that calls share
inline constexpr std::size_t kMaxSharedSessions = 1000;
// A persistent one that no server takes is tried again after so long, doubled each time, up to.
inline constexpr std::chrono::milliseconds kFirstRetryDelay{1'000};
inline constexpr std::chrono::milliseconds kMaxRetryDelay{60'000};
// One that was accepted and ended sooner is taken for one that failed.
inline constexpr std::chrono::seconds kShortSession{10};

}  // namespace earshot::client
