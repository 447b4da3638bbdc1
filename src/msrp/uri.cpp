#include "msrp/uri.h"

#include "base/net_address.h"
#include "base/text.h"
#include "msrp/limits.h"

namespace earshot::msrp {
namespace {

base::Error malformed(std::string_view what, std::size_t at = 0) {
    return base::Error{base::Errc::Malformed, what, at};
}

// unreserved of RFC 3986, and what ABNF's session-id adds: "+", "=", "/".
bool is_session_char(char c) {
    const char lower = base::to_lower(c);
    return (lower >= 'a' && lower <= 'z') || base::is_digit(c) ||
           std::string_view("-._~+=/").find(c) != std::string_view::npos;
}

bool is_host_char(char c) { return c > ' ' && c < '\x7f' && c != '/' && c != ';' && c != '"'; }

// Takes host[:port] apart.
base::Result<base::Done> parse_authority(std::string_view text, Uri& uri) {
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return malformed("MSRP URI: '[' without ']'");
        uri.host = text.substr(1, close - 1);
        port = text.substr(close + 1);
        if (!base::parse_host(uri.host, 0)) return malformed("MSRP URI: no IPv6 address in []");
    } else {
        const std::size_t colon = text.find(':');
        uri.host = text.substr(0, colon);
        port = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
    }
    if (uri.host.empty()) return malformed("MSRP URI: no host");
    for (const char c : uri.host) {
        if (!is_host_char(c)) return malformed("MSRP URI: a character that no host has");
    }
    if (port.empty()) return base::Done{};
    const auto number = base::parse_number<std::uint16_t>(port.substr(1));
    if (port.front() != ':' || !number || *number == 0) return malformed("MSRP URI: bad port");
    uri.port = *number;
    return base::Done{};
}

bool is_same_host(const std::string& a, const std::string& b) {
    if (base::iequals(a, b)) return true;
    const auto first = base::parse_host(a, 0);
    const auto second = base::parse_host(b, 0);
    return first && second && first->same_host(*second);
}

}  // namespace

bool is_same(const Uri& a, const Uri& b) {
    return a.is_secure == b.is_secure && a.port == b.port && a.session_id == b.session_id &&
           base::iequals(a.transport, b.transport) && is_same_host(a.host, b.host);
}

base::Result<Uri> parse_uri(std::string_view text) {
    if (text.size() > kMaxUriBytes) {
        return base::Error{base::Errc::TooLarge, "MSRP URI: too long", text.size()};
    }
    Uri uri;
    std::string_view rest = text;
    if (base::istarts_with(rest, "msrps://")) {
        uri.is_secure = true;
        rest.remove_prefix(8);
    } else if (base::istarts_with(rest, "msrp://")) {
        rest.remove_prefix(7);
    } else {
        return malformed("MSRP URI: the scheme is neither msrp nor msrps");
    }
    const std::size_t semicolon = rest.find(';');
    if (semicolon == std::string_view::npos) return malformed("MSRP URI: no transport");
    std::string_view parameters = rest.substr(semicolon + 1);
    std::string_view authority = rest.substr(0, semicolon);

    const std::size_t slash = authority.find('/');
    if (slash != std::string_view::npos) {
        uri.session_id = authority.substr(slash + 1);
        authority = authority.substr(0, slash);
        if (uri.session_id.empty()) return malformed("MSRP URI: empty session-id");
        for (const char c : uri.session_id) {
            if (!is_session_char(c)) return malformed("MSRP URI: bad session-id");
        }
    }
    const std::size_t at = authority.rfind('@');
    if (at != std::string_view::npos) authority.remove_prefix(at + 1);
    if (const auto done = parse_authority(authority, uri); !done) return done.error();

    uri.transport = base::take_until(parameters, ';');
    if (uri.transport.empty()) return malformed("MSRP URI: no transport");
    for (const char c : uri.transport) {
        if (!is_session_char(c)) return malformed("MSRP URI: bad transport");
    }
    for (const char c : parameters) {
        if (c <= ' ' || c >= '\x7f') return malformed("MSRP URI: bad parameter");
    }
    if (!parameters.empty()) uri.parameters = ";" + std::string(parameters);
    return uri;
}

std::string to_string(const Uri& uri) {
    std::string text = uri.is_secure ? "msrps://" : "msrp://";
    const bool is_ipv6 = uri.host.find(':') != std::string::npos;
    text += is_ipv6 ? "[" + uri.host + "]" : uri.host;
    if (uri.port != 0) text += ":" + std::to_string(uri.port);
    if (!uri.session_id.empty()) text += "/" + uri.session_id;
    return text + ";" + uri.transport + uri.parameters;
}

base::Result<std::vector<Uri>> parse_path(std::string_view text) {
    std::vector<Uri> path;
    while (!(text = base::trim(text)).empty()) {
        if (path.size() == kMaxPathUris) {
            return base::Error{base::Errc::TooLarge, "MSRP path: too many URIs", path.size()};
        }
        auto uri = parse_uri(base::take_until(text, ' '));
        if (!uri) return uri.error();
        path.push_back(*std::move(uri));
    }
    if (path.empty()) return malformed("MSRP path: empty");
    return path;
}

std::string to_string(const std::vector<Uri>& path) {
    std::string text;
    for (const Uri& uri : path) {
        if (!text.empty()) text += ' ';
        text += to_string(uri);
    }
    return text;
}

}  // namespace earshot::msrp
