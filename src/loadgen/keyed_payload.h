// Load runs mark each packet, so that a checker finds every one of them in the finished recording
// and sees a packet that was lost, doubled or put into another call. The first 16 octets of the
// payload, big-endian, of phones (`--through`, `--phones`) 24; the rest is audio.
//
//  | call index u32 | stream u32 (0 party a, 1 party b) | packet counter u64 |
//  | time of sending u64, ns of the wall clock: of phones only |
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

inline void store_big_endian(std::span<std::uint8_t> out, std::uint64_t value) {
    for (std::size_t i = out.size(); i-- > 0; value >>= 8)
        out[i] = static_cast<std::uint8_t>(value);
}

// `payload` holds at least kPayloadKeyBytes.
inline void store_key(std::span<std::uint8_t> payload, const PayloadKey& key) {
    store_big_endian(payload.subspan(0, 4), key.call);
    store_big_endian(payload.subspan(4, 4), key.stream);
    store_big_endian(payload.subspan(8, 8), key.packet);
}

inline std::optional<PayloadKey> load_key(base::ByteView payload) {
    if (payload.size() < kPayloadKeyBytes) return std::nullopt;
    return PayloadKey{base::load_u32(payload, 0), base::load_u32(payload, 4),
                      base::load_u64(payload, 8)};
}

// Behind the key. `payload` holds at least kPayloadKeyBytes + 8.
inline void store_sent_time(std::span<std::uint8_t> payload, std::int64_t ns) {
    store_big_endian(payload.subspan(kPayloadKeyBytes, 8), static_cast<std::uint64_t>(ns));
}

inline std::optional<std::int64_t> load_sent_time(base::ByteView payload) {
    if (payload.size() < kPayloadKeyBytes + 8) return std::nullopt;
    return static_cast<std::int64_t>(base::load_u64(payload, kPayloadKeyBytes));
}

}  // namespace earshot::loadgen
