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
// Common lines of a recording session that wait for the next chat (relay::ChatMapping::Reuse).
inline constexpr std::size_t kMaxIdleChatLines = 8;
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

// Verbs of one call that wait for those before them.
inline constexpr std::size_t kMaxNgSteps = 64;
inline constexpr std::size_t kMaxCallJobs = 64;  // the same in a JobQueue
// How old what RTPEngine says of a call's media may be, and how many calls it is asked about at a
// time.
inline constexpr std::chrono::seconds kNgQueryEvery{30};
inline constexpr std::size_t kNgQueriesAtOnce = 32;

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

// Keys (RFC 4733) that wait for signalling, of all calls; those beyond are lost and counted.
inline constexpr std::size_t kMaxQueuedKeys = 4096;
// Of one leg on one line; those beyond are passed on and not told.
inline constexpr std::size_t kMaxKeysPerSecond = 32;
// A key whose release was lost is taken as released when other media has gone on for so long.
inline constexpr std::chrono::nanoseconds kLostRelease{200'000'000};

// Media from another address of an allowed host is taken after so long a silence of the present.
inline constexpr std::chrono::milliseconds kRtpSilence{500};
// RTCP comes every five seconds (RFC 3550 section 6.2).
inline constexpr std::chrono::seconds kRtcpSilence{15};
// What a leg can be made to hear at once, and how large its file may be.
inline constexpr std::chrono::seconds kMaxAnnouncement{60};
inline constexpr std::size_t kMaxAnnouncementBytes = 32U << 20;
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

// --- the media that is kept for another server (packet_ring.h) -----------------------------------

// Of one block: the longest packet fits (io::kMaxMediaBytes), and 3 s of G.711 take three.
inline constexpr std::size_t kRingBlockBytes = std::size_t{12} * 1024;
// Of one stream: 1.5 MiB, 3 s of 4 Mbit/s.
inline constexpr std::size_t kMaxRingBlocks = 128;
// Of all streams of all workers: 3 s of 5,000 calls. Where there is no more, streams keep less.
inline constexpr std::size_t kMaxRingBytes = std::size_t{512} << 20;
inline constexpr std::size_t kFreeRingBlocks = 1024;  // of a worker, kept for the calls to come

// Between two packets that a fork sends late: with the live ones 3 s of speech fit into a socket
// that nobody reads for a while (212,992 bytes hold 277 small packets).
inline constexpr std::chrono::milliseconds kReplayStep{4};
inline constexpr std::chrono::milliseconds kAwaitLive{200};  // before the first of them
inline constexpr std::int64_t kReplaySpeed = 4;     // at least, of the speed at which they came
inline constexpr std::size_t kReplayedOfFork = 10;  // in one turn
inline constexpr std::size_t kReplayedAtOnce = 64;  // in one turn, of all forks
// What is left of it when its call ends goes out faster, and for no longer than this.
inline constexpr std::chrono::milliseconds kReplayRestStep{1};
inline constexpr std::chrono::milliseconds kReplayRest{1'000};
inline constexpr std::chrono::milliseconds kReplayTick{2};  // a turn comes at least so often then

// --- whether a recording server is still there (server_watch.h) ----------------------------------

inline constexpr int kRefusals = 2;                       // by ICMP, in a row
inline constexpr std::chrono::seconds kRefusalsApart{2};  // at most, two of them
inline constexpr std::chrono::seconds kUnreachableTime{1};
inline constexpr std::chrono::seconds kTellAgain{1};
inline constexpr int kFewestReports = 3;  // of RTCP, before their absence means anything
inline constexpr std::int64_t kMissedReports = 5;
inline constexpr std::chrono::seconds kLeastReportInterval{5};  // RFC 3550 section 6.2
// A stream that has been sent within this time, and was not refused, speaks for its server.
inline constexpr std::chrono::seconds kProofOfLife{2};
// RtpengineTap: how often a call that is recorded there is asked about, and how many questions in a
// row may stay without an answer until it counts as gone.
inline constexpr std::chrono::seconds kTapPollTime{5};
inline constexpr int kTapMaxSilences = 6;

// --- sessions that are mixed to one stream (session_mixer.h, mix_desk.h) -------------------------

inline constexpr std::int64_t kMaxMixWaiting = 50;    // ticks of 20 ms that a voice may be ahead
inline constexpr std::size_t kMaxMixPackets = 256;    // of one voice, that wait
inline constexpr std::size_t kMaxMixes = 256;         // at once
inline constexpr std::size_t kMaxMixInputs = 64;      // of one mix
inline constexpr std::size_t kMaxMixCommands = 4096;  // that wait for the desk's thread
// A mix in which nobody speaks sends one packet of silence so often, so that what the way to the
// server has opened for it stays open (RFC 7866 section 10, RFC 6263).
inline constexpr std::chrono::seconds kMixKeepAlive{15};

// --- shared screens (screen_desk.h) --------------------------------------------------------------

inline constexpr std::size_t kMaxScreens = 64;  // at once: each is a process
// So no call takes all of them.
inline constexpr std::size_t kMaxScreensOfCall = 4;
// Of one direction, that wait for a party: then the other one has to wait, as by TCP alone.
inline constexpr std::size_t kMaxScreenWaiting = std::size_t{1} << 20;
// Octets that wait for the child; it is faster than a viewer.
inline constexpr std::size_t kMaxScreenTap = std::size_t{64} << 20;
inline constexpr std::size_t kMaxScreenPayload = 1'400;  // of an RTP packet that the child makes
inline constexpr std::chrono::milliseconds kScreenAskEvery{100};
inline constexpr std::chrono::seconds kScreenStall{20};
inline constexpr std::chrono::milliseconds kScreenPacing{4};
inline constexpr std::size_t kScreenPacketsAtOnce = 16;  // 35 Mbit/s
// A party that connects before the other one has answered waits so long.
inline constexpr std::chrono::seconds kScreenPatience{30};

}  // namespace earshot::relay
