// Limits of what peers and operators can make the server keep or write.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "capture/limits.h"

namespace earshot::server {

inline constexpr std::size_t kMaxMediaWorkers = capture::kMaxWorkers;
inline constexpr std::size_t kMaxCallJoinKeys = 64;  // of one call; further ones join nothing
inline constexpr std::size_t kMaxRedirections = 3;   // that one INVITE of ours follows
inline constexpr std::size_t kMaxChallengesAtOnePlace = 3;  // that it answers at one place
inline constexpr std::size_t kMaxTargetBytes = 1024;  // of a client's URI, of a call's reference

// A challenge may be answered for as long as its transaction can live (64*T1, RFC 3261 Timer H);
// more INVITEs than AttemptLedger gives a row of their own in that time need not be remembered.
inline constexpr std::chrono::seconds kChallengeTime{32};
inline constexpr std::size_t kMaxChallenges = 5000;

}  // namespace earshot::server
