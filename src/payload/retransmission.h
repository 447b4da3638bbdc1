// Retransmission (RFC 4588): a lost packet comes again under another payload type, and mostly under
// another SSRC, with its own number in front of the payload.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "rtp/rtp_packet.h"

namespace earshot::payload {

struct Retransmitted {
    std::uint16_t sequence = 0;  // of the packet that was lost
    base::ByteView payload;      // borrowed; empty ones are padding of the sender's
};

// Section 4: OSN 16, then the original payload; nothing when it is cut.
std::optional<Retransmitted> parse_retransmission(base::ByteView payload);

// The payload type that a=fmtp's apt names (section 8.1).
std::optional<std::uint8_t> retransmitted_type(std::string_view fmtp);

}  // namespace earshot::payload
