#include "payload/vp8.h"

#include "payload/payload_test_rig.h"

namespace earshot::payload {
namespace {

const Bytes kKey = hex("706c009d012a60012001aabb");  // 352x288, of libvpx
const Bytes kDelta = hex("714c00aabb");

TEST(Vp8, ReadsItsDescriptorInEachForm) {
    EXPECT_EQ(vp8_descriptor_size(hex("10aa")), 1U);
    EXPECT_EQ(vp8_descriptor_size(hex("908011aa")), 3U);        // 7 bits of picture id
    EXPECT_EQ(vp8_descriptor_size(hex("90808011aa")), 4U);      // 15 bits
    EXPECT_EQ(vp8_descriptor_size(hex("90f080110102aa")), 6U);  // TL0PICIDX, TID and KEYIDX
    EXPECT_EQ(vp8_descriptor_size(hex("901001aa")), 3U);        // K alone
    EXPECT_EQ(vp8_descriptor_size(hex("")), std::nullopt);
    for (const char* const cut : {"90", "9080", "908080", "90f0801101"})
        EXPECT_EQ(vp8_descriptor_size(hex(cut)), std::nullopt) << cut;
}

TEST(Vp8, PutsTheFrameOfATimestampTogether) {
    Feeder feeder("VP8");
    feeder.packet(1, joined({hex("10"), hex("706c009d012a")}));
    feeder.packet(1, joined({hex("00"), hex("60012001aabb")}), true);
    feeder.packet(2, joined({hex("90801c"), kDelta}), true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_EQ(units[0].bytes, kKey);
    EXPECT_TRUE(units[0].key_frame);
    EXPECT_FALSE(units[0].damaged);
    EXPECT_EQ(units[0].size, (PictureSize{.width = 352, .height = 288}));
    EXPECT_EQ(units[1].bytes, kDelta);
    EXPECT_FALSE(units[1].key_frame);
    EXPECT_EQ(units[1].size, std::nullopt);
}

TEST(Vp8, KeepsTheBeginningOfAFrameThatHasAHole) {
    Feeder feeder("VP8");
    feeder.packet(1, joined({hex("10"), kKey}))
        .lose()
        .packet(1, hex("00cc"))
        .packet(1, hex("00dd"));
    feeder.packet(2, joined({hex("10"), kDelta}), true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_TRUE(units[0].damaged);
    EXPECT_EQ(units[0].bytes, kKey);
    EXPECT_FALSE(units[1].damaged);
}

TEST(Vp8, AFrameWithoutItsBeginningIsEmptyAndDamaged) {
    Feeder feeder("VP8");
    const auto units = feeder.packet(1, hex("00cc")).packet(1, hex("00dd"), true).finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_TRUE(units[0].damaged);
    EXPECT_TRUE(units[0].bytes.empty());
    EXPECT_FALSE(units[0].key_frame);
}

TEST(Vp8, SurvivesEachTruncation) {
    try_each_truncation("VP8", "", joined({hex("90f080110102"), kKey}));
}

TEST(Vp8, AKeyFrameWithoutStartCodeIsDamaged) {
    Feeder feeder("VP8");
    const auto units = feeder.packet(1, hex("10706c00000000600120"), true).finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_TRUE(units[0].damaged);
}

}  // namespace
}  // namespace earshot::payload
