// The RTP header (RFC 3550 section 5.1), read and written.
//
//   0                   1                   2                   3
//  |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//  |                           timestamp                           |
//  |                              SSRC                             |
//  |                    CSRC * CC (4 bytes each)                   |
//  |   profile of the extension    |  its length in 4-byte words   |  if X
//  |                     extension, payload, padding               |
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace earshot::rtp {

struct RtpHeader {
    std::uint8_t payload_type = 0;  // 7 bits; its meaning is fixed by the SDP
    bool marker = false;
    std::uint16_t sequence = 0;   // wraps; SequenceTracker extends it to 64 bits
    std::uint32_t timestamp = 0;  // in units of the payload type's clock rate
    std::uint32_t ssrc = 0;
    std::uint8_t csrc_count = 0;
    bool has_extension = false;
    std::size_t size = 0;          // octets before the payload: fixed part, CSRCs, extension
    std::size_t payload_size = 0;  // without the padding; may be 0
};

// Safe on any bytes; keeps no reference to them. Refuses another version, a header that is cut and
// padding that is 0 or longer than what follows the header.
base::Result<RtpHeader> parse_rtp(base::ByteView packet);

// The payload of a packet that parse_rtp() accepted, without padding.
inline base::ByteView rtp_payload(base::ByteView packet, const RtpHeader& header) {
    return packet.subspan(header.size, header.payload_size);
}

// The header extension (RFC 8285): its 16-bit profile and its bytes. Empty when there is none.
struct RtpExtension {
    std::uint16_t profile = 0;
    base::ByteView bytes;
};
RtpExtension rtp_extension(base::ByteView packet, const RtpHeader& header);

// Writes a packet without CSRC, extension or padding; `size` and `payload_size` are not read.
// `out` is overwritten, so that one buffer serves a whole stream.
void write_rtp(const RtpHeader& header, base::ByteView payload, base::Bytes& out);

}  // namespace earshot::rtp
