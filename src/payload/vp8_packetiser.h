// VP8 frames to RTP payloads (RFC 7741): the other way of vp8.h.
#pragma once

#include <vector>

#include "base/bytes.h"

namespace earshot::payload {

class Vp8Packetiser {
public:
    // Octets of a payload at most, its descriptor of four included.
    explicit Vp8Packetiser(std::size_t max_payload) : max_payload_(max_payload) {}

    // The payloads of a frame, in order and of about the same size; the last one's packet bears the
    // marker. Each has the frame's picture id, so that a receiver sees which frame it lacks.
    std::vector<base::Bytes> packetise(base::ByteView frame);

private:
    const std::size_t max_payload_;
    std::uint16_t picture_id_ = 0;
};

}  // namespace earshot::payload
