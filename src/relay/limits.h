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

// The NG protocol (ng_message.h): what one datagram over IPv4 can carry, and what is taken of it. A
// query's answer of a call with 16 lines has about 2,000 values, 10 deep.
inline constexpr std::size_t kMaxNgBytes = 65'507;
inline constexpr std::size_t kMaxNgValues = 16'384;
inline constexpr std::size_t kMaxNgDepth = 32;
inline constexpr std::size_t kMaxNgDigits = 19;
inline constexpr std::size_t kMaxNgCookieBytes = 128;
// Commands of one instance that are not answered yet; beyond it new ones fail at once.
inline constexpr std::size_t kMaxNgPending = 8'192;
// A command is sent again after 150 ms, 450 ms and 1.05 s; after 2 s without an answer the instance
// counts as dead: the phone that waits for the next one has not yet sent its INVITE for the third
// time (RFC 3261 section 17.1.1.2).
inline constexpr std::chrono::milliseconds kNgFirstWait{150};
inline constexpr int kNgSends = 4;
inline constexpr std::chrono::milliseconds kNgGiveUp{2'000};
// An instance from which nothing has come for so long is pinged.
inline constexpr std::chrono::milliseconds kNgPingEvery{2'000};

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

// Of RTPProxy's control protocol. A command is sent so often, and the pause after it doubles: 1.5 s
// until an instance counts as silent.
inline constexpr std::size_t kMaxControlReplyBytes = 1'024;
inline constexpr int kControlAttempts = 4;
inline constexpr std::chrono::milliseconds kControlFirstPause{100};
// An instance is asked whether it is there, and fit, so often.
inline constexpr std::chrono::seconds kControlProbeTime{2};
// How old the figures of a call may be, and how often some calls' are asked for.
inline constexpr std::chrono::milliseconds kFigureTime{5'000};
inline constexpr std::chrono::milliseconds kFigureTick{100};

}  // namespace earshot::relay
