#include "base/time.h"

#include <span>

#include "base/text.h"

namespace earshot::base {

namespace {

// Each log line and row has a time, and fmt takes ten times as long to write one.
void put_digits(std::span<char> place, std::uint64_t number) {
    for (std::size_t i = place.size(); i > 0; --i, number /= 10)
        place[i - 1] = static_cast<char>('0' + number % 10);
}

}  // namespace

std::string to_rfc3339(WallTime t) {
    namespace ch = std::chrono;
    const auto ms = ch::floor<ch::milliseconds>(t);
    const auto day = ch::floor<ch::days>(ms);
    const ch::year_month_day date{day};  // from 1677 to 2262
    const ch::milliseconds in_day = ms - day;
    const auto put = [](std::string& out, std::size_t at, std::size_t size, auto number) {
        put_digits(std::span(out).subspan(at, size), static_cast<std::uint64_t>(number));
    };
    std::string out = "0000-00-00T00:00:00.000Z";
    put(out, 0, 4, static_cast<int>(date.year()));
    put(out, 5, 2, static_cast<unsigned>(date.month()));
    put(out, 8, 2, static_cast<unsigned>(date.day()));
    put(out, 11, 2, in_day / ch::hours{1});
    put(out, 14, 2, in_day / ch::minutes{1} % 60);
    put(out, 17, 2, in_day / ch::seconds{1} % 60);
    put(out, 20, 3, in_day.count() % 1000);
    return out;
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
