#include "payload/unit_reader.h"

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
