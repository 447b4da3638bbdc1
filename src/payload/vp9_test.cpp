#include "payload/vp9.h"

#include "payload/payload_test_rig.h"

namespace earshot::payload {
namespace {

const Bytes kKey = hex("824983420015f011f60838");  // 352x288, of libvpx
const Bytes kDelta = hex("8600408092");

TEST(Vp9Descriptor, IsReadInEachForm) {
    const auto size_of = [](const char* bytes) {
        const auto found = parse_vp9_descriptor(hex(bytes));
        return found ? found->size : 0;
    };
    EXPECT_EQ(size_of("0caa"), 1U);
    EXPECT_EQ(size_of("8c11aa"), 2U);        // 7 bits of picture id
    EXPECT_EQ(size_of("8c8011aa"), 3U);      // 15 bits
    EXPECT_EQ(size_of("2c0201aa"), 3U);      // layers and TL0PICIDX
    EXPECT_EQ(size_of("3c02aa"), 2U);        // flexible: without it
    EXPECT_EQ(size_of("5c03030202aa"), 4U);  // three differences, however long the chain says
    EXPECT_EQ(size_of("0e30"
                      "014000f0"
                      "028001e0"
                      "aa"),
              10U);  // two sizes
    EXPECT_EQ(size_of("0e08"
                      "02"
                      "04aa"
                      "00"
                      "aa"),
              6U);  // a group of two pictures
    EXPECT_EQ(size_of(""), 0U);
    for (const char* const cut :
         {"8c", "8c80", "2c", "2c02", "5c03", "0e", "0e30", "0e300140", "0e0802"})
        EXPECT_EQ(size_of(cut), 0U) << cut;
}

TEST(Vp9, PutsTheFrameOfATimestampTogether) {
    Feeder feeder("VP9");
    feeder.packet(1, joined({hex("8811"), hex("8249834200")}));
    feeder.packet(1, joined({hex("8411"), hex("15f011f60838")}), true);
    feeder.packet(2, joined({hex("cc12"), kDelta}), true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_EQ(units[0].bytes, kKey);
    EXPECT_TRUE(units[0].key_frame);
    EXPECT_FALSE(units[0].damaged);
    EXPECT_EQ(units[0].size, (PictureSize{.width = 352, .height = 288}));
    EXPECT_EQ(units[1].bytes, kDelta);
    EXPECT_FALSE(units[1].key_frame);
}

TEST(Vp9, MakesASuperframeOfSpatialLayers) {
    const Bytes upper = hex("86aabb");
    Feeder feeder("VP9");
    // I, L, B, E, V on the first; the structure names 176x144 and 352x288.
    feeder.packet(1, joined({hex("ae11"
                                 "0000"
                                 "3000b000900160"
                                 "0120"),
                             kKey}));
    feeder.packet(1,
                  joined({hex("ac11"
                              "0200"),
                          upper}),
                  true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({kKey, upper, hex("c10b03c1")}));
    EXPECT_EQ(units[0].size, (PictureSize{.width = 352, .height = 288}));
    EXPECT_TRUE(units[0].key_frame);
}

TEST(Vp9, KeepsTheBeginningOfAFrameThatHasAHole) {
    Feeder feeder("VP9");
    feeder.packet(1, joined({hex("8811"), kKey})).lose().packet(1, hex("8411cc"), true);
    feeder.packet(2, joined({hex("cc12"), kDelta}), true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_TRUE(units[0].damaged);
    EXPECT_EQ(units[0].bytes, kKey);
    EXPECT_FALSE(units[1].damaged);
}

TEST(Vp9, APictureOfWhichTheLowestLayerIsMissingIsDamaged) {
    Feeder feeder("VP9");
    feeder.packet(1, joined({hex("8c11"), kKey}), true).lose();
    feeder.packet(2,
                  joined({hex("ac12"
                              "0200"),
                          kDelta}),
                  true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_TRUE(units[1].damaged);
}

TEST(Vp9, SurvivesEachTruncation) {
    try_each_truncation("VP9", "",
                        joined({hex("ae11"
                                    "0000"
                                    "3000b0009001600120"),
                                kKey}));
}

TEST(Vp9, ReadsFrameHeadersOfEachProfile) {
    EXPECT_TRUE(parse_vp9_frame(kKey).is_key);
    EXPECT_FALSE(parse_vp9_frame(kDelta).is_key);
    EXPECT_FALSE(parse_vp9_frame(hex("88")).is_key);  // shows an existing frame
    EXPECT_FALSE(parse_vp9_frame({}).is_key);
    EXPECT_TRUE(parse_vp9_frame(hex("8200000000")).is_key);  // without its sync code
    EXPECT_EQ(parse_vp9_frame(hex("8200000000")).size, std::nullopt);
}

}  // namespace
}  // namespace earshot::payload
