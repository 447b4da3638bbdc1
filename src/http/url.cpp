#include "http/url.h"

#include "base/text.h"

namespace earshot::http {
namespace {

// Takes the host off the front, without its brackets; what stays is empty or ":PORT", unless
// something else follows a bracket.
std::string_view take_host(std::string_view& authority) {
    if (authority.starts_with('[')) {
        authority.remove_prefix(1);
        return base::take_until(authority, ']');
    }
    const std::string_view host = authority.substr(0, authority.find(':'));
    authority.remove_prefix(host.size());
    return host;
}

}  // namespace

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
    url.host = std::string(take_host(authority));
    if (url.host.empty()) return std::nullopt;
    if (!authority.empty()) {
        if (authority.front() != ':') return std::nullopt;
        const auto port = base::parse_number<std::uint16_t>(authority.substr(1));
        if (!port || *port == 0) return std::nullopt;
        url.port = std::to_string(*port);
    }
    return url;
}

}  // namespace earshot::http
