// Load runs mark each packet, so that a checker finds every one of them in the finished recording
// and sees a packet that was lost, doubled or put into another call. The first 16 octets of the
// payload, big-endian; the rest is audio.
//
//  | call index u32 | stream u32 (0 party a, 1 party b) | packet counter u64 |
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"

namespace earshot::loadgen {

inline constexpr std::size_t kPayloadKeyBytes = 16;

struct PayloadKey {
    std::uint32_t call = 0;
    std::uint32_t stream = 0;
    std::uint64_t packet = 0;  // from 0, counting sent packets only
    friend bool operator==(const PayloadKey&, const PayloadKey&) = default;
};

// `payload` holds at least kPayloadKeyBytes.
inline void store_key(std::span<std::uint8_t> payload, const PayloadKey& key) {
    const auto store = [payload](std::size_t at, std::uint64_t value, std::size_t size) {
        for (std::size_t i = size; i-- > 0; value >>= 8) {
            payload[at + i] = static_cast<std::uint8_t>(value);
        }
    };
    store(0, key.call, 4);
    store(4, key.stream, 4);
    store(8, key.packet, 8);
}

inline std::optional<PayloadKey> load_key(base::ByteView payload) {
    if (payload.size() < kPayloadKeyBytes) return std::nullopt;
    return PayloadKey{base::load_u32(payload, 0), base::load_u32(payload, 4),
                      base::load_u64(payload, 8)};
}

}  // namespace earshot::loadgen
