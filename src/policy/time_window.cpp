#include "policy/time_window.h"

#include <date/tz.h>

#include <array>
#include <string>

#include "base/text.h"

namespace earshot::policy {
namespace {

using base::Errc;
using base::Error;

constexpr std::array<std::string_view, 7> kDays{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

std::optional<int> parse_day(std::string_view text) {
    for (std::size_t i = 0; i < kDays.size(); ++i)
        if (base::iequals(kDays[i], text)) return static_cast<int>(i);
    return std::nullopt;
}

// "mon-fri,sun" as bits; a range may pass the end of the week ("sat-mon").
std::optional<std::uint8_t> parse_days(std::string_view text) {
    unsigned days = 0;
    do {
        std::string_view last = base::take_until(text, ',');
        if (last.ends_with('-')) return std::nullopt;
        const auto from = parse_day(base::take_until(last, '-'));
        const auto to = last.empty() ? from : parse_day(last);
        if (!from || !to) return std::nullopt;
        for (int day = *from;; day = (day + 1) % 7) {
            days |= 1U << static_cast<unsigned>(day);
            if (day == *to) break;
        }
    } while (!text.empty());
    return static_cast<std::uint8_t>(days);
}

std::optional<int> parse_time(std::string_view text) {
    if (text.size() != 5 || text[2] != ':') return std::nullopt;
    const auto hour = base::parse_number<unsigned>(text.substr(0, 2));
    const auto minute = base::parse_number<unsigned>(text.substr(3));
    if (!hour || !minute || *minute > 59 || *hour > 24 || (*hour == 24 && *minute > 0))
        return std::nullopt;
    return static_cast<int>(*hour * 60 + *minute);
}

}  // namespace

base::Result<TimeWindow> TimeWindow::parse(std::string_view text) {
    std::string_view rest = base::trim(text);
    if (rest.empty()) return Error{Errc::Malformed, "is empty"};
    TimeWindow window;
    std::string_view first = base::take_until(rest, ' ');
    rest = base::trim(rest);
    if (first.find(':') == std::string_view::npos) {
        const auto days = parse_days(first);
        if (!days) return Error{Errc::Malformed, "names a day that is none of mon to sun"};
        window.days_ = *days;
        if (rest.empty()) return window;
        first = std::exchange(rest, {});
    }
    if (!rest.empty()) return Error{Errc::Malformed, "has more than days and a time"};
    const auto from = parse_time(base::take_until(first, '-'));
    const auto to = parse_time(first);
    if (!from || !to || *from == kDayMinutes)
        return Error{Errc::Malformed, "has a time that is not HH:MM-HH:MM"};
    window.from_ = *from;
    window.length_ = *to > *from ? *to - *from : *to - *from + kDayMinutes;
    return window;
}

bool TimeWindow::contains(int week_minute) const {
    for (int day = 0; day < 7; ++day) {
        if ((days_ & (1U << static_cast<unsigned>(day))) == 0) continue;
        const int since = week_minute - (day * kDayMinutes + from_);
        if (since >= 0 ? since < length_ : since + kWeekMinutes < length_) return true;
    }
    return false;
}

std::optional<Zone> Zone::find(std::string_view name) {
    Zone zone;
    if (name == "UTC") return zone;
    try {
        zone.zone_ = date::locate_zone(std::string(name));
    } catch (const std::exception&) {  // unknown, or there is no database
        return std::nullopt;
    }
    return zone;
}

int Zone::week_minute(base::WallTime time) const {
    auto local = std::chrono::floor<std::chrono::minutes>(time.time_since_epoch());
    try {
        if (zone_ != nullptr)
            local += std::chrono::floor<std::chrono::minutes>(
                zone_->get_info(std::chrono::floor<std::chrono::seconds>(time)).offset);
    } catch (const std::exception&) {  // the zone's file went away: UTC is the nearest there is
    }
    constexpr std::int64_t kEpochDay = 3;  // 1 January 1970 was a Thursday
    const std::int64_t minute = (local.count() + kEpochDay * kDayMinutes) % kWeekMinutes;
    return static_cast<int>(minute < 0 ? minute + kWeekMinutes : minute);
}

}  // namespace earshot::policy
