#include "http/url.h"

#include "base/text.h"

namespace earshot::http {

std::optional<Url> parse_url(std::string_view text) {
    constexpr std::string_view kScheme = "http://";
    if (!base::istarts_with(text, kScheme)) return std::nullopt;
    for (const char c : text)
        if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') return std::nullopt;
    std::string_view rest = text.substr(kScheme.size());
    const std::size_t end = rest.find_first_of("/?#");
    std::string_view authority = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
    rest = rest.substr(0, rest.find('#'));
    if (authority.find('@') != std::string_view::npos) return std::nullopt;

    Url url;
    url.authority = std::string(authority);
    if (!rest.empty()) url.target = (rest.front() == '?' ? "/" : "") + std::string(rest);
    if (authority.starts_with('[')) {
        authority.remove_prefix(1);
        url.host = std::string(base::take_until(authority, ']'));
        if (!authority.empty() && authority.front() != ':') return std::nullopt;
    } else {
        const std::size_t colon = authority.find(':');
        url.host = std::string(authority.substr(0, colon));
        authority = colon == std::string_view::npos ? std::string_view() : authority.substr(colon);
    }
    if (url.host.empty()) return std::nullopt;
    if (!authority.empty()) {
        const auto port = base::parse_number<std::uint16_t>(authority.substr(1));
        if (!port || *port == 0) return std::nullopt;
        url.port = std::to_string(*port);
    }
    return url;
}

}  // namespace earshot::http
