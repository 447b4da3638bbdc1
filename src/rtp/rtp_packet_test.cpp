#include "rtp/rtp_packet.h"

#include <gtest/gtest.h>

#include "rtp/demux.h"

namespace earshot::rtp {
namespace {

using base::Bytes;

Bytes packet_with_all() {
    Bytes p{0xb2, 0x88, 0xff, 0xfe, 0x00, 0x00, 0x10, 0x00, 0xde, 0xad, 0xbe, 0xef};  // P, X, CC=2
    base::append_u32(p, 0x11111111);
    base::append_u32(p, 0x22222222);
    base::append_u16(p, 0xbede);
    base::append_u16(p, 1);
    base::append_u32(p, 0x10ff0000);
    p.insert(p.end(), {1, 2, 3, 4, 0, 0, 0, 4});  // payload, 4 octets of padding
    return p;
}

TEST(RtpPacket, ReadsEveryField) {
    const Bytes p = packet_with_all();
    const auto header = parse_rtp(p);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->payload_type, 8);
    EXPECT_TRUE(header->marker);
    EXPECT_EQ(header->sequence, 0xfffe);
    EXPECT_EQ(header->timestamp, 0x1000U);
    EXPECT_EQ(header->ssrc, 0xdeadbeefU);
    EXPECT_EQ(header->csrc_count, 2);
    EXPECT_EQ(header->size, 28U);
    EXPECT_EQ(header->payload_size, 4U);
    const auto payload = rtp_payload(p, *header);
    EXPECT_EQ(Bytes(payload.begin(), payload.end()), (Bytes{1, 2, 3, 4}));
    const auto extension = rtp_extension(p, *header);
    EXPECT_EQ(extension.profile, 0xbede);
    EXPECT_EQ(extension.bytes.size(), 4U);
}

TEST(RtpPacket, RefusesEachTruncationOfTheHeader) {
    const Bytes p = packet_with_all();
    for (std::size_t size = 0; size < 28; ++size) {
        EXPECT_FALSE(parse_rtp(base::ByteView(p).first(size))) << size;
    }
}

TEST(RtpPacket, RefusesAnExtensionPastTheEnd) {
    Bytes p = packet_with_all();
    p[0] = 0x92;  // no padding
    p[23] = 3;    // words: all that there is
    EXPECT_TRUE(parse_rtp(p));
    p[23] = 4;
    EXPECT_FALSE(parse_rtp(p));
}

TEST(RtpPacket, RefusesPaddingOfNoneOrOfMoreThanThePayload) {
    Bytes p = packet_with_all();
    p.back() = 8;  // all of the payload: legal
    ASSERT_TRUE(parse_rtp(p));
    EXPECT_EQ(parse_rtp(p)->payload_size, 0U);
    p.back() = 9;
    EXPECT_FALSE(parse_rtp(p));
    p.back() = 0;
    EXPECT_FALSE(parse_rtp(p));
}

TEST(RtpPacket, RefusesAnotherVersion) {
    Bytes p = packet_with_all();
    for (const int version : {0, 1, 3}) {
        p[0] = static_cast<std::uint8_t>((p[0] & 0x3f) | version << 6);
        EXPECT_FALSE(parse_rtp(p));
    }
}

TEST(RtpPacket, WritesWhatItReads) {
    const RtpHeader sent{.payload_type = 101,
                         .marker = true,
                         .sequence = 65530,
                         .timestamp = 0xfffffff0,
                         .ssrc = 0x01020304};
    Bytes p{9, 9, 9};
    write_rtp(sent, Bytes{5, 6}, p);
    const auto read = parse_rtp(p);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->payload_type, sent.payload_type);
    EXPECT_EQ(read->marker, sent.marker);
    EXPECT_EQ(read->sequence, sent.sequence);
    EXPECT_EQ(read->timestamp, sent.timestamp);
    EXPECT_EQ(read->ssrc, sent.ssrc);
    EXPECT_EQ(read->payload_size, 2U);
    EXPECT_FALSE(read->has_extension);
    EXPECT_TRUE(rtp_extension(p, *read).bytes.empty());
}

TEST(Demux, FollowsRfc7983Section7) {
    struct Case {
        Bytes first;
        PacketKind kind;
    };
    const std::vector<Case> cases{
        {{}, PacketKind::Unknown},       {{0}, PacketKind::Stun},
        {{3}, PacketKind::Stun},         {{4}, PacketKind::Unknown},
        {{15}, PacketKind::Unknown},     {{16}, PacketKind::Zrtp},
        {{19}, PacketKind::Zrtp},        {{20}, PacketKind::Dtls},
        {{63}, PacketKind::Dtls},        {{64}, PacketKind::TurnChannel},
        {{79}, PacketKind::TurnChannel}, {{80}, PacketKind::Unknown},
        {{127, 0}, PacketKind::Unknown}, {{128, 0}, PacketKind::Rtp},
        {{128}, PacketKind::Unknown},    {{191, 191}, PacketKind::Rtp},
        {{128, 192}, PacketKind::Rtcp},  {{128, 200}, PacketKind::Rtcp},
        {{128, 223}, PacketKind::Rtcp},  {{128, 224}, PacketKind::Rtp},
        {{192, 0}, PacketKind::Unknown},
    };
    for (const Case& c : cases)
        EXPECT_EQ(classify(c.first), c.kind) << testing::PrintToString(c.first);
}

}  // namespace
}  // namespace earshot::rtp
