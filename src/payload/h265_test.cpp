#include "payload/h265.h"

#include "payload/payload_test_rig.h"

namespace earshot::payload {
namespace {

// Of x265, 1920x1080.
const Bytes kVps = hex("40010c01ffff01600000030090000003000003007895980900");
const Bytes kSps =
    hex("420101016000000300900000030000030078a003c08010e596566924caf016808000000300800000030284");
const Bytes kPps = hex("4401c172b46240");
const Bytes kIdr = hex("2601af1122");      // IDR_W_RADL, first slice
const Bytes kIdrNext = hex("26012f1122");  // another slice of it
const Bytes kTrail = hex("0201d01122");
const Bytes kCode = hex("00000001");

Bytes sized(const Bytes& nal) {
    Bytes out;
    base::append_u16(out, static_cast<std::uint16_t>(nal.size()));
    base::append(out, nal);
    return out;
}

TEST(H265PictureSize, IsReadFromSequenceParameterSets) {
    EXPECT_EQ(h265_picture_size(kSps), (PictureSize{.width = 1920, .height = 1080}));
    EXPECT_EQ(h265_picture_size(base::ByteView(kSps).first(20)), std::nullopt);
}

TEST(H265, MakesOneUnitOfAllNalUnitsOfATimestamp) {
    Feeder feeder("H265");
    feeder.packet(1, kVps).packet(1, kSps).packet(1, kPps).packet(1, kIdr).packet(1, kIdrNext,
                                                                                  true);
    feeder.packet(2, kTrail, true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_EQ(units[0].bytes,
              joined({kCode, kVps, kCode, kSps, kCode, kPps, kCode, kIdr, kCode, kIdrNext}));
    EXPECT_TRUE(units[0].key_frame);
    EXPECT_FALSE(units[0].damaged);
    EXPECT_EQ(units[0].size, (PictureSize{.width = 1920, .height = 1080}));
    EXPECT_FALSE(units[1].key_frame);
}

TEST(H265, TakesAnAggregationPacketApart) {
    const Bytes packet = joined({hex("6001"), sized(kVps), sized(kSps), sized(kPps), sized(kIdr)});
    Feeder feeder("H265");
    const auto units = feeder.packet(1, packet, true).finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({kCode, kVps, kCode, kSps, kCode, kPps, kCode, kIdr}));
    EXPECT_FALSE(units[0].damaged);
    try_each_truncation("H265", "", packet);
}

TEST(H265, PutsFragmentsTogether) {
    Feeder feeder("H265");
    feeder.packet(1, hex("6201"
                         "93"
                         "af"));
    feeder.packet(1, hex("6201"
                         "13"
                         "11"));
    feeder.packet(1,
                  hex("6201"
                      "53"
                      "22"),
                  true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({kCode, kIdr}));
    EXPECT_TRUE(units[0].key_frame);
    EXPECT_FALSE(units[0].damaged);
}

TEST(H265, DropsANalUnitOfWhichAFragmentIsMissing) {
    Feeder feeder("H265");
    feeder.packet(1, hex("620193af")).lose().packet(1, hex("62015322"), true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_TRUE(units[0].damaged);
    EXPECT_TRUE(units[0].bytes.empty());
}

TEST(H265, BringsUnitsWithDecodingOrderNumbersIntoOrder) {
    const char* const fmtp = "sprop-max-don-diff=2; sprop-depack-buf-nalus=1";
    // Single units with DONL; then an aggregation packet: DONL, and DOND of the second unit.
    const Bytes late =
        hex("0201"
            "0002"
            "d0aa");
    const Bytes early =
        hex("2601"
            "0001"
            "afbb");
    const Bytes both = joined(
        {hex("6001"), hex("0003"), sized(hex("0201d0cc")), hex("00"), sized(hex("0201d0dd"))});
    Feeder feeder("H265", fmtp);
    feeder.packet(20, late, true).packet(10, early, true).packet(30, both, true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 3U);
    EXPECT_EQ(units[0].bytes, joined({kCode, hex("2601afbb")}));
    EXPECT_EQ(units[1].bytes, joined({kCode, hex("0201d0aa")}));
    EXPECT_EQ(units[2].bytes, joined({kCode, hex("0201d0cc"), kCode, hex("0201d0dd")}));
    try_each_truncation("H265", fmtp, both);
}

TEST(H265, PutsFragmentsWithDecodingOrderNumbersTogether) {
    Feeder feeder("H265", "sprop-max-don-diff=1;sprop-depack-buf-nalus=0");
    feeder
        .packet(1, hex("6201"
                       "93"
                       "0009"
                       "af"))
        .packet(1,
                hex("6201"
                    "53"
                    "22"),
                true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({kCode, hex("2601af22")}));
}

TEST(H265, LooksThroughPayloadContentInformation) {
    // PACI of an IDR (type 19) with one extension of 3 bytes (TSCI).
    const Bytes paci =
        hex("6401"
            "2638"
            "aabbcc"
            "af1122");
    Feeder feeder("H265");
    const auto units = feeder.packet(1, paci, true).finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({kCode, kIdr}));
    EXPECT_FALSE(units[0].damaged);
    try_each_truncation("H265", "", paci);
}

TEST(H265, TakesParameterSetsFromTheDescription) {
    const std::string fmtp = "sprop-vps=" + base::to_base64(kVps) +
                             "; sprop-sps=" + base::to_base64(kSps) +
                             "; sprop-pps=" + base::to_base64(kPps);
    Feeder feeder("H265", fmtp);
    const auto units = feeder.packet(1, kIdr, true).finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({kCode, kVps, kCode, kSps, kCode, kPps, kCode, kIdr}));
    EXPECT_EQ(units[0].size, (PictureSize{.width = 1920, .height = 1080}));
}

TEST(H265, MarksWhatItDoesNotKnow) {
    for (const char* const payload :
         {"26", "2601", "7e0111", "6001", "600100", "620193", "640100"}) {
        Feeder feeder("H265");
        const auto units = feeder.packet(1, hex(payload), true).finish();
        ASSERT_EQ(units.size(), 1U) << payload;
        EXPECT_TRUE(units[0].damaged) << payload;
    }
}

}  // namespace
}  // namespace earshot::payload
