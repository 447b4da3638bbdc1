// How packets of media are told apart: each names its call, its stream and its number, and so does
// the record of it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "loadgen/keyed_payload.h"
#include "network.h"
#include "rtp/rtp_packet.h"

namespace earshot::simulation {

inline constexpr milliseconds kPacketTime{40};

// The number of no call: forged packets bear it.
inline constexpr std::uint32_t kForged = 0xffffffff;

inline base::Bytes make_packet(std::uint32_t ssrc, std::uint16_t sequence, std::uint32_t timestamp,
                               const loadgen::PayloadKey& key) {
    std::array<std::uint8_t, loadgen::kPayloadKeyBytes> payload{};
    loadgen::store_key(payload, key);
    rtp::RtpHeader header;
    header.sequence = sequence;
    header.timestamp = timestamp;
    header.ssrc = ssrc;
    base::Bytes packet;
    rtp::write_rtp(header, payload, packet);
    return packet;
}

inline std::optional<loadgen::PayloadKey> key_of(base::ByteView packet) {
    const auto header = rtp::parse_rtp(packet);
    if (!header) return std::nullopt;
    return loadgen::load_key(rtp::rtp_payload(packet, *header));
}

}  // namespace earshot::simulation
