#include "sip/headers.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"
#include "sip/chars.h"

namespace earshot::sip {
namespace {

using base::Errc;
using base::Error;
using base::iequals;
using base::Result;

// The index behind the quoted string that begins at `at`; npos when its end is missing.
std::size_t end_of_quoted(std::string_view text, std::size_t at) {
    for (std::size_t i = at + 1; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            return i + 1;
        }
    }
    return std::string_view::npos;
}

// The index of the comma that ends the first element of the list, or the size of the text.
std::size_t end_of_element(std::string_view text) {
    if (text.find(',') == std::string_view::npos) return text.size();
    std::size_t end = 0;
    bool has_no_close = false;  // known: no '>' follows
    while (end < text.size() && text[end] != ',') {
        if (text[end] == '"') {
            end = std::min(end_of_quoted(text, end), text.size());
            continue;
        }
        if (text[end] == '<' && !has_no_close) {
            // A '<' without its '>' (interop Q22) does not swallow the rest of the list.
            const std::size_t close = text.find('>', end);
            has_no_close = close == std::string_view::npos;
            if (!has_no_close) end = close;
        }
        ++end;
    }
    return end;
}

// `<uri>;params`, `text` beginning with '<'.
Result<NameAddr> parse_bracketed(NameAddr name_addr, std::string_view text) {
    const std::size_t close = text.find('>');
    name_addr.is_unterminated = close == std::string_view::npos;
    name_addr.uri = trim_lws(text.substr(1, close == std::string_view::npos ? close : close - 1));
    if (!name_addr.is_unterminated) name_addr.params = trim_lws(text.substr(close + 1));
    if (name_addr.uri.empty()) return Error{Errc::Malformed, "address: empty URI"};
    if (!name_addr.params.empty() && name_addr.params.front() != ';') {
        return Error{Errc::Malformed, "address: text after the URI"};
    }
    return name_addr;
}

bool names_feature(std::string_view params, std::string_view feature) {
    const std::string_view bare = base::istarts_with(feature, "sip.") ? feature.substr(4) : feature;
    Param param;
    while (take_param(params, param)) {
        std::string_view name = param.name;
        if (!name.empty() && name.front() == '+') name.remove_prefix(1);
        if (!iequals(name, feature) && !iequals(name, bare)) continue;
        return !iequals(param.value, "FALSE");
    }
    return false;
}

// Takes the text before `separator` off `rest`, trimmed at both ends.
std::string_view take_field(std::string_view& rest, char separator) {
    return trim_lws(base::take_until(rest, separator));
}

// sent-by of a Via: `host [ ":" port ]`, spaces around the colon allowed.
Result<Via> parse_sent_by(Via via, std::string_view sent_by) {
    std::size_t colon = sent_by.find(':');
    if (!sent_by.empty() && sent_by.front() == '[') {
        const std::size_t close = sent_by.find(']');
        if (close == std::string_view::npos) return Error{Errc::Malformed, "Via: malformed host"};
        colon = sent_by.find(':', close);
    }
    via.host = trim_lws(sent_by.substr(0, colon));
    if (via.host.empty() || has_any_of(via.host, char_class::kLws)) {
        return Error{Errc::Malformed, "Via: malformed host"};
    }
    if (colon == std::string_view::npos) return via;
    via.port = base::parse_number<std::uint16_t>(trim_lws(sent_by.substr(colon + 1)));
    if (!via.port) return Error{Errc::Malformed, "Via: malformed port"};
    return via;
}

constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// "23:29:00" as seconds of the day.
std::optional<std::chrono::seconds> parse_clock(std::string_view text) {
    const auto hour = base::parse_number<unsigned>(base::take_until(text, ':'));
    const auto minute = base::parse_number<unsigned>(base::take_until(text, ':'));
    const auto second = base::parse_number<unsigned>(text);
    if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) {
        return std::nullopt;
    }
    return std::chrono::seconds{(*hour * 60 + *minute) * 60 + *second};
}

std::optional<std::chrono::sys_days> parse_day(std::string_view day, std::string_view month,
                                               std::string_view year) {
    const auto day_number = base::parse_number<unsigned>(day);
    const auto year_number = base::parse_number<int>(year);
    const auto* found = std::find_if(kMonths.begin(), kMonths.end(),
                                     [&](std::string_view name) { return iequals(name, month); });
    // WallTime is a count of ns: the years it can hold are 1678 to 2262.
    if (!day_number || !year_number || *year_number < 1900 || *year_number > 2261 ||
        found == kMonths.end()) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{
        std::chrono::year{*year_number},
        std::chrono::month{static_cast<unsigned>(found - kMonths.begin()) + 1},
        std::chrono::day{*day_number}};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days{date};
}

