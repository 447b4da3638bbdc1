// RTP payload types: what a=rtpmap and a=fmtp say of one, or RFC 3551 section 6 where they are
// silent (an m= line may name a static type without rtpmap).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace earshot::sdp {

struct PayloadType {
    std::uint8_t number = 0;       // 0 to 127
    std::string_view encoding;     // "PCMU"; empty: a dynamic number without rtpmap
    std::uint32_t clock_rate = 0;  // Hz of the RTP timestamp (G722 says 8000 and samples at 16000)
    std::uint16_t channels = 1;
    std::string_view fmtp;    // what follows the number in a=fmtp; empty if none
    bool has_rtpmap = false;  // false: encoding and clock come from the static table
    friend bool operator==(const PayloadType&, const PayloadType&) = default;

    bool is(std::string_view name) const;  // the encoding, compared without case
};

// RFC 3551 tables 4 and 5; empty for unassigned and dynamic numbers. The views are static.
std::optional<PayloadType> static_payload_type(std::uint8_t number);

// "0 PCMU/8000", "96 opus/48000/2": the value of a=rtpmap. Numbers are read strictly.
std::optional<PayloadType> parse_rtpmap(std::string_view value);

}  // namespace earshot::sdp
