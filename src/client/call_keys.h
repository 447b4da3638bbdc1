// Whose a call is, by its number (relay::CallKey): calls of all kinds stand in one list of events
// and in one media plane. Those of the Switchboard count from 1; the others from here, and none of
// them ever gets as far as the next.
#pragma once

#include <cstdint>

namespace earshot::client {

inline constexpr std::uint64_t kCompanionKeys = 1'000'000'000'000;
inline constexpr std::uint64_t kAttendanceKeys = 2'000'000'000'000;
inline constexpr std::uint64_t kConferenceKeys = 3'000'000'000'000;  // conferences and their legs

}  // namespace earshot::client
