// Packets and keys for the tests of this room.
#pragma once

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/text.h"
#include "srtp/receiver.h"
#include "srtp/sender.h"

namespace earshot::srtp {

inline base::Bytes hex(std::string_view text) {
    base::Bytes bytes;
    std::string digits;
    for (const char c : text)
        if (c != ' ') digits += c;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
    return bytes;
}

inline base::Bytes rtp_packet(std::uint32_t ssrc, std::uint16_t sequence,
                              std::size_t payload_bytes = 160) {
    base::Bytes packet{0x80, 0x00};
    base::append_u16(packet, sequence);
    base::append_u32(packet, 160U * sequence);
    base::append_u32(packet, ssrc);
    for (std::size_t i = 0; i < payload_bytes; ++i)
        packet.push_back(static_cast<std::uint8_t>(sequence + i));
    return packet;
}

// A receiver report without blocks and an SDES.
inline base::Bytes rtcp_packet(std::uint32_t ssrc) {
    base::Bytes packet{0x80, 201, 0, 1};
    base::append_u32(packet, ssrc);
    base::append(packet, hex("81ca0003"));
    base::append_u32(packet, ssrc);
    base::append(packet, hex("0103614062000000"));
    return packet;
}

inline base::Bytes protect_rtp(Sender& sender, const base::Bytes& packet) {
    base::Bytes buffer = packet;
    buffer.resize(packet.size() + sender.rtp_overhead());
    const Outcome outcome = sender.protect_rtp(buffer, packet.size());
    EXPECT_TRUE(outcome) << to_string(outcome ? Fault::Malformed : outcome.error());
    return buffer;
}
inline base::Bytes protect_rtcp(Sender& sender, const base::Bytes& packet) {
    base::Bytes buffer = packet;
    buffer.resize(packet.size() + sender.rtcp_overhead());
    const Outcome outcome = sender.protect_rtcp(buffer, packet.size());
    EXPECT_TRUE(outcome) << to_string(outcome ? Fault::Malformed : outcome.error());
    return buffer;
}

// The plain packet; empty and a fault otherwise. A packet that is refused must not be touched.
struct Taken {
    base::Bytes plain;
    std::optional<Fault> fault;
};
inline Taken take(Receiver& receiver, base::Bytes packet, PacketKind kind = PacketKind::Rtp) {
    const base::Bytes before = packet;
    const Outcome outcome =
        kind == PacketKind::Rtp ? receiver.unprotect_rtp(packet) : receiver.unprotect_rtcp(packet);
    if (!outcome) {
        EXPECT_EQ(packet, before);
        return {{}, outcome.error()};
    }
    packet.resize(*outcome);
    return {packet, std::nullopt};
}

inline MasterKey key_of(Suite suite, std::uint64_t seed = 1, std::string_view mki = {}) {
    base::SeededRandom random(seed);
    const MasterKey key = MasterKey::generate(suite, random);
    return *MasterKey::from(suite, key.material(), base::as_bytes(mki));
}

}  // namespace earshot::srtp
