// Limits of the relay room; each with its unit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot::relay {

inline constexpr std::size_t kMaxCalls = 16'384;
inline constexpr std::size_t kMaxSubscriptions = 16;  // of one call
// M-lines of a subscription: both legs of as many lines as sdp/ parses.
inline constexpr std::size_t kMaxPlaces = 128;
// Offers of a subscription that the recording server may still answer; older ones are forgotten.
inline constexpr std::size_t kMaxUnansweredOffers = 4;
inline constexpr std::size_t kMaxWorkers = 64;

// Of one worker. New calls and subscriptions are refused past half of it, so that those that run
// can always be changed and ended.
inline constexpr std::size_t kMaxQueuedCommands = 65'536;

// Datagrams that are taken from one socket before the others get their turn.
inline constexpr std::size_t kReadAtOnce = 16;
// Hosts that one leg's media may come from: of the SDP that holds and of the one that is offered,
// RTP and RTCP of each, and who signals.
inline constexpr std::size_t kMaxHosts = 5;
// Addresses that are on probation at one port.
inline constexpr std::size_t kMaxCandidates = 4;
// How far apart two packets' sequence numbers may be for both to be good.
inline constexpr std::uint16_t kMaxSequenceGap = 100;

// Media from another address of an allowed host is taken after so long a silence of the present.
inline constexpr std::chrono::milliseconds kRtpSilence{500};
// RTCP comes every five seconds (RFC 3550 section 6.2).
inline constexpr std::chrono::seconds kRtcpSilence{15};
// One side is heard and the other is not: CallMedia says so after this time.
inline constexpr std::chrono::seconds kOneSided{5};

}  // namespace earshot::relay
