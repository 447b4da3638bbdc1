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
// A call that has ended stays in the session that it shares while the server lacks what was said in
// its chats: so long at most, and looked after so often.
inline constexpr std::chrono::seconds kMaxOwed{30};
inline constexpr std::chrono::milliseconds kOwedCheck{50};

// ---- what a focus tells of its conference (RFC 4575)
inline constexpr std::chrono::seconds kRosterExpiry{3600};  // the package's own
inline constexpr std::chrono::seconds kMaxRosterExpiry{86'400};
inline constexpr std::chrono::seconds kRosterAhead{32};      // before its end it is refreshed
inline constexpr std::chrono::seconds kFirstRosterRetry{5};  // doubled each time, up to
inline constexpr std::chrono::seconds kMaxRosterRetry{300};
inline constexpr std::chrono::seconds kRosterStopTime{2};      // for the last NOTIFY
inline constexpr std::chrono::seconds kFullRosterInterval{5};  // between refreshes for want of it
inline constexpr std::size_t kMaxRosterIntervals = 2;          // 423 in a row
inline constexpr std::size_t kMaxRosterRoutes = 16;
inline constexpr std::size_t kMaxNotifiesPerSecond = 10;  // of one focus: the RFC has one in 5 s
inline constexpr std::size_t kMaxRosterFaults = 16;       // told of one subscription
inline constexpr std::size_t kMaxRosterEvents = 32;       // told of one NOTIFY
// In the metadata of one recording, those that left too: a document of 256 KiB holds them.
inline constexpr std::size_t kMaxConferenceMembers = 150;
inline constexpr std::size_t kMaxNewTimes = 300;     // and of the last minute, which go first then
inline constexpr std::size_t kMaxFocusChanges = 16;  // of a call: then it stays with the last one
inline constexpr std::size_t kMaxGoneMembers = 100;  // times at which somebody left a room of ours
inline constexpr std::size_t kMaxEarlierPeriods = 100;  // of all who came back to one of others
inline constexpr std::size_t kMaxSidebarSessions = 16;
// Changes of a roster that come faster go to the recording servers together.
inline constexpr std::chrono::milliseconds kRosterInterval{250};

// After the last call to a conference the next one is to the same meeting, so long.
inline constexpr std::chrono::minutes kMeetingGap{10};

// ---- conferences that the client calls itself
inline constexpr std::size_t kMaxAttendances = 200;
inline constexpr std::chrono::seconds kLongestAttendance{43'200};

}  // namespace earshot::client
