#include "chat/nickname.h"

#include <algorithm>

#include "base/text.h"
#include "chat/limits.h"

namespace earshot::chat {

namespace {

struct Address {
    std::string_view user;
    std::string_view host;  // without its port: one may be written and not the other
};

std::string_view without_port(std::string_view host) {
    const std::size_t bracket = host.rfind(']');
    const std::size_t colon = host.rfind(':');
    const bool is_port =
        colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon);
    return is_port ? host.substr(0, colon) : host;
}

Address address_of(std::string_view uri) {
    uri = base::trim(uri);
    uri = uri.substr(0, uri.find_first_of(";?"));
    const std::size_t at = uri.rfind('@');
    const std::size_t colon = uri.find(':');
    // "sip:ana@desk.example"; a bare "ana@desk.example" has no scheme.
    const bool has_scheme = colon != std::string_view::npos &&
                            (at == std::string_view::npos || colon < at) &&
                            uri.substr(0, colon).find('.') == std::string_view::npos;
    const std::string_view rest = has_scheme ? uri.substr(colon + 1) : uri;
    const std::size_t split = rest.rfind('@');
    if (split == std::string_view::npos) return {.user = {}, .host = without_port(rest)};
    return {.user = rest.substr(0, split), .host = without_port(rest.substr(split + 1))};
}

}  // namespace

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

bool is_same_address(std::string_view a, std::string_view b) {
    const Address first = address_of(a);
    const Address second = address_of(b);
    return !first.host.empty() && first.user == second.user &&
           base::iequals(first.host, second.host);
}

bool is_anonymous(std::string_view uri) {
    return base::iequals(address_of(uri).host, "anonymous.invalid");
}

}  // namespace earshot::chat
