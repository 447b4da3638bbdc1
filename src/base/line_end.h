// Where a line of protocol text ends, for parsers that look at each octet of a message.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace earshot::base {

// The index of the first CR or LF; text.size() if there is none. Eight octets a step: a word is
// looked at more closely only when one of its octets is below 0x0e, as CR, LF and tabs are.
inline std::size_t find_line_end(std::string_view text) {
    constexpr std::uint64_t kEach = 0x0101010101010101;
    std::size_t at = 0;
    while (at < text.size()) {
        std::uint64_t word = 0;
        while (text.size() - at >= sizeof(word)) {
            std::memcpy(&word, text.data() + at, sizeof(word));
            // The high bit of an octet: it was borrowed from, and was not set before.
            if (((word - kEach * 0x0e) & ~word & (kEach * 0x80)) != 0) break;
            at += sizeof(word);
        }
        const std::size_t end = std::min(at + sizeof(word), text.size());
        for (; at < end; ++at) {
            if (text[at] == '\n' || text[at] == '\r') return at;
        }
    }
    return text.size();
}

}  // namespace earshot::base
