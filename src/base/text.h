// Small ASCII text tools shared by the protocol parsers. Nothing here knows a locale.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace earshot::base {

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool equals_but_for_case(std::string_view a, std::string_view b);  // for iequals(); sizes are equal

// The next ones are inlined: every header field and every SDP line comes through them.

// ASCII case ignored. Most peers write names as the RFCs do, so texts are first compared as they
// stand.
inline bool iequals(std::string_view a, std::string_view b) {
    return a.size() == b.size() && (a == b || equals_but_for_case(a, b));
}

inline bool istarts_with(std::string_view text, std::string_view prefix) {
    return text.size() >= prefix.size() && iequals(text.substr(0, prefix.size()), prefix);
}

std::string to_lower(std::string_view text);

// SP, HTAB, CR, LF at both ends; an empty result still points into the text. Loops, not
// find_first_not_of(): that one calls memchr for each character.
constexpr std::string_view trim(std::string_view text) {
    const auto is_blank = [](char c) {
        return c <= ' ' && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
    };
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

// Takes the text before `separator` off the front of `rest`; the whole of it when there is none.
inline std::string_view take_until(std::string_view& rest, char separator) {
    const std::size_t at = rest.find(separator);
    const std::string_view taken = rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
    return taken;
}

// Takes the decimal digits off the front of `rest`; nullopt when there is none or their number does
// not fit.
template <std::integral T>
constexpr std::optional<T> take_number(std::string_view& rest) {
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
    std::uint64_t value = 0;
    std::size_t size = 0;
    for (; size < rest.size(); ++size) {
        const auto digit = static_cast<std::uint64_t>(rest[size]) - '0';  // huge for all others
        if (digit > 9) break;
        if (value > kMax / 10) return std::nullopt;
        value = value * 10 + digit;
        if (sizeof(T) == sizeof(value) && value < digit) return std::nullopt;  // it went round
    }
    rest.remove_prefix(size);
    if (size == 0 || value > kMax) return std::nullopt;
    return static_cast<T>(value);
}

// Decimal digits only, all of `text`, no sign, no overflow; otherwise nullopt.
template <std::integral T>
constexpr std::optional<T> parse_number(std::string_view text) {
    const std::optional<T> number = take_number<T>(text);
    return text.empty() ? number : std::nullopt;
}

std::string to_hex(ByteView bytes);  // lower case
std::optional<Bytes> parse_hex(std::string_view text);
std::string to_base64(ByteView bytes);     // RFC 4648 section 4, padded
std::string to_base64url(ByteView bytes);  // section 5, not padded
std::optional<Bytes> parse_base64(
    std::string_view text);  // padding optional; rejects anything else

// Replaces each byte that is not valid UTF-8 by U+FFFD, for texts of peers that go into JSON or
// logs.
std::string to_valid_utf8(std::string_view text);

}  // namespace earshot::base
