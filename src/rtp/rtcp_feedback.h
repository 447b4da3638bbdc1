// Feedback to a sender of media (RFC 4585, RFC 5104): packets wanted again, a picture that a
// decoder can begin with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "rtp/rtcp.h"

namespace earshot::rtp {

// Each appends one packet to a compound. `ours`: SSRC of who reports; `media`: of the source.

// Generic NACK (RFC 4585 section 6.2.1), for numbers in ascending order (modulo 2^16). What does
// not fit into kMaxNackBlocks is left out; returns how many of them are in.
std::size_t append_nack(std::uint32_t ours, std::uint32_t media,
                        std::span<const std::uint16_t> lost, base::Bytes& out);
// Picture Loss Indication (RFC 4585 section 6.3.1).
void append_pli(std::uint32_t ours, std::uint32_t media, base::Bytes& out);
// Full Intra Request (RFC 5104 section 4.3.1): `number` goes up with each new request.
void append_fir(std::uint32_t ours, std::uint32_t media, std::uint8_t number, base::Bytes& out);

struct FullIntraRequest {
    std::uint32_t ssrc = 0;  // of the source that is asked
    std::uint8_t number = 0;
    friend bool operator==(const FullIntraRequest&, const FullIntraRequest&) = default;
};
// What a packet asks for; all empty when it is no feedback that we know, or is cut.
struct RtcpFeedback {
    std::uint32_t media = 0;          // SSRC; 0 in a FIR
    std::vector<std::uint16_t> lost;  // of a NACK
    bool is_pli = false;
    std::vector<FullIntraRequest> full_intra;

    bool wants_key_frame() const { return is_pli || !full_intra.empty(); }
};
RtcpFeedback parse_feedback(const OtherRtcp& packet);

}  // namespace earshot::rtp
