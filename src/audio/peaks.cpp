#include "audio/peaks.h"

#include <algorithm>

namespace earshot::audio {

// Every sample of every call comes by here: written so that the compiler takes eight at a time
// (this file is compiled with -O3; std::minmax_element's comparisons forbid it).
Peak find_peak(std::span<const std::int16_t> samples) {
    Peak peak;
    for (const std::int16_t sample : samples) {
        peak.low = std::min(peak.low, sample);
        peak.high = std::max(peak.high, sample);
    }
    return peak;
}

namespace {

// G.711 in the order of what it stands for, as numbers from 0: both laws have the sign in the first
// bit, 1 of what is positive, and the magnitude behind it, mu-law upside down.
constexpr std::uint8_t kAllOnes = 0x7f;
constexpr std::uint8_t to_order(std::uint8_t octet, std::uint8_t flip, std::uint8_t flipped_sign) {
    const std::uint8_t bits = octet ^ flip;
    const auto mask = static_cast<std::uint8_t>((bits & 0x80) == flipped_sign ? kAllOnes : 0);
    return bits ^ mask;
}

}  // namespace

Peak find_peak(G711Law law, base::ByteView octets) {
    const bool is_mu = law == G711Law::Mu;
    const std::uint8_t flip = is_mu ? 0 : 0x55;
    const std::uint8_t flipped_sign = is_mu ? 0x80 : 0;  // whose magnitude runs downwards
    std::uint8_t low = 0xff;
    std::uint8_t high = 0;
    for (const std::uint8_t octet : octets) {
        const std::uint8_t order = to_order(octet, flip, flipped_sign);
        low = std::min(low, order);
        high = std::max(high, order);
    }
    if (octets.empty()) return {};
    const auto decode = [&](std::uint8_t order) {
        const auto octet = static_cast<std::uint8_t>(to_order(order, 0, flipped_sign) ^ flip);
        return is_mu ? decode_mu_law(octet) : decode_a_law(octet);
    };
    return {.low = std::min<std::int16_t>(decode(low), 0),
            .high = std::max<std::int16_t>(decode(high), 0)};
}

}  // namespace earshot::audio
