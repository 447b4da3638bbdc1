// Limits of the capture room; each with its unit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot::capture {

// What an unproven source may make us hold (rtp::SourceFilter); 500 ms of 2 Mbit/s video fit.
inline constexpr std::size_t kMaxHeldPackets = 256;
inline constexpr std::size_t kMaxHeldBytes = std::size_t{256} * 1024;

inline constexpr std::size_t kMaxQueuedCommands = 65'536;
// When full, notifications that only inform are dropped and counted; StreamClosed, RecordingSealed
// and Durable never are.
inline constexpr std::size_t kMaxQueuedNotifications = 65'536;

// Records that wait because the journal has no room. More than this is lost, and said so.
inline constexpr std::size_t kMaxPostponedBytes = std::size_t{16} * 1024 * 1024;
inline constexpr std::size_t kMaxWorkers = 64;
// Memory of the packet rings of all workers: 0.8 s of 1,000 G.711 calls.
inline constexpr std::size_t kRingBytes = std::size_t{128} << 20;
// A worker with a packet ring has its own share of the ports, of at least so many pairs.
inline constexpr std::size_t kFewestRingPortPairs = 4;

// A payload type that the SDP no longer names is accepted for so long (packets under way).
inline constexpr std::chrono::seconds kOldPayloadTypeGrace{5};
// What is protected under a key that SDP has replaced is taken for so long (packets under way).
inline constexpr std::chrono::seconds kOldKeyGrace{5};
// After a DTLS handshake that failed the next one begins no sooner: a forger keeps no core busy.
inline constexpr std::chrono::seconds kDtlsRetryInterval{1};
// SRTP of one path that came before its keys: 10 s of audio, a second of 2 Mbit/s video. No older
// than the longest handshake, which is what it may have overtaken.
inline constexpr std::size_t kMaxEarlyPackets = 512;
inline constexpr std::size_t kMaxEarlyBytes = std::size_t{256} * 1024;
inline constexpr std::chrono::seconds kMaxEarlyAge{30};
// Hosts that ICE has shown to be the peer's: of its interfaces.
inline constexpr std::size_t kMaxIceHosts = 8;
// Events of one stream about ICE and DTLS.
inline constexpr std::uint32_t kMaxKeyingEvents = 64;
// Packets in a row that are not authentic and make the event srtp_failing.
inline constexpr std::uint32_t kFailuresInRow = 50;
// At most one packets_rejected event per stream and cause in this time.
inline constexpr std::chrono::seconds kRejectedEventInterval{10};
// Probe packets to a peer that waits for media first: one at each drain of paced media, until its
// first packet comes; 5 s at the default of 200 ms.
inline constexpr int kMaxProbes = 25;
// Sources (SSRC and CSRC) whose CNAME is remembered, for one stream.
inline constexpr std::size_t kMaxDescribedSources = 128;
inline constexpr std::size_t kMaxCnameBytes = 255;  // RFC 3550 section 6.5
// contributors and source_described events of one stream.
inline constexpr std::uint32_t kMaxContributorEvents = 4096;
inline constexpr std::uint32_t kMaxDescribedEvents = 512;
// source_changed events of one stream; a sender that hops ports forever fills no journal.
inline constexpr std::uint32_t kMaxSourceChangedEvents = 16;

// BUNDLE: sources of a transport whose line is remembered, and source_assigned events of it.
inline constexpr std::size_t kMaxBundledSources = 256;
inline constexpr std::uint32_t kMaxAssignedEvents = 64;
// What comes by the transport that a stream has left is taken for so long (packets under way).
inline constexpr std::chrono::seconds kOldTransportGrace{5};

// Feedback: packets of a stream that are waited for, how often and how far apart each is asked for
// (the time from the n-th request to the next is n times the interval), and how often a key frame.
inline constexpr std::size_t kMaxMissing = 256;
inline constexpr std::int32_t kMaxFeedbackStep = 3000;  // as SequenceTracker::kMaxDropout
inline constexpr std::uint8_t kMaxNackTries = 3;
inline constexpr std::chrono::milliseconds kNackInterval{100};
inline constexpr std::chrono::milliseconds kKeyFrameInterval{1000};
inline constexpr std::chrono::milliseconds kMaxKeyFrameInterval{8000};
// key_frame_requested events of one stream.
inline constexpr std::uint32_t kMaxKeyFrameEvents = 256;
// SO_RCVBUF of video: a key frame of 1 MB in one burst, as the kernel counts it (twice the bytes).
inline constexpr int kBurstyBufferBytes = 2 << 20;

// RFC 2198: 14 bits of offset, at T.140's 1000 Hz, and a margin for what jitter delays.
inline constexpr std::chrono::milliseconds kLongestRedundancy{16'384 + 200};
inline constexpr std::chrono::milliseconds kRedundancyMargin{200};
// So long after it was lost a packet may come again by RTX or FEC.
inline constexpr std::chrono::milliseconds kLongestRepair{2'000};

}  // namespace earshot::capture
