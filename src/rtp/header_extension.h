// Elements of RTP header extensions (RFC 8285), and the audio levels among them: of who sends
// (RFC 6464) and of those whom a mixer mixed (RFC 6465). Pure; borrows the packet's bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "rtp/rtp_packet.h"

namespace earshot::rtp {

inline constexpr std::string_view kClientAudioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
inline constexpr std::string_view kMixerAudioLevel = "urn:ietf:params:rtp-hdrext:csrc-audio-level";

// The first element of that id (1 to 14, in the two-byte form to 255); nullopt: the packet has
// none, or is cut before it. Both forms are told apart by the profile.
std::optional<base::ByteView> find_element(const RtpExtension& extension, std::uint8_t id);

//  |V|   level     |   RFC 6464 section 3; RFC 6465 has a byte like it for each CSRC, without V
struct AudioLevel {
    bool is_voice = false;          // V, where the sender sets it
    std::uint8_t below_dbov = 127;  // 0 is the loudest, 127 silence
};
inline AudioLevel read_audio_level(std::uint8_t octet) {
    return {.is_voice = (octet & 0x80U) != 0,
            .below_dbov = static_cast<std::uint8_t>(octet & 0x7fU)};
}

}  // namespace earshot::rtp
