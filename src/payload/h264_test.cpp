#include "payload/h264.h"

#include "payload/limits.h"
#include "payload/payload_test_rig.h"

namespace earshot::payload {
namespace {

// Of x264: 320x240; 1920x1080 (cropped); 720x576 in fields; 640x360 with 4:4:4.
const Bytes kSps = hex("6764000cacd94141fb0110000003001000000300a0f142996000");
const Bytes kPps = hex("68ebe3cb22c0");
const Bytes kIdr = hex("65888400");        // first_mb_in_slice 0
const Bytes kIdrSecond = hex("65048400");  // another slice
const Bytes kSlice = hex("41882233");
const Bytes kCode = hex("00000001");

TEST(H264PictureSize, IsReadFromSequenceParameterSets) {
    EXPECT_EQ(h264_picture_size(kSps), (PictureSize{.width = 320, .height = 240}));
    EXPECT_EQ(h264_picture_size(hex("67640028acd940780227e5c044000003000400000300283c60c658")),
              (PictureSize{.width = 1920, .height = 1080}));
    EXPECT_EQ(h264_picture_size(hex("6764001eacd940b424d8088000000300800000190f8a14cb")),
              (PictureSize{.width = 720, .height = 576}));
    EXPECT_EQ(h264_picture_size(hex("67f4001e919b281405ff1380880000030008000003019078b16cb0")),
              (PictureSize{.width = 640, .height = 360}));
    EXPECT_EQ(h264_picture_size(hex("6742c01e")), std::nullopt);
}

TEST(H264PictureSize, IsNotKnownFromASetThatIsCutBeforeIt) {
    std::size_t unknown = 0;
    for (std::size_t size = 0; size < kSps.size(); ++size)
        if (!h264_picture_size(base::ByteView(kSps).first(size))) ++unknown;
    EXPECT_GE(unknown, 9U);
}

TEST(H264, MakesOneUnitOfAllNalUnitsOfATimestamp) {
    Feeder feeder("H264", "packetization-mode=0");
    feeder.packet(900, kSps).packet(900, kPps).packet(900, kIdr).packet(900, kIdrSecond, true);
    feeder.packet(4500, kSlice, true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_EQ(units[0].bytes, joined({kCode, kSps, kCode, kPps, kCode, kIdr, kCode, kIdrSecond}));
    EXPECT_TRUE(units[0].key_frame);
    EXPECT_FALSE(units[0].damaged);
    EXPECT_EQ(units[0].size, (PictureSize{.width = 320, .height = 240}));
    EXPECT_EQ(units[0].timestamp, 900);
    EXPECT_EQ(units[0].first_sequence, 100U);
    EXPECT_EQ(units[0].last_sequence, 103U);
    EXPECT_EQ(units[0].arrival_ns, 900);
    EXPECT_FALSE(units[1].key_frame);
    EXPECT_FALSE(units[1].damaged);
    EXPECT_EQ(units[1].size, std::nullopt);
}

TEST(H264, WritesLengthsWhereTheContainerWantsThem) {
    Feeder feeder("h264", {}, Framing::LengthPrefixed);
    const auto units = feeder.packet(1, kSlice, true).finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({hex("00000004"), kSlice}));
}

TEST(H264, TakesASingleTimeAggregationPacketApart) {
    const Bytes stap = joined({hex("78"), hex("001a"), kSps, hex("0006"), kPps, hex("0004"), kIdr});
    Feeder feeder("H264", "packetization-mode=1");
    const auto units = feeder.packet(1, stap, true).finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({kCode, kSps, kCode, kPps, kCode, kIdr}));
    EXPECT_TRUE(units[0].key_frame);
    EXPECT_FALSE(units[0].damaged);
    try_each_truncation("H264", "packetization-mode=1", stap);
}

TEST(H264, KeepsWhatIsWholeOfAnAggregationPacketThatIsCut) {
    const Bytes stap = joined({hex("78"), hex("0006"), kPps, hex("0009"), kSlice});
    Feeder feeder("H264");
    const auto units = feeder.packet(1, stap, true).finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_TRUE(units[0].damaged);
    EXPECT_EQ(units[0].bytes, joined({kCode, kPps}));
}

TEST(H264, PutsFragmentsTogether) {
    Feeder feeder("H264", "packetization-mode=1");
    feeder.packet(7, hex("7c8588"));  // FU-A: start, IDR
    feeder.packet(7, hex("7c0584"));
    feeder.packet(7, hex("7c4500"), true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({kCode, kIdr}));
    EXPECT_TRUE(units[0].key_frame);
    EXPECT_FALSE(units[0].damaged);
}

TEST(H264, DropsANalUnitOfWhichAFragmentIsMissingAndMarksItsPicture) {
    for (int missing = 0; missing < 3; ++missing) {
        Feeder feeder("H264");
        feeder.packet(1, kSlice, true);
        const Bytes parts[] = {hex("7c8588"), hex("7c0584"), hex("7c4500")};
        for (int i = 0; i < 3; ++i) {
            if (i == missing)
                feeder.lose();
            else
                feeder.packet(7, parts[i], i == 2);
        }
        feeder.packet(9, kSlice, true);
        const auto units = feeder.finish();
        ASSERT_EQ(units.size(), 3U) << missing;
        EXPECT_FALSE(units[0].damaged) << missing;
        EXPECT_TRUE(units[1].damaged) << missing;
        EXPECT_TRUE(units[1].bytes.empty()) << missing;
        EXPECT_FALSE(units[2].damaged) << missing;
        EXPECT_EQ(units[missing == 2 ? 2 : 1].lost_before, missing == 1 ? 0U : 1U) << missing;
    }
}

TEST(H264, AUnitThatBeginsWithALaterSliceAfterALossIsDamaged) {
    Feeder feeder("H264");
    feeder.packet(1, kSlice, true).lose(2).packet(2, kIdrSecond, true);
    feeder.lose(5).packet(3, kSlice, true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 3U);
    EXPECT_FALSE(units[0].damaged);
    EXPECT_TRUE(units[1].damaged);
    EXPECT_EQ(units[1].lost_before, 2U);
    // Here whole pictures are missing; this one is not to blame.
    EXPECT_FALSE(units[2].damaged);
    EXPECT_EQ(units[2].lost_before, 5U);
}

TEST(H264, AUnitWhoseEndWasNotSeenIsDamagedWhenPacketsAreMissing) {
    Feeder feeder("H264");
    feeder.packet(1, kSlice).lose().packet(2, kSlice).packet(3, kSlice);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 3U);
    EXPECT_TRUE(units[0].damaged);
    EXPECT_FALSE(units[1].damaged);  // senders without markers lose nothing by that
    EXPECT_FALSE(units[2].damaged);
}

