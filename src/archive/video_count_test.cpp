#include "archive/video_count.h"

#include <gtest/gtest.h>

#include "archive/archive_test_rig.h"
#include "rtp/rtp_packet.h"

namespace earshot::archive {
namespace {

const base::Bytes kKey352{0x10, 0x70, 0x6c, 0x00, 0x9d, 0x01, 0x2a, 0x60, 0x01, 0x20, 0x01, 0xaa};
const base::Bytes kKey640{0x10, 0x70, 0x6c, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01, 0xaa};
const base::Bytes kDelta{0x10, 0x71, 0x4c, 0x00, 0xaa};

class VideoSummaryTest : public ArchiveTest {
protected:
    VideoSummaryTest() {
        records_.started();
        records_.event(
            5, R"({"type":"stream_added","stream":0,"label":"3","media":"video",)"
               R"("direction":"sendonly","local_port":4000,"payload_types":[)"
               R"({"pt":96,"encoding":"VP8","clock_rate":90000,"channels":1,"fmtp":""},)"
               R"({"pt":97,"encoding":"rtx","clock_rate":90000,"channels":1,"fmtp":"apt=96"},)"
               R"({"pt":98,"encoding":"H263","clock_rate":90000,"channels":1,"fmtp":""},)"
               R"({"pt":99,"encoding":"red","clock_rate":90000,"channels":1,"fmtp":""},)"
               R"({"pt":100,"encoding":"ulpfec","clock_rate":90000,"channels":1,"fmtp":""}]})");
    }
    // `of_ms`: the time of the picture; -1: when it comes.
    void packet(std::int64_t at_ms, std::uint16_t sequence, const base::Bytes& payload,
                std::uint8_t type = 96, std::uint32_t ssrc = 7, std::int64_t of_ms = -1) {
        base::Bytes rtp;
        rtp::write_rtp({.payload_type = type,
                        .marker = true,
                        .sequence = sequence,
                        .timestamp = static_cast<std::uint32_t>((of_ms < 0 ? at_ms : of_ms) * 90),
                        .ssrc = ssrc},
                       payload, rtp);
        base::Bytes record(journal::kSourceSize);
        base::append(record, rtp);
        records_.add(journal::RecordType::Rtp, at_ms, 0, record);
    }
};

// Key picture 2 and picture 3, of which 3 is lost: its parity comes as WebRTC sends it.
TEST_F(VideoSummaryTest, TellsWhatForwardErrorCorrectionBroughtBack) {
    const auto in_red = [](std::uint8_t type, const base::Bytes& block) {
        base::Bytes out{type};
        base::append(out, block);
        return out;
    };
    base::Bytes fec;
    base::append_u16(fec, 0);  // the same flags twice
    base::append_u16(fec, 2);
    base::append_u32(fec, (140 * 90) ^ (180 * 90));
    base::append_u16(fec, static_cast<std::uint16_t>(kKey352.size() ^ kDelta.size()));
    base::append_u16(fec, static_cast<std::uint16_t>(kKey352.size()));
    base::append_u16(fec, 0xc000);
    for (std::size_t i = 0; i < kKey352.size(); ++i)
        fec.push_back(static_cast<std::uint8_t>(kKey352[i] ^ (i < kDelta.size() ? kDelta[i] : 0)));
    packet(140, 2, in_red(96, kKey352), 99);
    packet(185, 4, in_red(100, fec), 99, 7, 180);
    packet(220, 5, in_red(96, kDelta), 99);
    records_.ended(1000);
    const Summary summary = build();
    const StreamSummary& stream = summary.streams.at(0);
    ASSERT_TRUE(stream.video);
    EXPECT_EQ(stream.video->pictures, 3U);
    EXPECT_EQ(stream.video->damaged, 0U);
    EXPECT_EQ(stream.lost, 0U);
    EXPECT_EQ(stream.recovered, 1U);
    EXPECT_EQ(stream.packets, 3U);  // what is stored is what came
    const auto again = parse_summary(to_stored_json(summary));
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, summary);
}

TEST_F(VideoSummaryTest, CountsPicturesAndTellsEachChangeOfTheirSize) {
    packet(100, 1, kDelta);
    packet(140, 2, kKey352);
    packet(180, 3, kDelta);
    packet(220, 4, kKey640);
    packet(260, 5, kKey640);
    records_.ended(1000);
    const Summary summary = build();
    ASSERT_EQ(summary.streams.size(), 1U);
    const StreamSummary& stream = summary.streams[0];
    EXPECT_EQ(stream.codec, "VP8/90000");
    ASSERT_TRUE(stream.video);
    EXPECT_EQ(stream.video->pictures, 5U);
    EXPECT_EQ(stream.video->key_pictures, 3U);
    EXPECT_EQ(stream.video->damaged, 0U);
    ASSERT_EQ(stream.video->changes.size(), 2U);
    EXPECT_EQ(stream.video->changes[0].width, 352U);
    EXPECT_EQ(stream.video->changes[1].width, 640U);
    EXPECT_EQ(stream.video->changes[1].height, 480U);
    EXPECT_EQ(stream.video->changes[1].at_ms - stream.video->changes[0].at_ms, 80);
    const auto again = parse_summary(to_stored_json(summary));
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, summary);
}

TEST_F(VideoSummaryTest, CountsAPacketThatCameAgainAsNotLost) {
    packet(100, 1, kKey352);
    packet(180, 3, kDelta);
    packet(190, 900, base::Bytes{0, 2, 0x10, 0x71, 0x4c, 0x00, 0xaa}, 97, 8, 140);
    packet(260, 5, kDelta);
    records_.ended(1000);
    const Summary summary = build();
    ASSERT_TRUE(summary.streams[0].video);
    EXPECT_EQ(summary.streams[0].video->pictures, 4U);
    EXPECT_EQ(summary.streams[0].lost, 1U);
    EXPECT_EQ(summary.streams[0].gaps.size(), 1U);  // of the one that never came
    EXPECT_EQ(summary.streams[0].packets, 4U);
}

TEST_F(VideoSummaryTest, TellsNothingOfPicturesThatItCannotRead) {
    packet(100, 1, kDelta, 98);
    records_.ended(1000);
    const Summary summary = build();
    EXPECT_FALSE(summary.streams[0].video);
    EXPECT_EQ(summary.streams[0].packets, 1U);
    const auto again = parse_summary(to_json(summary));
    ASSERT_TRUE(again);
}

}  // namespace
}  // namespace earshot::archive
