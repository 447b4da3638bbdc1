// Comfort noise as RTP payload (RFC 3389 section 3): a noise level, then reflection coefficients,
// valid until the next packet of speech.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace earshot::rtp {

struct ComfortNoise {
    std::uint8_t level = 0;       // 0-127: -dBov
    base::ByteView coefficients;  // one byte each, quantised; borrowed from the payload
};

base::Result<ComfortNoise> parse_comfort_noise(base::ByteView payload);

}  // namespace earshot::rtp
