#include "sip/uri.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "sip/chars.h"

namespace earshot::sip {
namespace {

using base::Errc;
using base::Error;
using base::iequals;
using base::Result;

std::string_view skip_lws(std::string_view text) {
    while (!text.empty() && is_lws(text.front())) text.remove_prefix(1);
    return text;
}

// `text` begins with a quote. Gives what stands inside and leaves what stands behind the closing
// quote; without one, all is inside.
std::string_view take_quoted(std::string_view& text) {
    std::size_t end = 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    end = std::min(end, text.size());
    const std::string_view inside = text.substr(1, end - 1);
    text.remove_prefix(std::min(end + 1, text.size()));
    return inside;
}

constexpr bool is_alpha(char c) {
    const char lower = base::to_lower(c);
    return lower >= 'a' && lower <= 'z';
}

// The size of the host at the front of `text`; 0 when there is none that is well-formed.
std::size_t host_size(std::string_view text) {
    const bool is_v6 = !text.empty() && text.front() == '[';
    std::size_t size = is_v6 ? 1 : 0;
    while (size < text.size() &&
           (is_in_class(text[size], char_class::kHost) || (is_v6 && text[size] == ':'))) {
        ++size;
    }
    if (!is_v6) return size;
    return size > 1 && size < text.size() && text[size] == ']' ? size + 1 : 0;
}

// Reads `host[:port]` at the front of `rest` into `uri`; what follows stays in `rest`.
Result<base::Done> take_host(std::string_view& rest, Uri& uri) {
    const auto is_at_end = [&rest] {
        return rest.empty() || rest.front() == ';' || rest.front() == '?';
    };
    uri.host = rest.substr(0, host_size(rest));
    rest.remove_prefix(uri.host.size());
    if (uri.host.empty()) return Error{Errc::Malformed, "URI: malformed host"};
    if (rest.empty() || rest.front() != ':') return base::Done{};

    rest.remove_prefix(1);
    if (is_at_end()) return base::Done{};  // "sip:host:" is taken for "sip:host"
    uri.port = base::take_number<std::uint16_t>(rest);
    if (!uri.port || !is_at_end()) return Error{Errc::Malformed, "URI: malformed port"};
    return base::Done{};
}

// What follows "sip:", into `uri`.
Result<base::Done> read_sip_uri(std::string_view rest, Uri& uri) {
    // The first '@' ends the user part: it must be escaped everywhere else, while ';' and '?' are
    // legal in a user (RFC 4475 §3.1.1.2 and §3.1.1.9).
    if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
        std::string_view user = rest.substr(0, at);
        rest.remove_prefix(at + 1);
        uri.user = base::take_until(user, ':');
        uri.password = user;
    }
    if (const auto host = take_host(rest, uri); !host) return host;
    if (!rest.empty() && rest.front() == ';') {
        uri.params = rest.substr(0, rest.find('?'));
        rest.remove_prefix(uri.params.size());
    }
    if (!rest.empty() && rest.front() == '?') {
        uri.headers = rest.substr(1);
        rest = {};
    }
    if (!rest.empty()) return Error{Errc::Malformed, "URI: text after the host"};
    return base::Done{};
}

int hex_digit(char c) {
    if (base::is_digit(c)) return c - '0';
    const char lower = base::to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The octet of the escape at the front of `text`, or -1 when there is none.
int escaped_octet(std::string_view text) {
    if (text.size() < 3 || text[0] != '%') return -1;
    const int high = hex_digit(text[1]);
    const int low = hex_digit(text[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// RFC 3261 §19.1.4: an escape equals its character unless that one is reserved; then only another
// escape of it does. Returned above 255 so that it differs from the bare character.
int take_comparable(std::string_view& text) {
    constexpr std::string_view kReserved = ";/?:@&=+$,";
    const int octet = escaped_octet(text);
    if (octet < 0) {
        const auto bare = static_cast<unsigned char>(text.front());
        text.remove_prefix(1);
        return bare;
    }
    text.remove_prefix(3);
    return kReserved.find(static_cast<char>(octet)) == std::string_view::npos ? octet : octet + 256;
}

int lower_octet(int octet) { return octet >= 'A' && octet <= 'Z' ? octet + 32 : octet; }

bool equal_escaped(std::string_view a, std::string_view b, bool ignore_case) {
    while (!a.empty() && !b.empty()) {
        const int left = take_comparable(a);
        const int right = take_comparable(b);
        if (left != right && !(ignore_case && lower_octet(left) == lower_octet(right))) {
            return false;
        }
    }
    return a.empty() && b.empty();
}

// URIs with more are compared as text: the comparison is quadratic in this number.
constexpr std::ptrdiff_t kMaxComparedParams = 64;

bool has_many(std::string_view text, char separator) {
    return std::count(text.begin(), text.end(), separator) > kMaxComparedParams;
}

// Each parameter of `a` that `b` also has must be equal; those of the list must be in both.
bool params_agree(std::string_view a, std::string_view b) {
    constexpr std::array<std::string_view, 5> kNeverIgnored{"user", "ttl", "method", "maddr",
                                                            "transport"};
    Param param;
    while (take_param(a, param)) {
        const std::optional<std::string_view> other = find_param(b, param.name);
        if (other) {
            if (!equal_escaped(param.value, *other, true)) return false;
            continue;
        }
        const auto same_name = [&](std::string_view name) { return iequals(name, param.name); };
        if (std::any_of(kNeverIgnored.begin(), kNeverIgnored.end(), same_name)) return false;
    }
    return true;
}

// All headers of `a` must be in `b`.
bool headers_agree(std::string_view a, std::string_view b) {
    Param wanted;
    while (take_param(a, wanted, '&')) {
        std::string_view rest = b;
        Param candidate;
        bool found = false;
        while (!found && take_param(rest, candidate, '&')) {
            found = iequals(candidate.name, wanted.name) &&
                    equal_escaped(candidate.value, wanted.value, false);
        }
        if (!found) return false;
    }
    return true;
}

}  // namespace

bool take_param(std::string_view& params, Param& param, char separator) {
    while (!params.empty() && (is_lws(params.front()) || params.front() == separator)) {
        params.remove_prefix(1);
    }
    if (params.empty()) return false;

    std::size_t end = 0;
    while (end < params.size() && params[end] != separator && params[end] != '=') ++end;
    param = Param{.name = trim_lws(params.substr(0, end)), .value = {}, .has_value = false};
    params.remove_prefix(end);
    if (params.empty() || params.front() == separator) return true;

    param.has_value = true;
    params = skip_lws(params.substr(1));
    if (!params.empty() && params.front() == '"') {
        param.value = take_quoted(params);
        params.remove_prefix(std::min(params.find(separator), params.size()));
        return true;
    }
    param.value = trim_lws(base::take_until(params, separator));
    return true;
}

std::optional<std::string_view> find_param(std::string_view params, std::string_view name) {
    Param param;
    while (take_param(params, param)) {
        if (iequals(param.name, name)) return param.value;
    }
    return std::nullopt;
}

Result<Uri> parse_uri(std::string_view text) {
    if (has_any_of(text, char_class::kNotInUri)) {
        return Error{Errc::Malformed, "URI: character that must be escaped"};
    }
    const std::size_t colon = text.find(':');
    const std::string_view scheme = text.substr(0, colon);
    if (colon == std::string_view::npos || scheme.empty() || !is_alpha(scheme.front()) ||
        !is_all_of(scheme, char_class::kScheme)) {
        return Error{Errc::Malformed, "URI: no scheme"};
    }

    Uri uri;
    uri.text = text;
    uri.scheme_name = scheme;
    std::string_view rest = text.substr(colon + 1);
    if (iequals(scheme, "sip") || iequals(scheme, "sips")) {
        uri.scheme = scheme.size() == 3 ? UriScheme::Sip : UriScheme::Sips;
        if (const auto read = read_sip_uri(rest, uri); !read) return read.error();
        return uri;
    }
    if (iequals(scheme, "tel")) {
        uri.scheme = UriScheme::Tel;
        uri.user = rest.substr(0, rest.find(';'));
        uri.params = rest.substr(uri.user.size());
        if (uri.user.empty()) return Error{Errc::Malformed, "URI: no telephone number"};
        return uri;
    }
    uri.user = rest;
    return uri;
}

bool uris_equal(const Uri& a, const Uri& b) {
    if (a.text == b.text) return true;
    if (a.scheme != b.scheme || !iequals(a.scheme_name, b.scheme_name)) return false;
    if (a.scheme == UriScheme::Other) return a.user == b.user;
    for (const std::string_view params : {a.params, b.params}) {
        if (has_many(params, ';')) return false;
    }
    for (const std::string_view headers : {a.headers, b.headers}) {
        if (has_many(headers, '&')) return false;
    }
    return equal_escaped(a.user, b.user, a.scheme == UriScheme::Tel) &&
           equal_escaped(a.password, b.password, false) && iequals(a.host, b.host) &&
           a.port == b.port && params_agree(a.params, b.params) &&
           params_agree(b.params, a.params) && headers_agree(a.headers, b.headers) &&
           headers_agree(b.headers, a.headers);
}

std::string unescape(std::string_view text) {
    std::string plain;
    plain.reserve(text.size());
    while (!text.empty()) {
        const int octet = escaped_octet(text);
        plain.push_back(octet < 0 ? text.front() : static_cast<char>(octet));
        text.remove_prefix(octet < 0 ? 1 : 3);
    }
    return plain;
}

}  // namespace earshot::sip