void append_two_digits(std::string& out, unsigned value) {
    out += static_cast<char>('0' + value / 10 % 10);
    out += static_cast<char>('0' + value % 10);
}

}  // namespace

bool take_list_element(std::string_view& rest, std::string_view& element) {
    while (!rest.empty()) {
        const std::size_t end = end_of_element(rest);
        element = trim_lws(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!element.empty()) return true;
    }
    return false;
}

bool NameAddr::has_feature(std::string_view feature) const {
    if (!feature.empty() && feature.front() == '+') feature.remove_prefix(1);
    if (names_feature(params, feature)) return true;
    const std::size_t semicolon = uri.find(';');
    return semicolon != std::string_view::npos && names_feature(uri.substr(semicolon), feature);
}

Result<NameAddr> parse_name_addr(std::string_view value) {
    value = trim_lws(value);
    NameAddr name_addr;
    if (value.empty()) return Error{Errc::Malformed, "address: empty"};
    if (value == "*") {
        name_addr.is_wildcard = true;
        return name_addr;
    }
    if (value.front() == '"') {
        const std::size_t end = end_of_quoted(value, 0);
        if (end == std::string_view::npos) {
            return Error{Errc::Malformed, "address: display name without closing quote"};
        }
        name_addr.display_name = value.substr(1, end - 2);
        value = trim_lws(value.substr(end));
        if (value.empty() || value.front() != '<') {
            return Error{Errc::Malformed, "address: no '<' after the display name"};
        }
        return parse_bracketed(name_addr, value);
    }
    // Unquoted display names may hold nearly anything (RFC 4475 §3.1.2.15, interop Q7). A quote
    // before the '<' means that this one lies inside a parameter of a bare URI.
    const std::size_t open = value.find('<');
    if (open != std::string_view::npos &&
        value.substr(0, open).find('"') == std::string_view::npos) {
        name_addr.display_name = trim_lws(value.substr(0, open));
        return parse_bracketed(name_addr, value.substr(open));
    }
    // RFC 3261 §20.10: without brackets all parameters are the header's.
    const std::size_t semicolon = value.find(';');
    name_addr.uri = trim_lws(value.substr(0, semicolon));
    if (semicolon != std::string_view::npos) name_addr.params = value.substr(semicolon);
    if (name_addr.uri.empty()) return Error{Errc::Malformed, "address: empty URI"};
    return name_addr;
}

bool Via::has_magic_branch() const {
    constexpr std::string_view kMagic = "z9hG4bK";
    // The cookie alone names no transaction (RFC 4475 §3.2.1).
    return branch().size() > kMagic.size() && base::istarts_with(branch(), kMagic);
}

std::optional<std::uint16_t> Via::rport() const {
    const auto value = find_param(params, "rport");
    return value ? base::parse_number<std::uint16_t>(*value) : std::nullopt;
}

Result<Via> parse_via(std::string_view value) {
    Via via;
    std::string_view rest = trim_lws(value);
    const std::size_t first_slash = rest.find('/');
    const std::size_t second_slash =
        first_slash == std::string_view::npos ? first_slash : rest.find('/', first_slash + 1);
    if (second_slash == std::string_view::npos) {
        return Error{Errc::Malformed, "Via: no transport"};
    }
    via.protocol = trim_lws(rest.substr(0, second_slash));
    if (!base::istarts_with(via.protocol, "SIP")) return Error{Errc::Malformed, "Via: not SIP"};
    rest = trim_lws(rest.substr(second_slash + 1));
    std::size_t size = 0;
    while (size < rest.size() && !is_lws(rest[size]) && rest[size] != ';' && rest[size] != ',') {
        ++size;
    }
    via.transport = rest.substr(0, size);
    if (size == 0 || (size < rest.size() && !is_lws(rest[size]))) {
        return Error{Errc::Malformed, "Via: no transport"};
    }
    rest = trim_lws(rest.substr(via.transport.size()));
    const std::size_t semicolon = rest.find(';');
    if (semicolon != std::string_view::npos) via.params = rest.substr(semicolon);
    return parse_sent_by(via, trim_lws(rest.substr(0, semicolon)));
}

