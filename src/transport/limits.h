// Limits on what peers may hold open (threats: slow TCP, floods). Each is tested at its edge or
// shown by doctor.
#pragma once

#include <chrono>
#include <cstddef>

namespace earshot::transport {

inline constexpr std::size_t kMaxConnections = 4096;
inline constexpr std::size_t kMaxConnectionsPerHost = 128;
inline constexpr std::size_t kMaxQueuedBytesPerConnection =
    1U << 20;  // a peer that does not read is closed
// The same of connections that we opened: when a recording server dies, the next one gets the
// INVITEs of all calls at once, some 5 kB each, before it has so much as accepted.
inline constexpr std::size_t kMaxQueuedBytesOfOurs = 16U << 20;
inline constexpr std::size_t kMaxDatagramBytes = 65535;
inline constexpr std::size_t kMaxKeepAliveBytes = 4;  // no SIP: CRLF, or the zeros that some send
inline constexpr std::size_t kDatagramsAtOnce = 8;    // by one system call
inline constexpr std::size_t kDatagramsPerTurn =
    64;  // then timers and other sockets have their turn

inline constexpr std::chrono::seconds kFirstMessageTime{
    10};  // from accept to the first whole message
inline constexpr std::chrono::seconds kMessageTime{
    20};  // from the first byte of a message to its last
// A SYN and its first repetition, with a long way back: behind a filter that says nothing a long
// request goes by UDP soon enough (RFC 3261 §18.1.1), and any other to the next target.
inline constexpr std::chrono::milliseconds kConnectTime{2500};
inline constexpr std::chrono::milliseconds kAcceptPause{100};  // after an accept that failed
inline constexpr std::chrono::hours kIdleTime{2};  // between messages; a dialog may rest for long
inline constexpr std::chrono::milliseconds kDnsTryTime{1500};     // doubled with each further try
inline constexpr std::chrono::milliseconds kLocationMargin{250};  // before sip::kMaxLocationTime
inline constexpr int kDnsTries = 2;                               // of each server

// TLS. Handshakes that have begun and are not done: beyond the whole the oldest makes room for the
// next, as an honest one takes a fraction of a second; beyond a host's share the next is closed.
inline constexpr std::size_t kMaxHandshakes = 512;
inline constexpr std::size_t kMaxHandshakesPerHost = 64;
inline constexpr std::chrono::seconds kHandshakeTime{5};  // from accept or connect to its end
inline constexpr std::size_t kFailedHandshakes = 20;      // of a host; then it has to wait
inline constexpr std::chrono::seconds kHandshakeForgiven{1};
inline constexpr std::size_t kMaxGuardedHosts = 4096;
inline constexpr int kHandshakesPerSecond = 400;  // of all; some 0.3 ms of the loop each
inline constexpr int kHandshakeBurst = 100;
// What TLS itself has to say, in a handshake or to renew keys, to a peer that does not read.
inline constexpr std::size_t kMaxTlsOutputBytes = 256U << 10;
// After an alert: until the peer has closed, too. Closed at once, it might never read the alert.
inline constexpr std::chrono::seconds kAlertTime{2};

}  // namespace earshot::transport
