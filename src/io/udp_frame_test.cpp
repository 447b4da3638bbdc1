#include "io/udp_frame.h"

#include <gtest/gtest.h>

#include <vector>

namespace earshot::io {
namespace {

// As they came from a network card: an IPv4 packet of 4 bytes with checksums, and its IPv6 sister.
std::vector<std::uint8_t> ipv4_packet() {
    return {0x45, 0x00, 0x00, 0x20, 0x12, 0x34, 0x40, 0x00, 0x40, 0x11, 0xa4,
            0x92, 192,  0,    2,    1,    192,  0,    2,    7,    0x10, 0x68,
            0x4e, 0x20, 0x00, 0x0c, 0,    0,    'r',  't',  'p',  '!'};
}
std::vector<std::uint8_t> ipv6_packet() {
    std::vector<std::uint8_t> packet = {0x60, 0, 0, 0, 0, 12, 17, 64};
    for (const int last : {1, 7}) {
        packet.insert(packet.end(), {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
        packet.push_back(static_cast<std::uint8_t>(last));
    }
    packet.insert(packet.end(), {0x10, 0x68, 0x4e, 0x20, 0x00, 0x0c, 0, 0, 'r', 't', 'p', '!'});
    return packet;
}

std::uint16_t sum(const std::vector<std::uint8_t>& bytes, std::size_t from, std::size_t to,
                  std::uint32_t start = 0) {
    std::uint32_t total = start;
    for (std::size_t i = from; i < to; ++i)
        total += (i - from) % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
    while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
    return static_cast<std::uint16_t>(total);
}
void put(std::vector<std::uint8_t>& bytes, std::size_t at, std::uint16_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}
// Makes the checksums right for what the packet says now.
void sign(std::vector<std::uint8_t>& packet) {
    const bool is_v4 = packet[0] >> 4 == 4;
    const std::size_t udp = is_v4 ? std::size_t{4} * (packet[0] & 15) : 40;
    if (is_v4) {
        put(packet, 10, 0);
        put(packet, 10, static_cast<std::uint16_t>(~sum(packet, 0, udp)));
    }
    put(packet, udp + 6, 0);
    const auto length = static_cast<std::uint32_t>(packet[udp + 4] << 8 | packet[udp + 5]);
    const std::uint32_t pseudo =
        is_v4 ? sum(packet, 12, 20, 17 + length) : sum(packet, 8, 40, 17 + length);
    put(packet, udp + 6, static_cast<std::uint16_t>(~sum(packet, udp, udp + length, pseudo)));
}

TEST(UdpFrame, FindsSourceDestinationAndPayloadOfBothFamilies) {
    for (std::vector<std::uint8_t> packet : {ipv4_packet(), ipv6_packet()}) {
        sign(packet);
        const bool is_v4 = packet[0] >> 4 == 4;
        packet.push_back(0);  // padding of a short Ethernet frame
        const auto frame = parse_udp_frame(packet, true);
        ASSERT_TRUE(frame);
        EXPECT_EQ(base::to_string(frame->source), is_v4 ? "192.0.2.1:4200" : "[2001:db8::1]:4200");
        EXPECT_EQ(base::to_string(frame->destination),
                  is_v4 ? "192.0.2.7:20000" : "[2001:db8::7]:20000");
        EXPECT_EQ(std::string(frame->payload.begin(), frame->payload.end()), "rtp!");
    }
}

// With a payload of an odd length: the last byte counts as if a zero followed (RFC 768).
std::vector<std::uint8_t> with_odd_payload(std::vector<std::uint8_t> packet) {
    packet.push_back('?');
    const bool is_v4 = packet[0] >> 4 == 4;
    put(packet, is_v4 ? 2 : 4, is_v4 ? 33 : 13);
    put(packet, is_v4 ? 24 : 44, 13);
    return packet;
}

TEST(UdpFrame, RefusesAnyChangedBitWhereChecksumsAreVerified) {
    for (std::vector<std::uint8_t> packet :
         {ipv4_packet(), ipv6_packet(), with_odd_payload(ipv4_packet()),
          with_odd_payload(ipv6_packet())}) {
        sign(packet);
        ASSERT_TRUE(parse_udp_frame(packet, true));
        const bool is_v4 = packet[0] >> 4 == 4;
        const std::size_t udp = is_v4 ? 20 : 40;
        for (std::size_t bit = 8 * udp; bit < 8 * packet.size(); ++bit) {
            std::vector<std::uint8_t> changed = packet;
            changed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
            EXPECT_FALSE(parse_udp_frame(changed, true)) << bit;
        }
        // The addresses count as a pseudo header; IPv4's header has a checksum of its own, made
        // right here.
        for (std::size_t bit = is_v4 ? 8U * 12 : 8U * 8; bit < 8 * udp; ++bit) {
            std::vector<std::uint8_t> changed = packet;
            changed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
            if (is_v4) {
                put(changed, 10, 0);
                put(changed, 10, static_cast<std::uint16_t>(~sum(changed, 0, udp)));
            }
            EXPECT_FALSE(parse_udp_frame(changed, true)) << bit;
            EXPECT_TRUE(parse_udp_frame(changed, false)) << bit;
        }
        packet[udp + 9] ^= 1;
        EXPECT_TRUE(parse_udp_frame(packet, false));  // the network card has looked
    }
    std::vector<std::uint8_t> packet = ipv4_packet();
    sign(packet);
    packet[8] ^= 1;  // the header's own checksum counts in any case
    EXPECT_FALSE(parse_udp_frame(packet, false));
}

TEST(UdpFrame, TakesNoChecksumInIPv4AndRefusesItInIPv6) {
    std::vector<std::uint8_t> four = ipv4_packet();
    sign(four);
    put(four, 26, 0);
    EXPECT_TRUE(parse_udp_frame(four, true));
    std::vector<std::uint8_t> six = ipv6_packet();
    EXPECT_FALSE(parse_udp_frame(six, true));
}

TEST(UdpFrame, RefusesEachTruncation) {
    for (std::vector<std::uint8_t> packet : {ipv4_packet(), ipv6_packet()}) {
        sign(packet);
        for (std::size_t size = 0; size < packet.size(); ++size) {
            std::vector<std::uint8_t> cut(packet.begin(),
                                          packet.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_FALSE(parse_udp_frame(cut, false)) << size;
        }
    }
}

TEST(UdpFrame, FollowsIPv4Options) {
    std::vector<std::uint8_t> packet = ipv4_packet();
    packet.insert(packet.begin() + 20, {1, 1, 1, 0});
    packet[0] = 0x46;
    put(packet, 2, 36);
    sign(packet);
    const auto frame = parse_udp_frame(packet, true);
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->destination.port, 20000);
    EXPECT_EQ(frame->payload.size(), 4U);
}

TEST(UdpFrame, LeavesFragmentsAndOtherProtocolsAlone) {
    for (const int fragment : {0x2000, 0x0001, 0x1fff}) {
        std::vector<std::uint8_t> packet = ipv4_packet();
        put(packet, 6, static_cast<std::uint16_t>(fragment));
        sign(packet);
        EXPECT_FALSE(parse_udp_frame(packet, true));
    }
    std::vector<std::uint8_t> tcp = ipv4_packet();
    tcp[9] = 6;
    sign(tcp);
    EXPECT_FALSE(parse_udp_frame(tcp, false));
    std::vector<std::uint8_t> extended = ipv6_packet();
    extended[6] = 44;  // a fragment header
    EXPECT_FALSE(parse_udp_frame(extended, false));
    std::vector<std::uint8_t> strange = ipv4_packet();
    strange[0] = 0x55;
    EXPECT_FALSE(parse_udp_frame(strange, false));
}

}  // namespace
}  // namespace earshot::io
