// The lines of an SDP being written. Internal to sdp/.
#pragma once

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdint>
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

// Texts and numbers one after the other, for the lines of which an answer has many: without a
// format string they take a quarter of the time.
inline void append_part(std::string& out, std::string_view text) { out.append(text); }
inline void append_part(std::string& out, std::uint32_t number) {
    std::array<char, 10> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), end);
}
template <class... Parts>
void append_parts(std::string& out, const Parts&... parts) {
    (append_part(out, parts), ...);
}

// A peer's text as we may send it: control characters, which no parser agrees on, become '?'.
std::string clean(std::string_view text);

// a=rtpmap, for static types too (some peers know only what they are told), and a=fmtp.
void append_payload_type(std::string& out, const PayloadType& type);

}  // namespace earshot::sdp
