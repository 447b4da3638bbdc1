#include "chat/nickname.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "base/text.h"
#include "chat/limits.h"

namespace earshot::chat {

namespace {

constexpr char32_t kNone = 0xffffffff;  // no UTF-8

struct Range {
    char32_t first;
    char32_t last;
};
using Block = std::pair<Range, char32_t>;  // the last one, or the letter of the first one

template <std::size_t size>
bool is_in(const std::array<Range, size>& ranges, char32_t c) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [c](const Range& range) { return c >= range.first && c <= range.last; });
}

// Of no width, or that turn the direction of what follows; controls, annotations, noncharacters;
// letters that show as nothing (fillers, the empty Braille cell).
constexpr std::array kUnseen{
    Range{0x00, 0x1f},       Range{0x7f, 0x9f},       Range{0xad, 0xad},
    Range{0x34f, 0x34f},     Range{0x61c, 0x61c},     Range{0x115f, 0x1160},
    Range{0x17b4, 0x17b5},   Range{0x180b, 0x180f},   Range{0x200b, 0x200f},
    Range{0x2028, 0x202e},   Range{0x2060, 0x206f},   Range{0x2800, 0x2800},
    Range{0x3164, 0x3164},   Range{0xfdd0, 0xfdef},   Range{0xfeff, 0xfeff},
    Range{0xffa0, 0xffa0},   Range{0xfff0, 0xfffb},   Range{0xfffe, 0xffff},
    Range{0x13430, 0x13455}, Range{0x1bca0, 0x1bca3}, Range{0x1d159, 0x1d159},
    Range{0x1d173, 0x1d17a}, Range{0xe0000, 0xe00ff}, Range{0xe01f0, 0xe0fff},
};
// Of how the character before them is drawn: in many emoji.
constexpr std::array kVariants{Range{0xfe00, 0xfe0f}, Range{0xe0100, 0xe01ef}};
constexpr std::array kSpaces{Range{0xa0, 0xa0},     Range{0x1680, 0x1680}, Range{0x2000, 0x200a},
                             Range{0x202f, 0x202f}, Range{0x205f, 0x205f}, Range{0x3000, 0x3000}};

// Alphabets that are Latin ones in another form (NFKC): full width, circled, squared.
constexpr std::array kForms{Block{{0xff01, 0xff5e}, '!'},   Block{{0x249c, 0x24b5}, 'a'},
                            Block{{0x24b6, 0x24cf}, 'a'},   Block{{0x24d0, 0x24e9}, 'a'},
                            Block{{0x1f130, 0x1f149}, 'a'}, Block{{0x1f150, 0x1f169}, 'a'},
                            Block{{0x1f170, 0x1f189}, 'a'}};
// Mathematical ones: capitals and small letters in turn.
constexpr Range kMathematical{0x1d400, 0x1d6a3};

// Letters of other scripts, and letter-like symbols, that are drawn as a Latin letter: the usual
// ones, not all that Unicode has (UTS 39).
struct LookAlike {
    char latin;
    std::u32string_view others;
};
constexpr std::array kLookAlikes{
    LookAlike{'a', U"\u0430\u0410\u03b1\u0391"},
    LookAlike{'b', U"\u0412\u0392\u212c"},
    LookAlike{'c', U"\u0441\u0421\u03f2\u03f9\u2102\u212d\u216d\u217d"},
    LookAlike{'d', U"\u0501\u0500\u2145\u2146\u216e\u217e"},
    LookAlike{'e', U"\u0435\u0415\u0395\u212e\u212f\u2130\u2147"},
    LookAlike{'f', U"\u2131"},
    LookAlike{'g', U"\u0261\u0581\u210a"},
    LookAlike{'h', U"\u04bb\u041d\u0397\u210b\u210c\u210d\u210e"},
    LookAlike{'i', U"\u0456\u0406\u03b9\u0399\u0131\u2110\u2111\u2148\u2160\u2170"},
    LookAlike{'j', U"\u0458\u0408\u03f3\u2149"},
    LookAlike{'k', U"\u043a\u041a\u03ba\u039a\u212a"},
    LookAlike{'l', U"\u04cf\u2112\u2113\u216c\u217c"},
    LookAlike{'m', U"\u041c\u039c\u2133\u216f\u217f"},
    LookAlike{'n', U"\u039d\u2115"},
    LookAlike{'o', U"\u043e\u041e\u03bf\u039f\u0585\u2134"},
    LookAlike{'p', U"\u0440\u0420\u03c1\u03a1\u2119"},
    LookAlike{'q', U"\u051b\u211a"},
    LookAlike{'r', U"\u0433\u0280\u211b\u211c\u211d"},
    LookAlike{'s', U"\u0455\u0405"},
    LookAlike{'t', U"\u0422\u03a4"},
    LookAlike{'u', U"\u03c5"},
    LookAlike{'v', U"\u03bd\u2164\u2174"},
    LookAlike{'w', U"\u051d"},
    LookAlike{'x', U"\u0445\u0425\u03c7\u03a7\u2169\u2179"},
    LookAlike{'y', U"\u0443\u0423\u03a5"},
    LookAlike{'z', U"\u0396\u2124\u2128"},
};