Result<CSeq> parse_cseq(std::string_view value) {
    value = trim_lws(value);
    const auto number = base::take_number<std::uint32_t>(value);
    if (!value.empty() && !is_lws(value.front())) {
        return Error{Errc::Malformed, "CSeq: malformed number"};
    }
    const std::string_view method = trim_lws(value);
    if (!number || *number > 0x7fffffff) return Error{Errc::Malformed, "CSeq: malformed number"};
    if (method.empty() || has_any_of(method, char_class::kLws)) {
        return Error{Errc::Malformed, "CSeq: malformed method"};
    }
    return CSeq{.number = *number, .method = method};
}

bool ContentType::is(std::string_view wanted_type, std::string_view wanted_subtype) const {
    return iequals(type, wanted_type) && iequals(subtype, wanted_subtype);
}

Result<ContentType> parse_content_type(std::string_view value) {
    const std::size_t semicolon = value.find(';');
    std::string_view media_type = value.substr(0, semicolon);
    ContentType content_type;
    content_type.type = take_field(media_type, '/');
    content_type.subtype = trim_lws(media_type);
    if (semicolon != std::string_view::npos) content_type.params = value.substr(semicolon);
    if (content_type.type.empty() || content_type.subtype.empty()) {
        return Error{Errc::Malformed, "Content-Type: no type/subtype"};
    }
    return content_type;
}

TokenValue parse_token_value(std::string_view value) {
    const std::size_t semicolon = value.find(';');
    return {.token = trim_lws(value.substr(0, semicolon)),
            .params =
                semicolon == std::string_view::npos ? std::string_view{} : value.substr(semicolon)};
}

Result<DeltaSeconds> parse_delta_seconds(std::string_view value) {
    value = trim_lws(value);
    std::size_t digits = 0;
    while (digits < value.size() && base::is_digit(value[digits])) ++digits;
    if (digits == 0) return Error{Errc::Malformed, "seconds: no number"};
    // RFC 4475 §3.1.2.4: a number past 2**32-1 is treated as that.
    const std::uint32_t seconds = base::parse_number<std::uint32_t>(value.substr(0, digits))
                                      .value_or(std::numeric_limits<std::uint32_t>::max());
    const std::size_t semicolon = value.find(';', digits);
    return DeltaSeconds{.seconds = std::chrono::seconds{seconds},
                        .params = semicolon == std::string_view::npos ? std::string_view{}
                                                                      : value.substr(semicolon)};
}

Result<base::WallTime> parse_date(std::string_view value) {
    constexpr Error kMalformed{Errc::Malformed, "Date: not as in RFC 3261 section 20.17"};
    std::string_view rest = trim_lws(value);
    const std::size_t comma = rest.find(',');
    if (comma == std::string_view::npos) return kMalformed;
    rest = trim_lws(rest.substr(comma + 1));  // the name of the weekday is not believed

    std::array<std::string_view, 5> fields;  // day, month, year, clock, zone
    for (std::string_view& field : fields) {
        field = base::take_until(rest, ' ');
        rest = trim_lws(rest);
    }
    const auto day = parse_day(fields[0], fields[1], fields[2]);
    const auto clock = parse_clock(fields[3]);
    if (!day || !clock || !rest.empty()) return kMalformed;
    if (!iequals(fields[4], "GMT") && !iequals(fields[4], "UTC")) {
        return Error{Errc::Unsupported, "Date: the zone is not GMT"};
    }
    return base::WallTime{*day} + *clock;
}

std::string format_date(base::WallTime time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::seconds>(time - day)};
    const std::chrono::weekday weekday{day};

    std::string text;
    text += kDays[weekday.c_encoding()];
    text += ", ";
    append_two_digits(text, static_cast<unsigned>(date.day()));
    text += ' ';
    text += kMonths[static_cast<unsigned>(date.month()) - 1];
    text += ' ' + std::to_string(static_cast<int>(date.year())) + ' ';
    append_two_digits(text, static_cast<unsigned>(clock.hours().count()));
    text += ':';
    append_two_digits(text, static_cast<unsigned>(clock.minutes().count()));
    text += ':';
    append_two_digits(text, static_cast<unsigned>(clock.seconds().count()));
    text += " GMT";
    return text;
}

}  // namespace earshot::sip
