// The two clocks. `TimePoint` (steady) for intervals and deadlines, `WallTime` (UTC, ns) only to
// stamp records. Neither is read outside io/, server/, loadgen/ and app/: everything else is given
// `now`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace earshot::base {

using TimePoint = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

// One moment on both clocks, read together.
struct Now {
    TimePoint steady;
    WallTime wall;
};

inline std::int64_t to_ns(WallTime t) { return t.time_since_epoch().count(); }
inline WallTime wall_from_ns(std::int64_t ns) { return WallTime{std::chrono::nanoseconds{ns}}; }

// RFC 3339 in UTC with milliseconds: 2026-03-02T09:15:00.120Z. Times of ours outside the process.
std::string to_rfc3339(WallTime t);

// What peers send: RFC 3339, and the forms met in the field (interop.md Q4, Q11): `+0000` without a
// colon, no zone at all (read as UTC), lower case t and z. `exact` is false for the latter forms.
struct ParsedTime {
    WallTime time;
    bool exact = true;
};
std::optional<ParsedTime> parse_time(std::string_view text);

}  // namespace earshot::base
