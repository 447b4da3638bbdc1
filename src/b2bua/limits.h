// Limits of the switchboard on what peers and its host can make it keep.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot::b2bua {

inline constexpr std::size_t kMaxCalls = 20'000;          // above: 503 + Retry-After
inline constexpr std::size_t kMaxPassedRequests = 5'000;  // outside of dialogs, at once; above: 503
inline constexpr std::size_t kMaxWaitingMessages = 64;    // of one call while the host is asked
inline constexpr std::size_t kMaxOpenRequests = 32;       // of one call, in both directions
inline constexpr std::size_t kMaxReferences = 8;          // REFERs of one call whose NOTIFYs we map
inline constexpr std::size_t kMaxContactBytes = 512;      // of a registered Contact's URI
inline constexpr std::uint32_t kRegisteredS = 3600;       // where a registrar does not say
inline constexpr std::uint32_t kMaxForwards = 70;         // RFC 3261 §8.1.1.6
inline constexpr std::uint32_t kRetryAfterS = 10;         // of a 503 for want of room
inline constexpr std::size_t kMaxInvitations = 256;       // REFERs whose new call is looked for
inline constexpr std::chrono::seconds kInvitationTime{60};  // so long
// Leg B rings without a word (timer C, §16.6: over 3 minutes), less than the Agent's patience.
inline constexpr std::chrono::seconds kMaxRingTime{210};
inline constexpr std::chrono::seconds kMinRefreshTime{
    90};  // RFC 4028 §5: shorter ones are not watched
// Of an answer of the host (route, offer, answer); afterwards as if it had refused.
inline constexpr std::chrono::seconds kMaxHostTime{10};
// A leg that is to be told anew while the host has no description for it: tried so often, so far
// apart.
inline constexpr std::uint8_t kMaxTellFailures = 4;
inline constexpr std::chrono::seconds kTellAgainTime{2};

}  // namespace earshot::b2bua