bool is_unseen(char32_t c) { return is_in(kUnseen, c) || is_in(kVariants, c); }
bool is_space(char32_t c) { return c == ' ' || is_in(kSpaces, c); }

// The character at the front, and its octets.
std::pair<char32_t, std::size_t> front(std::string_view text) {
    const auto octet = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned lead = octet(0);
    if (lead < 0x80) return {lead, 1};
    const std::size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {kNone, 1};
    char32_t c = lead & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((octet(i) & 0xc0U) != 0x80U) return {kNone, 1};
        c = c << 6U | (octet(i) & 0x3fU);
    }
    return {c, size};
}

template <class Work>
void each_character(std::string_view text, Work work) {
    while (!text.empty()) {
        const auto [c, size] = front(text);
        work(c, text.substr(0, size));
        text.remove_prefix(size);
    }
}

// The Latin letter, digit or sign that it looks like, in lower case; 0: none.
char latin_of(char32_t c) {
    if (c < 0x80) return base::to_lower(static_cast<char>(c));
    if (c >= kMathematical.first && c <= kMathematical.last)
        return static_cast<char>('a' + (c - kMathematical.first) % 26);
    for (const auto& [range, first] : kForms)
        if (c >= range.first && c <= range.last)
            return base::to_lower(static_cast<char>(first + (c - range.first)));
    const auto known = std::find_if(kLookAlikes.begin(), kLookAlikes.end(), [c](const auto& one) {
        return one.others.find(c) != std::u32string_view::npos;
    });
    return known == kLookAlikes.end() ? '\0' : known->latin;
}

}  // namespace

std::optional<std::string> parse_nickname(std::string_view value) {
    value = base::trim(value);
    if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::nullopt;
    value = value.substr(1, value.size() - 2);
    std::string nickname;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (value[i] == '"') return std::nullopt;
        if (value[i] == '\\' && ++i == value.size()) return std::nullopt;
        nickname += value[i];
    }
    if (nickname.size() > kMaxNicknameBytes) return std::nullopt;
    if (base::to_valid_utf8(nickname) != nickname) return std::nullopt;
    bool is_good = true;
    each_character(nickname, [&](char32_t c, std::string_view /*octets*/) {
        is_good = is_good && !is_in(kUnseen, c);
    });
    if (!is_good) return std::nullopt;
    // Nothing to be seen is no name, and no wish to have none either.
    if (!nickname.empty() && nickname_key(nickname).empty()) return std::nullopt;
    return nickname;
}

std::string nickname_key(std::string_view nickname) {
    std::string key;
    each_character(nickname, [&](char32_t c, std::string_view octets) {
        if (c == kNone || is_unseen(c)) return;
        if (is_space(c)) {
            if (!key.empty() && !key.ends_with(' ')) key += ' ';
        } else if (const char latin = latin_of(c); latin != '\0') {
            key += latin;
        } else {
            key += octets;
        }
    });
    if (key.ends_with(' ')) key.pop_back();
    return key;
}

bool is_reserved_name(std::string_view name) {
    std::string key = nickname_key(name);
    std::erase_if(key, [](char c) { return c == '"' || c == '\\'; });
    return base::trim(key) == "recorder";
}

}  // namespace earshot::chat
