#include "payload/av1.h"

#include "payload/payload_test_rig.h"

namespace earshot::payload {
namespace {

// Of libaom, 352x288, with the size fields that RTP leaves out.
const Bytes kSequence = hex("0a0b00000004457e3e6d7c8020");
const Bytes kSequenceBare = hex("0800000004457e3e6d7c8020");
const Bytes kFrameBare =
    hex("30"
        "1400a0b0");  // OBU_FRAME, key frame
const Bytes kFrame =
    hex("3204"
        "1400a0b0");
const Bytes kInterBare =
    hex("30"
        "34001122");
const Bytes kInter =
    hex("3204"
        "34001122");

TEST(Av1, TellsTheSizeOfItsSequenceHeader) {
    const auto sequence = parse_av1_sequence(base::ByteView(kSequence).subspan(2));
    ASSERT_TRUE(sequence);
    EXPECT_EQ(sequence->largest, (PictureSize{.width = 352, .height = 288}));
    EXPECT_FALSE(sequence->is_reduced);
    EXPECT_FALSE(parse_av1_sequence(base::ByteView(kSequence).subspan(2, 5)));
}

TEST(Av1, MakesATemporalUnitOfElementsWithAndWithoutTheirSize) {
    // W = 2: the last one has no size. W = 0: each has.
    for (const Bytes& packet : {joined({hex("28"
                                            "0c"),
                                        kSequenceBare, kFrameBare}),
                                joined({hex("08"
                                            "0c"),
                                        kSequenceBare, hex("05"), kFrameBare})}) {
        Feeder feeder("AV1");
        feeder.packet(1, packet, true).packet(2, joined({hex("10"), kInterBare}), true);
        const auto units = feeder.finish();
        ASSERT_EQ(units.size(), 2U);
        EXPECT_EQ(units[0].bytes, joined({kSequence, kFrame}));
        EXPECT_TRUE(units[0].key_frame);
        EXPECT_FALSE(units[0].damaged);
        EXPECT_EQ(units[0].size, (PictureSize{.width = 352, .height = 288}));
        EXPECT_EQ(units[1].bytes, kInter);
        EXPECT_FALSE(units[1].key_frame);
        EXPECT_EQ(feeder.depacketiser().decoder_setup(), kSequence);
        try_each_truncation("AV1", "", packet);
    }
}

TEST(Av1, PutsFragmentsTogether) {
    Feeder feeder("AV1");
    feeder.packet(1, joined({hex("68"
                                 "0c"),
                             kSequenceBare, hex("301400")}));  // Y
    feeder.packet(1, hex("d0"
                         "a0"));  // Z and Y
    feeder.packet(1,
                  hex("90"
                      "b0"),
                  true);  // Z
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({kSequence, kFrame}));
    EXPECT_FALSE(units[0].damaged);
}

TEST(Av1, DropsAnObuOfWhichAFragmentIsMissing) {
    Feeder feeder("AV1");
    feeder.packet(1, joined({hex("68"
                                 "0c"),
                             kSequenceBare, hex("301400")}));
    feeder.lose().packet(1, hex("90b0"), true);
    feeder.packet(2, joined({hex("10"), kInterBare}), true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_EQ(units[0].bytes, kSequence);
    EXPECT_TRUE(units[0].damaged);
    EXPECT_FALSE(units[1].damaged);
}

TEST(Av1, AFragmentThatIsNeverContinuedDamagesItsUnit) {
    Feeder feeder("AV1");
    feeder.packet(1, hex("50301400")).packet(2, joined({hex("10"), kInterBare}), true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_TRUE(units[0].damaged);
    EXPECT_FALSE(units[1].damaged);
}

TEST(Av1, LeavesOutTemporalDelimitersAndKeepsSizesThatAreThere) {
    Feeder feeder("AV1");
    const auto units = feeder
                           .packet(1,
                                   joined({hex("00"
                                               "02"
                                               "1200"
                                               "06"),
                                           kFrame}),
                                   true)
                           .finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, kFrame);
}

TEST(Av1, MarksWhatCannotBeRead) {
    for (const char* const payload :
         {"10", "2005aa", "00ff", "10b000", "90aa", "103209aa", "1034"}) {
        Feeder feeder("AV1");
        const auto units = feeder.packet(1, hex(payload), true).finish();
        ASSERT_EQ(units.size(), 1U) << payload;
        EXPECT_TRUE(units[0].damaged) << payload;
    }
}

}  // namespace
}  // namespace earshot::payload
