#include "payload/vp8_packetiser.h"

#include "payload/payload_test_rig.h"
#include "payload/vp8.h"

namespace earshot::payload {
namespace {

TEST(Vp8Packetiser, MakesWhatTheDepacketiserPutsTogether) {
    Bytes frame = hex("706c009d012a60012001");
    for (std::size_t i = 0; i < 5000; ++i) frame.push_back(static_cast<std::uint8_t>(i * 7));
    Vp8Packetiser packetiser(1200);
    Feeder feeder("VP8");
    for (std::uint32_t time = 1; time < 4; ++time) {
        const auto payloads = packetiser.packetise(frame);
        EXPECT_EQ(payloads.size(), 5U);
        for (std::size_t i = 0; i < payloads.size(); ++i) {
            EXPECT_LE(payloads[i].size(), 1200U);
            EXPECT_EQ(vp8_descriptor_size(payloads[i]), 4U);
            feeder.packet(time, payloads[i], i + 1 == payloads.size());
        }
    }
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 3U);
    for (const auto& unit : units) {
        EXPECT_EQ(unit.bytes, frame);
        EXPECT_FALSE(unit.damaged);
    }
}

TEST(Vp8Packetiser, FillsAPacketToItsEdgeAndBeginsAnotherOnePastIt) {
    Vp8Packetiser packetiser(104);
    EXPECT_EQ(packetiser.packetise(Bytes(100, 1)).size(), 1U);
    EXPECT_EQ(packetiser.packetise(Bytes(101, 1)).size(), 2U);
    EXPECT_TRUE(packetiser.packetise({}).empty());
}

TEST(Vp8Packetiser, CountsPicturesAndBeginsAnewAfter15Bits) {
    Vp8Packetiser packetiser(104);
    EXPECT_EQ(packetiser.packetise(Bytes(1, 1))[0], hex("9080800001"));
    for (int i = 1; i < 0x7fff; ++i) static_cast<void>(packetiser.packetise(Bytes(1, 1)));
    EXPECT_EQ(packetiser.packetise(Bytes(1, 1))[0], hex("9080ffff01"));
    EXPECT_EQ(packetiser.packetise(Bytes(1, 1))[0], hex("9080800001"));
}

}  // namespace
}  // namespace earshot::payload
