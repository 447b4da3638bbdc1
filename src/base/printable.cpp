#include "base/printable.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

namespace earshot::base {
namespace {

// Left-to-right marks, overrides and isolates, and what has no width: with them a name could show
// as another one, or turn the rest of the line around.
bool is_invisible(char32_t c) {
    return c == 0x00ad || c == 0x061c || c == 0x180e || c == 0x200b || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

// The character at the front of `text`, and its size; U+0000 and 1 for what is no UTF-8.
std::pair<char32_t, std::size_t> first_character(std::string_view text) {
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = octet(0);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size == 1) return {lead, 1};
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {0, 1};
    auto character = static_cast<char32_t>(lead & (0x7fU >> size));
    for (std::size_t i = 1; i < size; ++i) {
        if ((octet(i) & 0xc0U) != 0x80U) return {0, 1};
        character = character << 6U | (octet(i) & 0x3fU);
    }
    return {character, size};
}

}  // namespace

std::string printable(std::string_view text) {
    std::string safe;
    safe.reserve(text.size());
    while (!text.empty()) {
        const auto [character, size] = first_character(text);
        if (character < 0x20 || (character >= 0x7f && character < 0xa0))
            safe += '?';  // control characters, and what is no UTF-8
        else if (is_invisible(character))
            safe += fmt::format("<U+{:04X}>", static_cast<std::uint32_t>(character));
        else
            safe += text.substr(0, size);
        text.remove_prefix(size);
    }
    return safe;
}

std::string printable_json(std::string_view json) {
    std::string safe;
    safe.reserve(json.size());
    while (!json.empty()) {
        const auto [character, size] = first_character(json);
        const auto code = static_cast<std::uint32_t>(character);
        const bool is_control = code >= 0x7f && code < 0xa0;  // those below: escaped already
        if (!is_control && !is_invisible(character))
            safe += json.substr(0, size);
        else if (code < 0x10000)
            safe += fmt::format("\\u{:04x}", code);
        else  // RFC 8259 section 7: a pair of surrogates
            safe += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((code - 0x10000) >> 10U),
                                0xdc00 + ((code - 0x10000) & 0x3ffU));
        json.remove_prefix(size);
    }
    return safe;
}

}  // namespace earshot::base
