// The timer values of RFC 3261 (table 4, §17.1.1.1) and RFC 6026.
#pragma once

#include <chrono>

namespace earshot::sip {

inline constexpr std::chrono::milliseconds kT1{500};   // estimate of a round trip
inline constexpr std::chrono::milliseconds kT2{4000};  // longest interval of non-INVITE and 2xx
inline constexpr std::chrono::milliseconds kT4{5000};  // longest life of a message in the network
inline constexpr std::chrono::milliseconds kTimeout = 64 * kT1;  // timers B, F, H, J, L, M
inline constexpr std::chrono::milliseconds kTimerD{32000};       // "at least 32 seconds"
// Timer C (§16.6, a proxy's) as ours against a callee that rings for ever; §16.6 wants > 3 minutes.
inline constexpr std::chrono::milliseconds kInviteProceeding{std::chrono::minutes{4}};

}  // namespace earshot::sip