TEST(H264, PutsTheParameterSetsOfTheDescriptionBeforeAKeyFrameWithoutAny) {
    const std::string fmtp =
        "profile-level-id=64000c;sprop-parameter-sets=" + base::to_base64(kSps) + "," +
        base::to_base64(kPps) + ";packetization-mode=1";
    Feeder feeder("H264", fmtp);
    EXPECT_EQ(feeder.depacketiser().decoder_setup(), joined({kCode, kSps, kCode, kPps}));
    const auto units = feeder.packet(1, kIdr, true).packet(2, kSlice, true).finish();
    ASSERT_EQ(units.size(), 2U);
    EXPECT_EQ(units[0].bytes, joined({kCode, kSps, kCode, kPps, kCode, kIdr}));
    EXPECT_EQ(units[0].size, (PictureSize{.width = 320, .height = 240}));
    EXPECT_EQ(units[1].bytes, joined({kCode, kSlice}));
}

TEST(H264, ParameterSetsUnderATimestampOfTheirOwnBelongToTheNextPicture) {
    Feeder feeder("H264");
    feeder.packet(1, kSps, true).packet(1, kPps, true).packet(5, kIdr, true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].timestamp, 5);
    EXPECT_EQ(units[0].bytes, joined({kCode, kSps, kCode, kPps, kCode, kIdr}));
}

