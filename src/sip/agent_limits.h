// Limits of the agent on what peers can make it keep.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace earshot::sip {

// What a BYE that is written down now is ahead of its dialog's last request, since it may be sent
// after many more. Numbers may be left out (RFC 3261 §12.2.2).
inline constexpr std::uint32_t kCseqAhead = 1'000'000;
inline constexpr std::size_t kMaxTransactions = 200'000;  // 64*T1 of 6,000 requests a second
inline constexpr std::size_t kMaxDialogs = 50'000;
inline constexpr std::size_t kMaxRouteSetEntries = 32;   // Record-Route values of one dialog
inline constexpr std::size_t kMaxDialogBytes = 16'384;   // tags, URIs and routes of one dialog
inline constexpr std::size_t kMaxForksPerInvite = 16;    // dialogs that answers to one INVITE make
inline constexpr std::size_t kMaxWaitingResponses = 32;  // of one INVITE, for a PRACK
inline constexpr std::uint32_t kRetryAfterS = 10;        // of a 503 for want of room
inline constexpr std::uint32_t kMaxRetryAfterS = 10;     // of a 500: random 0-10 s, RFC 3261 §14.2
inline constexpr std::uint32_t kMaxForwards = 70;        // RFC 3261 §8.1.1.6
inline constexpr std::size_t kMaxHostBytes = 253;        // of a name, RFC 1035 §3.1
inline constexpr std::size_t kMaxTargets = 16;           // that one name leads to
inline constexpr std::size_t kMaxDnsQuestions = 32;      // for one name
inline constexpr std::chrono::seconds kMaxLocationTime{4};  // of one name; then without it
inline constexpr std::size_t kMaxQuarantined = 256;         // targets that did not answer
inline constexpr std::chrono::seconds kQuarantineTime{60};
inline constexpr std::size_t kMaxWithoutTcp = 4096;  // targets that took no TCP connection
inline constexpr std::chrono::minutes kWithoutTcpTime{10};

}  // namespace earshot::sip
