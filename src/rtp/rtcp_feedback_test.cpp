#include "rtp/rtcp_feedback.h"

#include <gtest/gtest.h>

#include "rtp/limits.h"

namespace earshot::rtp {
namespace {

using base::Bytes;

RtcpFeedback read(const Bytes& bytes) {
    const auto packets = parse_rtcp(bytes);
    if (!packets || packets->size() != 1) return {};
    const auto* other = std::get_if<OtherRtcp>(&packets->front());
    return other == nullptr ? RtcpFeedback{} : parse_feedback(*other);
}

TEST(RtcpFeedback, WritesANackAsRfc4585Section6_2_1) {
    const std::vector<std::uint16_t> lost{65'534, 65'535, 0, 14, 15, 200};
    Bytes out;
    EXPECT_EQ(append_nack(0x01020304, 0x0a0b0c0d, lost, out), lost.size());
    const Bytes expected{0x81, 205,  0,    5,    1, 2,  3, 4, 0x0a, 0x0b, 0x0c, 0x0d,
                         0xff, 0xfe, 0x80, 0x03, 0, 15, 0, 0, 0,    200,  0,    0};
    EXPECT_EQ(out, expected);
    const RtcpFeedback found = read(out);
    EXPECT_EQ(found.media, 0x0a0b0c0dU);
    EXPECT_EQ(found.lost, lost);
    EXPECT_FALSE(found.wants_key_frame());
}

TEST(RtcpFeedback, LeavesOutWhatNeedsMoreBlocksThanTheLimit) {
    std::vector<std::uint16_t> lost;
    for (std::size_t i = 0; i < kMaxNackBlocks + 3; ++i)
        lost.push_back(static_cast<std::uint16_t>(i * 100));
    Bytes out;
    EXPECT_EQ(append_nack(1, 2, lost, out), kMaxNackBlocks);
    EXPECT_EQ(read(out).lost.size(), kMaxNackBlocks);
    out.clear();
    EXPECT_EQ(append_nack(1, 2, {}, out), 0U);
    EXPECT_TRUE(out.empty());
}

TEST(RtcpFeedback, WritesPictureLossAndFullIntraRequests) {
    Bytes pli;
    append_pli(1, 2, pli);
    EXPECT_EQ(pli, (Bytes{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2}));
    EXPECT_TRUE(read(pli).is_pli);
    EXPECT_EQ(read(pli).media, 2U);
    Bytes fir;
    append_fir(1, 2, 7, fir);
    EXPECT_EQ(fir, (Bytes{0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 7, 0, 0, 0}));
    EXPECT_EQ(read(fir).full_intra, (std::vector<FullIntraRequest>{{.ssrc = 2, .number = 7}}));
    EXPECT_TRUE(read(fir).wants_key_frame());
}

TEST(RtcpFeedback, ReadsNothingFromOtherOrCutPackets) {
    const OtherRtcp cut{.type = 206, .count = 1, .body = {}};
    EXPECT_FALSE(parse_feedback(cut).wants_key_frame());
    const Bytes body{0, 0, 0, 1, 0, 0, 0, 2, 'R', 'E', 'M', 'B'};
    EXPECT_FALSE(parse_feedback({.type = 206, .count = 15, .body = body}).wants_key_frame());
    EXPECT_FALSE(parse_feedback({.type = 206, .count = 4, .body = body}).wants_key_frame());
    EXPECT_TRUE(parse_feedback({.type = 205, .count = 15, .body = body}).lost.empty());
}

}  // namespace
}  // namespace earshot::rtp
