#include "payload/unit_reader.h"

#include "payload/limits.h"
#include "payload/payload_test_rig.h"

namespace earshot::payload {
namespace {

const Bytes kKey = hex("10706c009d012a60012001aabb");
const Bytes kDelta = hex("10714c00aabb");

struct Sent {
    std::uint16_t sequence = 0;
    std::uint32_t timestamp = 0;
    std::uint8_t payload_type = 96;
    std::uint32_t ssrc = 1;
};

class UnitReaderTest : public testing::Test {
protected:
    void send(const Sent& sent, const Bytes& payload) {
        Bytes packet;
        rtp::write_rtp({.payload_type = sent.payload_type,
                        .marker = true,
                        .sequence = sent.sequence,
                        .timestamp = sent.timestamp,
                        .ssrc = sent.ssrc},
                       payload, packet);
        reader.on_rtp(packet, arrival_ns += 1'000'000);
    }
    std::vector<StreamUnit> finish() {
        reader.finish();
        std::vector<StreamUnit> units;
        while (auto unit = reader.poll()) units.push_back(std::move(*unit));
        return units;
    }

    UnitReader reader{{{.payload_type = 96, .encoding = "VP8", .fmtp = ""},
                       {.payload_type = 97, .encoding = "rtx", .fmtp = "apt=96"},
                       {.payload_type = 98, .encoding = "H264", .fmtp = "packetization-mode=1"},
                       {.payload_type = 99, .encoding = "red", .fmtp = ""},
                       {.payload_type = 100, .encoding = "ulpfec", .fmtp = ""}}};
    std::int64_t arrival_ns = 0;
};

TEST_F(UnitReaderTest, FollowsMoreSourcesThanItRemembers) {
    constexpr std::uint32_t kCount = kMaxSources + 1;
    for (std::uint32_t ssrc = 1; ssrc <= kCount; ++ssrc) send({.ssrc = ssrc}, kKey);
    const auto units = finish();
    ASSERT_EQ(units.size(), kCount);
    EXPECT_EQ(units.front().ssrc, 1U);  // it made room
    for (const StreamUnit& unit : units) EXPECT_TRUE(unit.begins_anew);
    EXPECT_EQ(reader.counters().other_types, 0U);
}

TEST_F(UnitReaderTest, BringsPacketsIntoOrderAcrossTheWrapOfTheirNumbers) {
    send({.sequence = 65'534, .timestamp = 0xfffffff0}, kKey);
    send({.sequence = 0, .timestamp = 10}, kDelta);
    send({.sequence = 65'535, .timestamp = 0}, kDelta);
    send({.sequence = 65'535, .timestamp = 0}, kDelta);  // sent twice
    send({.sequence = 1, .timestamp = 20}, kDelta);
    const auto units = finish();
    ASSERT_EQ(units.size(), 4U);
    EXPECT_TRUE(units[0].begins_anew);
    EXPECT_FALSE(units[1].begins_anew);
    for (std::size_t i = 1; i < 4; ++i)
        EXPECT_GT(units[i].unit.timestamp, units[i - 1].unit.timestamp);
    EXPECT_EQ(units[3].unit.timestamp - units[0].unit.timestamp, 36);
    EXPECT_EQ(reader.counters().lost, 0U);
    EXPECT_EQ(reader.counters().duplicates, 1U);
}

TEST_F(UnitReaderTest, CountsWhatNeverCame) {
    send({.sequence = 10, .timestamp = 0}, kKey);
    send({.sequence = 13, .timestamp = 9000}, kDelta);
    const auto units = finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_EQ(units[1].unit.lost_before, 2U);
    EXPECT_EQ(reader.counters().lost, 2U);
}

TEST_F(UnitReaderTest, PutsRetransmittedPacketsInTheirPlace) {
    send({.sequence = 10, .timestamp = 0}, kKey);
    send({.sequence = 12, .timestamp = 6000}, kDelta);
    send({.sequence = 700, .timestamp = 3000, .payload_type = 97, .ssrc = 2},
         joined({hex("000b"), kDelta}));
    const auto units = finish();
    ASSERT_EQ(units.size(), 3U);
    EXPECT_EQ(units[1].unit.timestamp, 3000);
    EXPECT_EQ(units[1].ssrc, 1U);
    EXPECT_EQ(units[1].payload_type, 96);
    EXPECT_EQ(reader.counters().lost, 0U);
    EXPECT_EQ(reader.counters().restored, 1U);
}

TEST_F(UnitReaderTest, RestoresALostPacketFromRedundancy) {
    const auto red = [](const Bytes& before, const Bytes& now) {
        Bytes out;
        base::append_u32(
            out, 0x80000000U | 96U << 24 | 3000U << 10 | static_cast<std::uint32_t>(before.size()));
        out.push_back(96);
        return joined({out, before, now});
    };
    send({.sequence = 10, .timestamp = 0, .payload_type = 99}, red({}, kKey));
    send({.sequence = 12, .timestamp = 6000, .payload_type = 99}, red(kDelta, kDelta));
    send({.sequence = 13, .timestamp = 9000, .payload_type = 99}, hex("60"));  // an empty primary
    const auto units = finish();
    ASSERT_EQ(units.size(), 3U);
    EXPECT_EQ(units[1].unit.timestamp, 3000);
    EXPECT_EQ(reader.counters().restored, 1U);
    EXPECT_EQ(reader.counters().lost, 0U);
}

// Of packets with the header that send() writes.
Bytes ulp_of(std::uint16_t base, const std::vector<std::pair<Sent, Bytes>>& packets) {
    std::uint16_t flags = 0;
    std::uint16_t length = 0;
    std::uint32_t timestamp = 0;
    Bytes parity;
    for (const auto& [sent, payload] : packets) {
        flags ^= static_cast<std::uint16_t>(0x80U | sent.payload_type);
        timestamp ^= sent.timestamp;
        length ^= static_cast<std::uint16_t>(payload.size());
        parity.resize(std::max(parity.size(), payload.size()));
        for (std::size_t i = 0; i < payload.size(); ++i) parity[i] ^= payload[i];
    }
    Bytes out;
    base::append_u16(out, flags);
    base::append_u16(out, base);
    base::append_u32(out, timestamp);
    base::append_u16(out, length);
    base::append_u16(out, static_cast<std::uint16_t>(parity.size()));
    base::append_u16(out, static_cast<std::uint16_t>(0xffff0000U >> packets.size()));
    base::append(out, parity);
    return out;
}

// As WebRTC sends it: media and FEC each alone in RED, under the numbers of one sequence.
TEST_F(UnitReaderTest, RecoversALostPacketFromUlpFecInsideRed) {
    const std::vector<std::pair<Sent, Bytes>> media{
        {{.sequence = 65'534, .timestamp = 0}, kKey},
        {{.sequence = 65'535, .timestamp = 3000}, kDelta},
        {{.sequence = 0, .timestamp = 6000}, joined({kDelta, kDelta})}};
    for (const std::size_t kept : {0U, 2U}) {  // the one between is lost
        Sent sent = media[kept].first;
        sent.payload_type = 99;
        send(sent, joined({hex("60"), media[kept].second}));
    }
    send({.sequence = 1, .timestamp = 6000, .payload_type = 99},
         joined({hex("64"), ulp_of(65'534, media)}));
    send({.sequence = 2, .timestamp = 9000, .payload_type = 99}, joined({hex("60"), kDelta}));
    const auto units = finish();
    ASSERT_EQ(units.size(), 4U);
    for (std::size_t i = 0; i < units.size(); ++i) {
        EXPECT_EQ(units[i].unit.timestamp - units[0].unit.timestamp,
                  static_cast<std::int64_t>(3000 * i));
        EXPECT_EQ(units[i].unit.lost_before, 0U);
        EXPECT_FALSE(units[i].unit.damaged);
    }
    EXPECT_EQ(reader.counters().recovered, 1U);
    EXPECT_EQ(reader.counters().restored, 0U);
    EXPECT_EQ(reader.counters().lost, 0U);
}

TEST_F(UnitReaderTest, RecoversH264) {
    const Bytes key = hex("658884aabbcc");
    const Bytes delta = hex("419a22334455");
    const std::vector<std::pair<Sent, Bytes>> media{
        {{.sequence = 10, .timestamp = 0, .payload_type = 98}, key},
        {{.sequence = 11, .timestamp = 3000, .payload_type = 98}, delta}};
    send({.sequence = 10, .timestamp = 0, .payload_type = 99}, joined({hex("62"), key}));
    send({.sequence = 12, .timestamp = 3000, .payload_type = 99},
         joined({hex("64"), ulp_of(10, media)}));
    const auto units = finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_EQ(units[1].unit.bytes, joined({hex("00000001"), delta}));
    EXPECT_EQ(reader.counters().recovered, 1U);
}

// RFC 5109 section 14.2: sound, and in the same packet, as its redundancy, FEC of the two before.
TEST(UnitReader, RecoversSoundFromFecBesideIt) {
    UnitReader reader({{.payload_type = 0, .encoding = "PCMU", .clock_rate = 8000, .fmtp = ""},
                       {.payload_type = 99, .encoding = "red", .fmtp = ""},
                       {.payload_type = 100, .encoding = "ulpfec", .fmtp = ""}});
    const auto sound = [](std::uint8_t seed) {
        Bytes payload(160);
        for (std::size_t i = 0; i < payload.size(); ++i)
            payload[i] = static_cast<std::uint8_t>(seed + i * 5);
        return payload;
    };
    const auto sent = [](std::uint16_t number) {
        return Sent{.sequence = number, .timestamp = 160U * number, .payload_type = 0};
    };
    for (std::uint16_t number = 10; number < 20; ++number) {
        if (number == 13 || number == 16) continue;  // never comes
        Bytes payload;
        if (number % 2 == 0 && number > 10) {
            const auto first = static_cast<std::uint16_t>(number - 2);
            const auto second = static_cast<std::uint16_t>(number - 1);
            const Bytes fec =
                ulp_of(first, {{sent(first), sound(static_cast<std::uint8_t>(first))},
                               {sent(second), sound(static_cast<std::uint8_t>(second))}});
            base::append_u32(payload,
                             0x80000000U | 100U << 24U | static_cast<std::uint32_t>(fec.size()));
            payload.push_back(0);
            base::append(payload, fec);
        } else {
            payload.push_back(0);
        }
        base::append(payload, sound(static_cast<std::uint8_t>(number)));
        Bytes packet;
        rtp::write_rtp({.payload_type = 99,
                        .marker = true,
                        .sequence = number,
                        .timestamp = 160U * number,
                        .ssrc = 1},
                       payload, packet);
        reader.on_rtp(packet, number * 20'000'000LL);
    }
    reader.finish();
    std::vector<StreamUnit> units;
    while (auto unit = reader.poll()) units.push_back(std::move(*unit));
    // 13 stands in the FEC of 14; 16, and the FEC in it, in that of 18.
    ASSERT_EQ(units.size(), 10U);
    for (std::size_t i = 0; i < units.size(); ++i)
        EXPECT_EQ(units[i].unit.bytes, sound(static_cast<std::uint8_t>(10 + i))) << i;
    EXPECT_EQ(reader.counters().recovered, 2U);
    EXPECT_EQ(reader.counters().lost, 0U);
}

// FlexFEC has an SSRC of its own, and says whose packets it is the parity of.
TEST(UnitReader, RecoversALostPacketFromFlexFec) {
    UnitReader reader({{.payload_type = 96, .encoding = "VP8", .fmtp = ""},
                       {.payload_type = 101, .encoding = "flexfec-03", .fmtp = ""}});
    const auto send = [&](const Sent& sent, const Bytes& payload) {
        Bytes packet;
        rtp::write_rtp({.payload_type = sent.payload_type,
                        .marker = true,
                        .sequence = sent.sequence,
                        .timestamp = sent.timestamp,
                        .ssrc = sent.ssrc},
                       payload, packet);
        reader.on_rtp(packet, 1'000'000LL * sent.sequence);
    };
    send({.sequence = 10, .timestamp = 0}, kKey);
    send({.sequence = 12, .timestamp = 6000}, kDelta);
    // Of 10 and 11: 0xe0 ^ 0xe0, lengths 13 ^ 6, timestamps 0 ^ 3000.
    Bytes fec =
        hex("0000000b00000bb8"
            "01000000"
            "00000001"
            "000a"
            "e000");
    for (std::size_t i = 0; i < kKey.size(); ++i)
        fec.push_back(static_cast<std::uint8_t>(kKey[i] ^ (i < kDelta.size() ? kDelta[i] : 0)));
    send({.sequence = 900, .timestamp = 77, .payload_type = 101, .ssrc = 5}, fec);
    reader.finish();
    std::size_t units = 0;
    while (const auto unit = reader.poll()) {
        EXPECT_EQ(unit->ssrc, 1U);
        EXPECT_EQ(unit->unit.timestamp, static_cast<std::int64_t>(3000 * units));
        ++units;
    }
    EXPECT_EQ(units, 3U);
    EXPECT_EQ(reader.counters().recovered, 1U);
    EXPECT_EQ(reader.counters().lost, 0U);
}

TEST_F(UnitReaderTest, ChangesTheDepacketiserWithThePayloadType) {
    send({.sequence = 1, .timestamp = 0}, kKey);
    send({.sequence = 2, .timestamp = 3000, .payload_type = 100}, hex("00"));  // FEC between
    send({.sequence = 3, .timestamp = 3000}, kDelta);
    send({.sequence = 4, .timestamp = 6000, .payload_type = 98}, hex("658884"));
    const auto units = finish();
    ASSERT_EQ(units.size(), 3U);
    EXPECT_EQ(units[1].unit.lost_before, 0U);
    EXPECT_FALSE(units[1].unit.damaged);
    EXPECT_EQ(units[2].payload_type, 98);
    EXPECT_TRUE(units[2].unit.key_frame);
    EXPECT_FALSE(units[2].begins_anew);  // one source, one clock
    EXPECT_EQ(reader.counters().other_types, 1U);
}

TEST_F(UnitReaderTest, TellsThatASenderBeganAnew) {
    send({.sequence = 1, .timestamp = 0}, kKey);
    send({.sequence = 30'000, .timestamp = 77}, kKey);  // a far one alone says nothing
    send({.sequence = 30'001, .timestamp = 3077}, kKey);
    send({.sequence = 30'002, .timestamp = 6077}, kDelta);
    send({.sequence = 9, .timestamp = 5, .ssrc = 8}, kKey);
    const auto units = finish();
    ASSERT_EQ(units.size(), 4U);
    EXPECT_TRUE(units[1].begins_anew);
    EXPECT_EQ(units[1].unit.lost_before, 0U);
    EXPECT_TRUE(units[3].begins_anew);
    EXPECT_EQ(units[3].ssrc, 8U);
    EXPECT_EQ(reader.counters().lost, 0U);
}

TEST_F(UnitReaderTest, CountsWhatItCannotRead) {
    reader.on_rtp(hex("00"), 1);
    send({.sequence = 1, .timestamp = 0, .payload_type = 97}, hex("00"));
    send({.sequence = 1, .timestamp = 0, .payload_type = 99}, hex("ff"));
    send({.sequence = 1, .timestamp = 0, .payload_type = 50}, hex("ff"));
    EXPECT_TRUE(finish().empty());
    EXPECT_EQ(reader.counters().unreadable, 3U);
    EXPECT_EQ(reader.counters().other_types, 1U);
}

}  // namespace
}  // namespace earshot::payload
