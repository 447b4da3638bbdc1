// The character classes of SIP's grammar (RFC 3261 §25.1) as one table, for the loops that look at
// every octet of a message.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace earshot::sip {

namespace char_class {
inline constexpr std::uint8_t kLws = 1;  // SP, HTAB, CR, LF
inline constexpr std::uint8_t kToken = 2;
inline constexpr std::uint8_t kScheme = 4;
inline constexpr std::uint8_t kHost = 8;  // wider than the grammar by '_' and octets above ASCII
inline constexpr std::uint8_t kNotInUri = 16;

inline constexpr std::array<std::uint8_t, 256> kTable = [] {
    std::array<std::uint8_t, 256> table{};
    const auto mark = [&](std::string_view chars, unsigned bits) {
        for (const char c : chars) {
            auto& entry = table[static_cast<unsigned char>(c)];
            entry = static_cast<std::uint8_t>(entry | bits);
        }
    };
    mark("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
         kToken | kScheme | kHost);
    mark("-.!%*_+`'~", kToken);
    mark("+-.", kScheme);
    mark("-._", kHost);
    mark(" \t\r\n", kLws);
    mark("<>\"\x7f", kNotInUri);
    for (unsigned c = 0; c <= ' '; ++c) table[c] = static_cast<std::uint8_t>(table[c] | kNotInUri);
    for (unsigned c = 0x80; c < 256; ++c) table[c] = kHost;
    return table;
}();
}  // namespace char_class

constexpr bool is_in_class(char c, std::uint8_t bits) {
    return (char_class::kTable[static_cast<unsigned char>(c)] & bits) != 0;
}
// Most characters are none by one comparison.
constexpr bool is_lws(char c) { return c <= ' ' && is_in_class(c, char_class::kLws); }

constexpr bool is_all_of(std::string_view text, std::uint8_t bits) {
    return std::all_of(text.begin(), text.end(), [=](char c) { return is_in_class(c, bits); });
}
constexpr bool has_any_of(std::string_view text, std::uint8_t bits) {
    return std::any_of(text.begin(), text.end(), [=](char c) { return is_in_class(c, bits); });
}
constexpr bool is_token(std::string_view text) {
    return !text.empty() && is_all_of(text, char_class::kToken);
}

// As base::trim(), inlined; an empty result still points into the text.
constexpr std::string_view trim_lws(std::string_view text) {
    while (!text.empty() && is_lws(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_lws(text.back())) text.remove_suffix(1);
    return text;
}

}  // namespace earshot::sip
