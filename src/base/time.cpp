#include "base/time.h"

#include <fmt/format.h>

#include "base/text.h"

namespace earshot::base {

std::string to_rfc3339(WallTime t) {
    namespace ch = std::chrono;
    const auto ms = ch::floor<ch::milliseconds>(t);
    const auto day = ch::floor<ch::days>(ms);
    const ch::year_month_day date{day};
    const ch::hh_mm_ss<ch::milliseconds> clock{ms - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                       clock.subseconds().count());
}

namespace {

// Takes exactly `count` digits off the front.
std::optional<int> take_digits(std::string_view& rest, std::size_t count) {
    if (rest.size() < count) return std::nullopt;
    const auto value = parse_number<int>(rest.substr(0, count));
    if (value) rest.remove_prefix(count);
    return value;
}

bool take_char(std::string_view& rest, char c) {
    if (rest.empty() || rest.front() != c) return false;
    rest.remove_prefix(1);
    return true;
}

std::optional<std::chrono::nanoseconds> take_fraction(std::string_view& rest) {
    if (!take_char(rest, '.')) return std::chrono::nanoseconds{0};
    std::int64_t ns = 0;
    std::size_t digits = 0;
    while (!rest.empty() && is_digit(rest.front())) {
        if (digits < 9) ns = ns * 10 + (rest.front() - '0');
        ++digits;
        rest.remove_prefix(1);
    }
    if (digits == 0) return std::nullopt;
    for (std::size_t i = digits; i < 9; ++i) ns *= 10;
    return std::chrono::nanoseconds{ns};
}

struct Offset {
    std::chrono::minutes value{0};
    bool exact = true;
};

std::optional<Offset> take_offset(std::string_view rest) {
    if (rest.empty()) return Offset{.exact = false};
    if (rest == "Z") return Offset{};
    if (rest == "z") return Offset{.exact = false};
    const bool west = rest.front() == '-';
    if (!west && rest.front() != '+') return std::nullopt;
    rest.remove_prefix(1);
    const auto hours = take_digits(rest, 2);
    const bool colon = take_char(rest, ':');
    const auto minutes = take_digits(rest, 2);
    if (!hours || !minutes || !rest.empty() || *hours > 23 || *minutes > 59) return std::nullopt;
    const std::chrono::minutes total{*hours * 60 + *minutes};
    return Offset{.value = west ? -total : total, .exact = colon};
}

}  // namespace

std::optional<ParsedTime> parse_time(std::string_view text) {
    namespace ch = std::chrono;
    std::string_view rest = trim(text);
    const auto year = take_digits(rest, 4);
    if (!year || !take_char(rest, '-')) return std::nullopt;
    const auto month = take_digits(rest, 2);
    if (!month || !take_char(rest, '-')) return std::nullopt;
    const auto day = take_digits(rest, 2);
    if (!day || rest.empty()) return std::nullopt;
    const bool capital = rest.front() == 'T';
    if (!capital && rest.front() != 't' && rest.front() != ' ') return std::nullopt;
    rest.remove_prefix(1);
    const auto hour = take_digits(rest, 2);
    if (!hour || !take_char(rest, ':')) return std::nullopt;
    const auto minute = take_digits(rest, 2);
    if (!minute || !take_char(rest, ':')) return std::nullopt;
    const auto second = take_digits(rest, 2);
    if (!second) return std::nullopt;
    const auto fraction = take_fraction(rest);
    const auto offset = take_offset(rest);
    const ch::year_month_day date{ch::year{*year}, ch::month{static_cast<unsigned>(*month)},
                                  ch::day{static_cast<unsigned>(*day)}};
    // Nanoseconds since 1970 end in 2262; a leap second (60) is allowed by RFC 3339 section 5.7.
    if (!fraction || !offset || !date.ok() || *year < 1900 || *year > 2200) return std::nullopt;
    if (*hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    const WallTime time = ch::sys_days{date} + ch::hours{*hour} + ch::minutes{*minute} +
                          ch::seconds{*second} + *fraction - offset->value;
    return ParsedTime{.time = time, .exact = capital && offset->exact};
}

}  // namespace earshot::base
