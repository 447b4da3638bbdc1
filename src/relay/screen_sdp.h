// A shared screen in a session description: `m=application PORT TCP RFB` (docs/screen-sharing.md).
// To the media plane behind us such a line is shown as the video that the recording client makes of
// it, so that all the plane does for a recorded stream it does for a screen. Text in, text out;
// other lines stay byte for byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/net_address.h"
#include "sdp/session_description.h"

namespace earshot::relay {

inline constexpr std::uint8_t kScreenPayloadType = 96;

enum class ScreenLine : std::uint8_t { None, Plain, Encrypted };
ScreenLine screen_line(const sdp::MediaDescription& medium);  // None also of a refused line

// RFC 4145: who opens the connection.
enum class Setup : std::uint8_t { Active, Passive, ActPass, HoldConnection };
Setup setup_of(const sdp::SessionDescription& sdp, const sdp::MediaDescription& medium);
// a=rfb:kind=..., as the metadata's sharing element has it: screen, application, document.
std::string sharing_kind(const sdp::SessionDescription& sdp, const sdp::MediaDescription& medium);

// What is shown to the plane instead.
struct ScreenVideo {
    base::NetAddress rtp;
    std::uint16_t rtcp_port = 0;
    sdp::Direction direction = sdp::Direction::Inactive;
    std::string content;  // a=content; empty: none
    std::string title;    // i=; empty: none
};
std::string write_section(const ScreenVideo& video);
// The line as a party said it, with our port and address; the port of who connects to us (9, RFC
// 4145 section 4.1) stays.
std::string told_section(std::string_view section, const base::NetAddress& ours, bool keeps_port);

// The text from the m= line with this number to the next one; nothing when there is no such line.
std::optional<std::string_view> find_section(std::string_view sdp, std::size_t line);
// `section` instead of it.
std::string with_section(std::string_view sdp, std::size_t line, std::string_view section);

}  // namespace earshot::relay
