// MSRP URIs (RFC 4975 section 6): msrp://host:port/session-id;tcp, msrps over TLS. A URI that was
// given out names one end of one session, and is a secret: hard to guess, never used again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace earshot::msrp {

struct Uri {
    bool is_secure = false;    // msrps
    std::string host;          // as written; an IPv6 literal without its brackets
    std::uint16_t port = 0;    // 0: none was written, which only a relay's domain may leave out
    std::string session_id;    // as written: compared with case; empty: none
    std::string transport;     // "tcp"
    std::string parameters{};  // what follows the transport, with its first ';'; empty: none
};

// RFC 4975 section 6.1: scheme, host and transport without case, port, session-id with case.
// Userinfo and parameters do not count. Literal addresses are compared as addresses.
bool is_same(const Uri& a, const Uri& b);

// Errors: Malformed (detail: the offset), TooLarge past kMaxUriBytes.
base::Result<Uri> parse_uri(std::string_view text);
std::string to_string(const Uri& uri);

// The value of To-Path, From-Path, Use-Path or a=path: URIs with single spaces between (more are
// taken). Errors: those of parse_uri(), Malformed for an empty path, TooLarge past kMaxPathUris.
base::Result<std::vector<Uri>> parse_path(std::string_view text);
std::string to_string(const std::vector<Uri>& path);

}  // namespace earshot::msrp
