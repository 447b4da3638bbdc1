// The lines of an SDP being written. Internal to sdp/.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "sdp/payload_type.h"

namespace earshot::sdp {

template <class... Args>
void append_line(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
    out.append("\r\n");
}

// A peer's text as we may send it: control characters, which no parser agrees on, become '?'.
std::string clean(std::string_view text);

// a=rtpmap, for static types too (some peers know only what they are told), and a=fmtp.
void append_payload_type(std::string& out, const PayloadType& type);

}  // namespace earshot::sdp