TEST(H264, BringsInterleavedNalUnitsIntoDecodingOrder) {
    const auto stap_b = [](std::uint16_t don, const Bytes& nal) {
        Bytes out = hex("19");
        base::append_u16(out, don);
        base::append_u16(out, static_cast<std::uint16_t>(nal.size()));
        base::append(out, nal);
        return out;
    };
    const Bytes a = hex("658811");
    const Bytes b = hex("418822");
    const Bytes c = hex("418833");
    Feeder feeder("H264", "packetization-mode=2; sprop-interleaving-depth=2");
    feeder.packet(20, stap_b(0, b), true);  // DON goes around between the two
    feeder.packet(10, stap_b(65'535, a), true);
    feeder.packet(30, stap_b(1, c), true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 3U);
    EXPECT_EQ(units[0].bytes, joined({kCode, a}));
    EXPECT_EQ(units[0].timestamp, 10);
    EXPECT_TRUE(units[0].key_frame);
    EXPECT_EQ(units[1].bytes, joined({kCode, b}));
    EXPECT_EQ(units[2].bytes, joined({kCode, c}));
}

TEST(H264, TakesMultiTimeAggregationPacketsApart) {
    // MTAP16: DON base 5, then size, DON difference, timestamp offset, unit.
    const Bytes mtap16 =
        hex("1a0005"
            "0004010bb8"
            "41882233"
            "0004000000"
            "65888400");
    const Bytes mtap24 =
        hex("1b0007"
            "000400000000"
            "41884455");
    Feeder feeder("H264", "packetization-mode=2;sprop-interleaving-depth=1");
    feeder.packet(1000, mtap16).packet(7000, mtap24);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 3U);
    EXPECT_EQ(units[0].timestamp, 1000);
    EXPECT_EQ(units[0].bytes, joined({kCode, kIdr}));
    EXPECT_EQ(units[1].timestamp, 4000);
    EXPECT_EQ(units[1].bytes, joined({kCode, kSlice}));
    EXPECT_EQ(units[2].timestamp, 7000);
    try_each_truncation("H264", "packetization-mode=2", mtap16);
    try_each_truncation("H264", "packetization-mode=2", mtap24);
}

TEST(H264, PutsInterleavedFragmentsTogether) {
    Feeder feeder("H264", "packetization-mode=2;sprop-interleaving-depth=0");
    feeder
        .packet(7, hex("7d850003"
                       "88"))
        .packet(7, hex("7c4584"), true);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_EQ(units[0].bytes, joined({kCode, hex("658884")}));
}

TEST(H264, MarksWhatItDoesNotKnow) {
    for (const char* const payload : {"00", "1e11", "1f11", "78", "7c85", "7c0511", "7800"}) {
        Feeder feeder("H264");
        const auto units = feeder.packet(1, hex(payload), true).finish();
        ASSERT_EQ(units.size(), 1U) << payload;
        EXPECT_TRUE(units[0].damaged) << payload;
    }
}

TEST(H264, PassesOverDuplicatesAndEmptyPayloads) {
    const auto depacketiser = make_depacketiser("H264", "");
    for (const std::uint64_t sequence : {7U, 7U, 6U})
        depacketiser->on_packet({.sequence = sequence, .timestamp = 1, .payload = kSlice});
    depacketiser->on_packet({.sequence = 8, .timestamp = 9, .payload = {}});
    depacketiser->finish();
    const auto unit = depacketiser->poll();
    ASSERT_TRUE(unit);
    EXPECT_EQ(unit->bytes, joined({kCode, kSlice}));
    EXPECT_FALSE(depacketiser->poll());
}

TEST(H264, CutsAUnitThatGrowsPastTheLimit) {
    Bytes big(60'000, 0x41);
    big[1] = 0x88;
    Feeder feeder("H264");
    const std::size_t count = kMaxUnitBytes / big.size() + 2;
    for (std::size_t i = 0; i < count; ++i) feeder.packet(1, big);
    const auto units = feeder.finish();
    ASSERT_EQ(units.size(), 1U);
    EXPECT_TRUE(units[0].damaged);
    EXPECT_LE(units[0].bytes.size(), kMaxUnitBytes);
}

}  // namespace
}  // namespace earshot::payload
