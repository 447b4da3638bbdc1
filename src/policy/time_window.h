// Times of the week at which a rule holds: "mon-fri 08:00-18:00", "sat,sun", "22:00-06:00", in one
// of IANA's time zones.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace date {
class time_zone;
}

namespace earshot::policy {

// The minute of the local week: 0 is Monday 00:00.
inline constexpr int kDayMinutes = 24 * 60;
inline constexpr int kWeekMinutes = 7 * kDayMinutes;

class TimeWindow {
public:
    // [DAYS] [HH:MM-HH:MM]. DAYS: names or ranges by commas; without them every day. The end is not
    // part of it; 24:00 is the end of the day; an end at or before the begin is on the next day, so
    // "fri 22:00-06:00" ends on Saturday morning. The error's text says what is wrong.
    static base::Result<TimeWindow> parse(std::string_view text);

    bool contains(int week_minute) const;
    friend bool operator==(const TimeWindow&, const TimeWindow&) = default;

private:
    std::uint8_t days_ = 0x7f;  // bit 0: Monday; the day on which it begins
    int from_ = 0;              // minutes from midnight
    int length_ = kDayMinutes;  // 1 to kDayMinutes
};

// A zone of the system's time zone database. Copies are cheap: zones live as long as the process.
class Zone {
public:
    Zone() = default;  // UTC
    // By IANA's name: "Europe/Berlin". Reads files; not for the signalling thread.
    static std::optional<Zone> find(std::string_view name);
    int week_minute(base::WallTime time) const;
    friend bool operator==(const Zone&, const Zone&) = default;

private:
    const date::time_zone* zone_ = nullptr;
};

}  // namespace earshot::policy
