// Limits of the srtp room; each with its unit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot::srtp {

// Packets that may come late and still be told from a replay. RFC 3711 section 3.3.2 asks for 64;
// a burst of video that was reordered needs more.
inline constexpr std::size_t kRtpReplayWindow = 1024;
inline constexpr std::size_t kRtcpReplayWindow = 128;
// SSRCs of one key that a receiver remembers; the one that was silent longest gives way to a new
// one. Only what was authenticated is remembered.
inline constexpr std::size_t kMaxReceivedSources = 256;
// SSRCs that a sender protects under one key. It may forget none: an index that was used twice
// gives the plain text away (RFC 3711 section 9.1).
inline constexpr std::size_t kMaxSentSources = 4096;
// Rollovers that may have passed unseen: 23 hours of 50 packets a second.
inline constexpr std::uint64_t kMaxSearchedRollovers = 64;
// Searches in vain, once something was authentic; each authentic packet gives one back.
inline constexpr std::uint32_t kMaxVainSearches = 256;
// Master keys of one receiver, told apart by MKI (RFC 4568 section 6.1).
inline constexpr std::size_t kMaxMasterKeys = 8;
// RFC 3711 section 9.2: packets of one source under one key.
inline constexpr std::uint64_t kMaxRtpIndex = (std::uint64_t{1} << 48U) - 1;
inline constexpr std::uint32_t kMaxRtcpIndex = 0x7fffffff;
// What protecting adds to a packet at most, without the MKI: the tag; E flag, index and tag.
inline constexpr std::size_t kMaxRtpOverheadBytes = 16;
inline constexpr std::size_t kMaxRtcpOverheadBytes = 20;

// DTLS. What we send is cut into datagrams of so many octets (RFC 8261 takes the same as safe).
inline constexpr std::size_t kDtlsMtuBytes = 1200;
// A longer datagram is passed over; no record of a handshake that keeps to an MTU is.
inline constexpr std::size_t kMaxDtlsDatagramBytes = 2048;
// What a peer may send in one handshake, with all that is repeated.
inline constexpr std::size_t kMaxDtlsHandshakeBytes = std::size_t{64} * 1024;
inline constexpr long kMaxDtlsCertificateBytes = 16L * 1024;  // of its whole chain
inline constexpr std::size_t kMaxDtlsDatagramsToSend = 64;    // that nobody has fetched
// RFC 6347 section 4.2.4.1 suggests 1 s to begin with; media waits meanwhile.
inline constexpr std::chrono::milliseconds kFirstDtlsTimeout{500};
inline constexpr std::chrono::seconds kMaxDtlsTimeout{8};
inline constexpr std::chrono::seconds kMaxDtlsHandshakeTime{30};

}  // namespace earshot::srtp
