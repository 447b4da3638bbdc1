#include "sdp/rtcp_feedback.h"

#include <gtest/gtest.h>

#include "sdp/offer_answer.h"

namespace earshot::sdp {
namespace {

constexpr std::string_view kOffer =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\na=label:1\r\n"
    "m=video 4002 RTP/AVPF 96 97\r\n"
    "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
    "a=rtcp-fb:96 nack\r\na=rtcp-fb:* nack pli\r\na=rtcp-fb:96  CCM fir\r\n"
    "a=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 ccm tmmbr\r\na=rtcp-fb:96 nack sli\r\n"
    "a=sendonly\r\na=label:2\r\n";

TEST(RtcpFeedback, IsReadFromEachLine) {
    const auto offer = parse(kOffer);
    ASSERT_TRUE(offer);
    EXPECT_EQ(feedback_of(*offer, offer->media[0]), RtcpFeedback{});
    EXPECT_EQ(feedback_of(*offer, offer->media[1]),
              (RtcpFeedback{.nack = true, .pli = true, .fir = true}));
}

TEST(RtcpFeedback, IsAnsweredWhereWeHonourIt) {
    const auto offer = parse(kOffer);
    ASSERT_TRUE(offer);
    const std::vector<MediaDecision> decisions{
        {.accept = true, .rtp_port = 5000, .rtcp_port = 5001},
        {.accept = true, .rtp_port = 5002, .rtcp_port = 5003}};
    const std::string answer = make_recording_answer(
        *offer, {.address = *base::parse_net_address("192.0.2.9:0")}, decisions);
    EXPECT_NE(answer.find("m=video 5002 RTP/AVPF 96 97\r\n"), std::string::npos) << answer;
    EXPECT_NE(answer.find("a=rtcp-fb:96 nack\r\na=rtcp-fb:* nack pli\r\na=rtcp-fb:96  CCM fir\r\n"),
              std::string::npos)
        << answer;
    for (const char* const other : {"remb", "tmmbr", "sli"})
        EXPECT_EQ(answer.find(other), std::string::npos) << answer;
}

}  // namespace
}  // namespace earshot::sdp
