// The http URLs that the client takes: "http://HOST[:PORT][/path][?query]", HOST a name, an IPv4
// address or an IPv6 address in brackets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace earshot::http {

struct Url {
    std::string host;  // without brackets
    std::string port = "80";
    std::string target = "/";
    std::string authority;  // as given, for the Host field

    friend bool operator==(const Url&, const Url&) = default;
};

std::optional<Url> parse_url(std::string_view text);

}  // namespace earshot::http
