// L16 (RFC 3551 section 4.5.11): 16-bit samples in network order, channels interleaved.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace earshot::audio {

// Converts min(in / 2, out) samples; a single octet at the end is left out.
inline void decode_l16(base::ByteView in, std::span<std::int16_t> out) {
    const std::size_t count = std::min(in.size() / 2, out.size());
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = static_cast<std::int16_t>(base::load_u16(in, 2 * i));
    }
}

inline void encode_l16(std::span<const std::int16_t> in, std::span<std::uint8_t> out) {
    const std::size_t count = std::min(in.size(), out.size() / 2);
    for (std::size_t i = 0; i < count; ++i) {
        const auto value = static_cast<std::uint16_t>(in[i]);
        out[2 * i] = static_cast<std::uint8_t>(value >> 8);
        out[2 * i + 1] = static_cast<std::uint8_t>(value);
    }
}

}  // namespace earshot::audio
