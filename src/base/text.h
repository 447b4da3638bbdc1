// Small ASCII text tools shared by the protocol parsers. Nothing here knows a locale.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace earshot::base {

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool iequals(std::string_view a, std::string_view b);  // ASCII case ignored
bool istarts_with(std::string_view text, std::string_view prefix);
std::string to_lower(std::string_view text);
std::string_view trim(std::string_view text);  // SP, HTAB, CR, LF at both ends

// Takes the text before `separator` off the front of `rest`; the whole of it when there is none.
std::string_view take_until(std::string_view& rest, char separator);

// Decimal digits only, all of `text`, no sign, no overflow; otherwise nullopt.
template <class T>
std::optional<T> parse_number(std::string_view text) {
    T value{};
    if (text.empty() || !is_digit(text.front())) return std::nullopt;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return value;
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
