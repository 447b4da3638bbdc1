#include "chat/nickname.h"

#include "base/text.h"
#include "chat/limits.h"

namespace earshot::chat {

std::optional<std::string> parse_nickname(std::string_view value) {
    value = base::trim(value);
    if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::nullopt;
    value = value.substr(1, value.size() - 2);
    std::string nickname;
    for (std::size_t i = 0; i < value.size(); ++i) {
        constexpr char kSpace = ' ';
        constexpr char kDelete = 0x7f;
        const bool is_control =
            (static_cast<unsigned char>(value[i]) < kSpace) || value[i] == kDelete;
        if (is_control || value[i] == '"') return std::nullopt;
        if (value[i] == '\\' && ++i == value.size()) return std::nullopt;
        nickname += value[i];
    }
    if (nickname.size() > kMaxNicknameBytes) return std::nullopt;
    if (base::to_valid_utf8(nickname) != nickname) return std::nullopt;
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

}  // namespace earshot::chat
