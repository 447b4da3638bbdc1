#include "rtp/comfort_noise.h"

namespace earshot::rtp {

base::Result<ComfortNoise> parse_comfort_noise(base::ByteView payload) {
    if (payload.empty()) return base::Error{base::Errc::Malformed, "comfort noise: empty"};
    // The highest bit of the level is always 0 (RFC 3389 §3.1); a set one is not worth a refusal.
    return ComfortNoise{.level = static_cast<std::uint8_t>(payload[0] & 0x7f),
                        .coefficients = payload.subspan(1)};
}

}  // namespace earshot::rtp
