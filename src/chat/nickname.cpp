#include "chat/nickname.h"

#include "base/text.h"
#include "chat/limits.h"

namespace earshot::chat {

namespace {

// Octets of the control or invisible character there; 0: it is none. C0, DEL, C1, the soft hyphen,
// U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF.
std::size_t unseen_at(std::string_view text) {
    const auto octet = [&](std::size_t at) {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    const auto is_within = [](unsigned value, unsigned first, unsigned last) {
        return value >= first && value <= last;
    };
    if (octet(0) < 0x20 || octet(0) == 0x7f) return 1;
    if (octet(0) == 0xc2 && (is_within(octet(1), 0x80, 0x9f) || octet(1) == 0xad)) return 2;
    const bool is_80 = octet(0) == 0xe2 && octet(1) == 0x80;
    if (is_80 && (is_within(octet(2), 0x8b, 0x8f) || is_within(octet(2), 0xa8, 0xae))) return 3;
    if (octet(0) == 0xe2 && octet(1) == 0x81 && is_within(octet(2), 0xa0, 0xaf)) return 3;
    return octet(0) == 0xef && octet(1) == 0xbb && octet(2) == 0xbf ? 3 : 0;
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
    for (std::size_t i = 0; i < nickname.size(); ++i)
        if (unseen_at(std::string_view(nickname).substr(i)) > 0) return std::nullopt;
    // Nothing but spaces is no name, and no wish to have none either.
    if (!nickname.empty() && base::trim(nickname).empty()) return std::nullopt;
    return nickname;
}

std::string nickname_key(std::string_view nickname) {
    std::string key;
    for (const char c : base::trim(nickname)) {
        if (c == ' ' && key.ends_with(' ')) continue;
        key += base::to_lower(c);
    }
    return key;
}

bool is_reserved_name(std::string_view name) {
    std::string seen;
    while (!name.empty()) {
        const std::size_t unseen = unseen_at(name);
        const bool is_quoting = name.front() == '"' || name.front() == '\\';
        if (unseen == 0 && !is_quoting) seen += name.front();
        name.remove_prefix(unseen == 0 ? 1 : unseen);
    }
    return nickname_key(seen) == "recorder";
}

}  // namespace earshot::chat
