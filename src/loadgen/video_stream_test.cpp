#include "loadgen/video_stream.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "loadgen/h264_picture.h"
#include "loadgen/video_lines.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"
#include "rtp/rtp_packet.h"
#include "sdp/rtcp_feedback.h"

namespace earshot::loadgen {
namespace {

using base::Bytes;

std::uint16_t number_of(const Bytes& packet) { return rtp::parse_rtp(packet)->sequence; }
int nal_type(const Bytes& packet) {
    const auto payload = rtp::rtp_payload(packet, *rtp::parse_rtp(packet));
    const int type = payload[0] & 0x1f;
    return type == 28 ? payload[1] & 0x1f : type;
}

class VideoStreamTest : public testing::Test {
protected:
    Bytes asks(void (*append)(std::uint32_t ssrc, Bytes& out)) {
        Bytes out;
        rtp::append_receiver_report({.ssrc = 1, .reports = {}}, out);
        append(kSsrc, out);
        return out;
    }
    static constexpr std::uint32_t kSsrc = 77;
    const VideoPictures pictures{1'000'000, 0};
    VideoStream stream{{.ssrc = kSsrc, .sequence = 65'530, .timestamp = 5, .cname = "a"}, pictures};
};

TEST_F(VideoStreamTest, BeginsWithAKeyPictureAndSendsOneEach40Ms) {
    const auto first = stream.next_picture();
    EXPECT_GT(first.size(), 20U);
    EXPECT_EQ(nal_type(first[0]), 24);  // the parameter sets
    EXPECT_EQ(nal_type(first[1]), 5);
    EXPECT_FALSE(rtp::parse_rtp(first[0])->marker);
    EXPECT_TRUE(rtp::parse_rtp(first.back())->marker);
    const auto second = stream.next_picture();
    EXPECT_EQ(nal_type(second[0]), 1);
    EXPECT_EQ(number_of(second[0]), static_cast<std::uint16_t>(65'530 + first.size()));
    EXPECT_EQ(rtp::parse_rtp(second[0])->timestamp, 5U + 3600U);
    std::size_t bytes = 0;
    for (const Bytes& packet : stream.next_picture()) bytes += packet.size();
    EXPECT_NEAR(static_cast<double>(bytes), 5000.0, 600.0);  // 1 Mbit/s
}

TEST_F(VideoStreamTest, SendsAKeyPictureWhenAskedForOne) {
    stream.next_picture();
    stream.next_picture();
    EXPECT_TRUE(
        stream.on_rtcp(asks([](std::uint32_t s, Bytes& out) { rtp::append_pli(1, s, out); }))
            .empty());
    EXPECT_EQ(nal_type(stream.next_picture()[1]), 5);
    stream.on_rtcp(asks([](std::uint32_t s, Bytes& out) { rtp::append_fir(1, s, 0, out); }));
    EXPECT_EQ(nal_type(stream.next_picture()[1]), 5);
    EXPECT_EQ(nal_type(stream.next_picture()[0]), 1);
    EXPECT_EQ(stream.figures().key_requests, 2U);
    EXPECT_EQ(stream.figures().key_pictures, 3U);
}

TEST_F(VideoStreamTest, SendsAgainWhatIsLost) {
    const auto first = stream.next_picture();
    const auto again = stream.on_rtcp(asks([](std::uint32_t s, Bytes& out) {
        const std::vector<std::uint16_t> lost{65'531, 65'533, 20'000};
        rtp::append_nack(1, s, lost, out);
    }));
    ASSERT_EQ(again.size(), 2U);
    EXPECT_EQ(again[0], first[1]);
    EXPECT_EQ(again[1], first[3]);
    EXPECT_EQ(stream.figures().retransmitted, 2U);
    EXPECT_TRUE(stream.on_rtcp(Bytes{1, 2, 3}).empty());
}

TEST_F(VideoStreamTest, BeginsAnewAfterAPause) {
    stream.next_picture();
    stream.skip_picture();
    const auto next = stream.next_picture();
    EXPECT_EQ(nal_type(next[1]), 5);
    EXPECT_EQ(rtp::parse_rtp(next[0])->timestamp, 5U + 2 * 3600U);
}

TEST(VideoSection, OffersParameterSetsAndFeedback) {
    VideoLine line{.party = 0, .label = "3"};
    line.rtp = *base::parse_net_address("192.0.2.1:4000");
    const auto offer = [&] {
        return "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" +
               video_section(line);
    };
    std::string text = offer();
    auto parsed = sdp::parse(text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->media[0].proto, "RTP/AVPF");
    EXPECT_EQ(parsed->media[0].label, "3");
    EXPECT_EQ(sdp::feedback_of(*parsed, parsed->media[0]),
              (sdp::RtcpFeedback{.nack = true, .pli = true, .fir = true}));
    EXPECT_NE(parsed->media[0].payload_types[0].fmtp.find("profile-level-id=42c01e"),
              std::string_view::npos);
    line.has_feedback = false;
    text = offer();
    parsed = sdp::parse(text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->media[0].proto, "RTP/AVP");
    EXPECT_EQ(sdp::feedback_of(*parsed, parsed->media[0]), sdp::RtcpFeedback{});
}

}  // namespace
}  // namespace earshot::loadgen
