#include "payload/fec.h"

#include <algorithm>

#include "payload/payload_test_rig.h"
#include "rtp/rtp_packet.h"

namespace earshot::payload {
namespace {

constexpr std::uint32_t kSsrc = 2;

// Media whose octets nobody could guess.
Bytes make_media(std::uint16_t sequence, std::uint32_t timestamp, std::uint8_t type,
                 std::size_t size, std::uint32_t ssrc = kSsrc) {
    Bytes payload(size);
    for (std::size_t i = 0; i < size; ++i)
        payload[i] = static_cast<std::uint8_t>(sequence * 31U + i * 7U + (i >> 5U));
    Bytes packet;
    rtp::write_rtp({.payload_type = type,
                    .marker = sequence % 2 == 1,
                    .sequence = sequence,
                    .timestamp = timestamp,
                    .ssrc = ssrc},
                   payload, packet);
    return packet;
}

// The XOR of whole packets, written apart from the code that is tested: 16 bits of the header, the
// timestamp, the length, and what lies from `from` on in `size` octets.
struct Parity {
    std::uint16_t flags = 0;
    std::uint32_t timestamp = 0;
    std::uint16_t length = 0;
    Bytes octets{};
};
Parity xor_of(const std::vector<Bytes>& packets, std::size_t from, std::size_t size) {
    Parity parity;
    parity.octets.resize(size);
    for (const Bytes& packet : packets) {
        parity.flags ^= base::load_u16(packet, 0);
        parity.timestamp ^= base::load_u32(packet, 4);
        parity.length ^= static_cast<std::uint16_t>(packet.size() - 12);
        for (std::size_t i = 0; i < size && 12 + from + i < packet.size(); ++i)
            parity.octets[i] ^= packet[12 + from + i];
    }
    parity.flags &= 0x3fff;
    return parity;
}

struct Level {
    std::vector<Bytes> packets{};
    std::uint16_t size = 0;
    std::uint64_t mask = 0;  // of 16 or 48 bits
};
Bytes make_ulp(std::uint16_t base, const std::vector<Level>& levels, bool is_long = false) {
    const Parity head = xor_of(levels.front().packets, 0, 0);
    Bytes out;
    base::append_u16(out, head.flags | (is_long ? 0x4000 : 0));
    base::append_u16(out, base);
    base::append_u32(out, head.timestamp);
    base::append_u16(out, head.length);
    std::size_t from = 0;
    for (const Level& level : levels) {
        base::append_u16(out, level.size);
        base::append_u16(out, static_cast<std::uint16_t>(is_long ? level.mask >> 32 : level.mask));
        if (is_long) base::append_u32(out, static_cast<std::uint32_t>(level.mask));
        base::append(out, xor_of(level.packets, from, level.size).octets);
        from += level.size;
    }
    return out;
}

Bytes flex_head(const Parity& parity, std::uint8_t bits = 0) {
    Bytes out;
    base::append_u16(out, static_cast<std::uint16_t>(parity.flags | bits << 8));
    base::append_u16(out, parity.length);
    base::append_u32(out, parity.timestamp);
    return out;
}

std::vector<Bytes> poll_all(FecRecovery& recovery) {
    std::vector<Bytes> all;
    while (auto packet = recovery.poll()) all.push_back(std::move(*packet));
    return all;
}

// Loses each of the packets in turn and expects it back, octet by octet.
void expect_each_back(FecScheme scheme, const std::vector<Bytes>& packets, const Bytes& fec,
                      const std::vector<std::uint32_t>& protects) {
    for (std::size_t lost = 0; lost < packets.size(); ++lost)
        for (const bool is_early : {false, true}) {  // before the media that it covers
            FecRecovery recovery;
            if (is_early) {
                EXPECT_TRUE(recovery.on_fec(scheme, fec, protects));
            }
            for (std::size_t i = 0; i < packets.size(); ++i)
                if (i != lost) recovery.on_media(packets[i]);
            if (!is_early) {
                EXPECT_TRUE(recovery.on_fec(scheme, fec, protects));
            }
            const auto back = poll_all(recovery);
            ASSERT_EQ(back.size(), 1U) << lost;
            EXPECT_EQ(back[0], packets[lost]) << lost;
        }
}

const std::vector<Bytes> kFour{make_media(8, 3, 11, 200), make_media(9, 5, 18, 140),
                               make_media(10, 7, 11, 100), make_media(11, 9, 18, 340)};

// The headers are the RFC's, but for the marker.
TEST(Fec, ExampleOfRfc5109Section10_1) {
    const Bytes fec = make_ulp(8, {{.packets = kFour, .size = 340, .mask = 0xf000}});
    const std::array<std::uint32_t, 1> protects{kSsrc};
    const auto parsed = parse_fec(FecScheme::Ulp, fec, protects);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->timestamp, 8U);
    EXPECT_EQ(parsed->length, 372U);
    ASSERT_EQ(parsed->levels.size(), 1U);
    EXPECT_EQ(parsed->levels[0].covered.size(), 4U);
    EXPECT_EQ(parsed->levels[0].covered.back(), (FecCovered{.ssrc = kSsrc, .sequence = 11}));
    expect_each_back(FecScheme::Ulp, kFour, fec, {kSsrc});
}

TEST(Fec, GivesBackNothingThatCame) {
    FecRecovery recovery;
    for (const Bytes& packet : kFour) recovery.on_media(packet);
    const Bytes fec = make_ulp(8, {{.packets = kFour, .size = 340, .mask = 0xf000}});
    EXPECT_TRUE(recovery.on_fec(FecScheme::Ulp, fec, std::array{kSsrc}));
    EXPECT_TRUE(poll_all(recovery).empty());
}

// Two of four are lost. A second parity, of two, brings one back, and with it the other.
TEST(Fec, GoesOnWithWhatItGotBack) {
    FecRecovery recovery;
    recovery.on_media(kFour[0]);
    recovery.on_media(kFour[3]);
    const Bytes all = make_ulp(8, {{.packets = kFour, .size = 340, .mask = 0xf000}});
    EXPECT_TRUE(recovery.on_fec(FecScheme::Ulp, all, std::array{kSsrc}));
    EXPECT_TRUE(poll_all(recovery).empty());
    const Bytes two = make_ulp(8, {{.packets = {kFour[0], kFour[1]}, .size = 200, .mask = 0xc000}});
    EXPECT_TRUE(recovery.on_fec(FecScheme::Ulp, two, std::array{kSsrc}));
    EXPECT_EQ(poll_all(recovery), (std::vector<Bytes>{kFour[1], kFour[2]}));
}

// Section 10.2: the first 70 octets of two packets, the next 90 of all four.
TEST(Fec, ReadsLevelsAndGivesBackWholePacketsOnly) {
    const std::vector<Bytes> two{kFour[0], kFour[1]};
    const Bytes fec = make_ulp(8, {{.packets = two, .size = 70, .mask = 0xc000},
                                   {.packets = kFour, .size = 90, .mask = 0xf000}});
    for (const std::size_t lost : {0U, 1U}) {
        FecRecovery recovery;
        for (std::size_t i = 0; i < 4; ++i)
            if (i != lost) recovery.on_media(kFour[i]);
        EXPECT_TRUE(recovery.on_fec(FecScheme::Ulp, fec, std::array{kSsrc}));
        const auto back = poll_all(recovery);
        if (lost == 0) {
            EXPECT_TRUE(back.empty());  // 200 octets, of which 160 are protected
        } else {
            ASSERT_EQ(back.size(), 1U);
            EXPECT_EQ(back[0], kFour[1]);  // 140
        }
    }
}

TEST(Fec, ReadsALongMaskAcrossTheWrapOfTheNumbers) {
    std::vector<Bytes> packets;
    std::uint64_t mask = 0;
    for (int i = 0; i < 48; i += 5) {
        packets.push_back(make_media(static_cast<std::uint16_t>(65'520 + i),
                                     static_cast<std::uint32_t>(1000 + i), 96,
                                     static_cast<std::size_t>(60 + i)));
        mask |= std::uint64_t{1} << (47 - i);
    }
    const Bytes fec = make_ulp(65'520, {{.packets = packets, .size = 110, .mask = mask}}, true);
    expect_each_back(FecScheme::Ulp, packets, fec, {kSsrc});
}

// Packets with CSRCs and a header extension are as good as any: what follows the twelve octets is
// payload here.
TEST(Fec, BringsBackExtensionsAndMarkers) {
    Bytes with_more = kFour[1];
    with_more[0] |= 0x11;  // an extension, one CSRC
    const Bytes more = hex("00000063bede00011022aabb");
    with_more.insert(with_more.begin() + 12, more.begin(), more.end());
    const std::vector<Bytes> packets{kFour[0], with_more};
    const Bytes fec = make_ulp(8, {{.packets = packets, .size = 200, .mask = 0xc000}});
    expect_each_back(FecScheme::Ulp, packets, fec, {kSsrc});
}

TEST(Fec, ReadsEachMaskOfFlexFec) {
    struct Case {
        FecScheme scheme;
        std::vector<int> offsets;
        std::string_view mask;
    };
    // K ends the mask where it is 1 in the draft, 0 in RFC 8627.
    const std::vector<Case> cases{{FecScheme::Flex03, {0, 3, 14}, "c801"},  // 1 100 1000 0000 0001
                                  {FecScheme::Flex, {0, 3, 14}, "4801"},
                                  {FecScheme::Flex03, {0, 15, 45}, "4000c0000001"},
                                  {FecScheme::Flex, {0, 15, 45}, "c00040000001"},
                                  {FecScheme::Flex03, {1, 46, 108}, "200000000000c000000000000001"},
                                  {FecScheme::Flex, {1, 46, 109}, "a000800000008000000000000001"}};
    for (const Case& item : cases) {
        std::vector<Bytes> packets;
        for (const int offset : item.offsets)
            packets.push_back(make_media(static_cast<std::uint16_t>(100 + offset),
                                         static_cast<std::uint32_t>(5000 + offset), 96,
                                         static_cast<std::size_t>(50 + offset), 77));
        const Parity parity = xor_of(packets, 0, 180);
        Bytes fec = flex_head(parity);
        if (item.scheme == FecScheme::Flex03) base::append(fec, hex("010000000000004d"));
        base::append(fec, hex("0064"));
        base::append(fec, hex(item.mask));
        base::append(fec, parity.octets);
        expect_each_back(item.scheme, packets, fec, {77});
    }
}

// RFC 8627 section 4.2.2.2: a row of L, and a column of D that lie L apart.
TEST(Fec, ReadsRowsAndColumnsOfFlexFec) {
    for (const bool is_column : {false, true}) {
        std::vector<Bytes> packets;
        for (int i = 0; i < 4; ++i)
            packets.push_back(
                make_media(static_cast<std::uint16_t>(65'530 + i * (is_column ? 6 : 1)),
                           static_cast<std::uint32_t>(9 * i), 96, 80));
        const Parity parity = xor_of(packets, 0, 80);
        Bytes fec = flex_head(parity, 0x40);
        base::append(fec, hex("fffa"));
        base::append(fec, is_column ? hex("0604") : hex("0400"));
        base::append(fec, parity.octets);
        expect_each_back(FecScheme::Flex, packets, fec, {kSsrc});
    }
}

TEST(Fec, ProtectsSeveralSourcesAtOnce) {
    const std::vector<Bytes> packets{make_media(10, 7, 96, 90, 5), make_media(20, 7, 96, 60, 6)};
    const Parity parity = xor_of(packets, 0, 90);
    Bytes fec = flex_head(parity);
    base::append(fec, hex("000a4000"
                          "00144000"));
    base::append(fec, parity.octets);
    expect_each_back(FecScheme::Flex, packets, fec, {5, 6});
}

// A relay that changed the media makes of its parity a packet that nobody sent.
TEST(Fec, InventsNoPacketOfAnotherTime) {
    FecRecovery recovery;
    std::vector<Bytes> changed = kFour;
    changed[0][4] ^= 0x2a;  // its timestamp
    const Bytes fec = make_ulp(8, {{.packets = kFour, .size = 340, .mask = 0xf000}});
    for (std::size_t i = 0; i < 3; ++i) recovery.on_media(changed[i]);
    EXPECT_TRUE(recovery.on_fec(FecScheme::Ulp, fec, std::array{kSsrc}));
    EXPECT_TRUE(poll_all(recovery).empty());
}

TEST(Fec, RefusesEachTruncationOfItsHeader) {
    const Bytes ulp = make_ulp(8, {{.packets = kFour, .size = 40, .mask = 0xf000}});
    for (std::size_t size = 0; size < ulp.size(); ++size)
        EXPECT_FALSE(parse_fec(FecScheme::Ulp, base::ByteView(ulp).first(size), std::array{kSsrc}))
            << size;
    const Bytes draft =
        hex("0000000a00000001"
            "01000000"
            "00000002"
            "0064"
            "0000"
            "00000000"
            "8000000000000001");
    for (std::size_t size = 0; size < draft.size(); ++size)
        EXPECT_FALSE(parse_fec(FecScheme::Flex03, base::ByteView(draft).first(size), {})) << size;
    EXPECT_TRUE(parse_fec(FecScheme::Flex03, draft, {}));
    const Bytes flex =
        hex("0000000a00000001"
            "0064"
            "8000"
            "80000000"
            "0000000000000001");
    for (std::size_t size = 0; size < flex.size(); ++size)
        EXPECT_FALSE(
            parse_fec(FecScheme::Flex, base::ByteView(flex).first(size), std::array{kSsrc}))
            << size;
    EXPECT_TRUE(parse_fec(FecScheme::Flex, flex, std::array{kSsrc}));
}

TEST(Fec, RefusesWhatItDoesNotKnow) {
    Bytes reserved = make_ulp(8, {{.packets = kFour, .size = 40, .mask = 0xf000}});
    reserved[0] |= 0x80;
    EXPECT_FALSE(parse_fec(FecScheme::Ulp, reserved, std::array{kSsrc}));
    EXPECT_FALSE(parse_fec(FecScheme::Flex, hex("8000000a0000000100644000"), std::array{kSsrc}));
    EXPECT_FALSE(parse_fec(FecScheme::Flex, hex("0000000a0000000100644000"), {}));
    EXPECT_FALSE(parse_fec(FecScheme::Flex, hex("4000000a0000000100640004"), std::array{kSsrc}));
    EXPECT_EQ(find_fec_scheme("ULPFEC"), FecScheme::Ulp);
    EXPECT_EQ(find_fec_scheme("flexfec-03"), FecScheme::Flex03);
    EXPECT_EQ(find_fec_scheme("FlexFEC"), FecScheme::Flex);
    EXPECT_EQ(find_fec_scheme("red"), std::nullopt);
}

TEST(Fec, CoversAsManyPacketsAsItMayAndNoMore) {
    FecRecovery recovery;
    // Rows of 255 packets, of one source and of two.
    const Bytes row = hex("4000000a000000010064ff00");
    EXPECT_TRUE(recovery.on_fec(FecScheme::Flex, row, std::array{kSsrc}));
    const Bytes rows = hex("4000000a000000010064ff000064ff00");
    EXPECT_FALSE(recovery.on_fec(FecScheme::Flex, rows, std::array{kSsrc, kSsrc + 1}));
}

TEST(Fec, ForgetsTheOldestThatWait) {
    const auto pair_of = [](std::uint16_t first) {
        return std::vector<Bytes>{make_media(first, first, 96, 20),
                                  make_media(static_cast<std::uint16_t>(first + 1), first, 96, 20)};
    };
    FecRecovery recovery;
    for (std::uint16_t i = 0; i <= kMaxFecWaiting; ++i) {
        const auto first = static_cast<std::uint16_t>(2 * i);
        recovery.on_fec(FecScheme::Ulp,
                        make_ulp(first, {{.packets = pair_of(first), .size = 20, .mask = 0xc000}}),
                        std::array{kSsrc});
    }
    recovery.on_media(pair_of(0)[0]);  // its parity had to go
    EXPECT_TRUE(poll_all(recovery).empty());
    recovery.on_media(pair_of(2)[0]);
    EXPECT_EQ(poll_all(recovery), std::vector<Bytes>{pair_of(2)[1]});
}

TEST(Fec, ForgetsMediaOnceAsManyNewerOnesCame) {
    for (const std::size_t newer : {kMaxFecMedia - 1, kMaxFecMedia}) {
        FecRecovery recovery;
        recovery.on_media(kFour[0]);
        for (std::size_t i = 0; i < newer; ++i)
            recovery.on_media(make_media(static_cast<std::uint16_t>(9 + i), 3, 11, 10));
        const Bytes lost = make_media(7, 1, 11, 50);
        const Bytes fec = make_ulp(7, {{.packets = {lost, kFour[0]}, .size = 200, .mask = 0xc000}});
        EXPECT_TRUE(recovery.on_fec(FecScheme::Ulp, fec, std::array{kSsrc}));
        EXPECT_EQ(poll_all(recovery).size(), newer < kMaxFecMedia ? 1U : 0U) << newer;
    }
}

TEST(Fec, ProtectsASourceThatFollowsManyOthers) {
    constexpr std::uint32_t kLast = kMaxFecSources + 1;
    FecRecovery recovery;
    for (std::uint32_t ssrc = 1; ssrc <= kLast; ++ssrc)
        recovery.on_media(make_media(8, 3, 11, 200, ssrc));
    const Bytes lost = make_media(9, 5, 11, 140, kLast);
    const Bytes fec = make_ulp(
        8, {{.packets = {make_media(8, 3, 11, 200, kLast), lost}, .size = 200, .mask = 0xc000}});
    EXPECT_TRUE(recovery.on_fec(FecScheme::Ulp, fec, std::vector{kLast}));
    const auto back = poll_all(recovery);
    ASSERT_EQ(back.size(), 1U);
    EXPECT_EQ(back[0], lost);
}

}  // namespace
}  // namespace earshot::payload
