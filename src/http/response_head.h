// The octets in front of a response's body: status line, the handler's fields, ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "http/message.h"

namespace earshot::http {

struct Framing {
    enum class Kind { Length, Chunked, UntilClose };
    Kind kind = Kind::Length;
    std::uint64_t length = 0;
    bool keep_alive = true;
};

// RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string to_http_date(base::WallTime time);

// The head with the final empty line. Adds Date, the framing and the security fields; a security or
// cache field that the handler set stays as it is. CR and LF in values become spaces.
std::string write_head(const Response& response, const Framing& framing, base::WallTime now);

// Whether a GET that carries If-None-Match need not be sent again (RFC 9110 section 13.1.2).
bool is_not_modified(const Request& request, const Response& response);

}  // namespace earshot::http
