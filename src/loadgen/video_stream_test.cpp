#include "loadgen/video_stream.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/text.h"
#include "loadgen/h264_picture.h"
#include "loadgen/video_lines.h"
#include "rtp/rtcp.h"
#include "rtp/rtcp_feedback.h"
#include "rtp/rtp_packet.h"
#include "sdp/crypto_attribute.h"
#include "sdp/fingerprint.h"
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
    std::vector<Bytes> hear(Bytes datagram) { return stream.on_rtcp(datagram); }
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
        hear(asks([](std::uint32_t s, Bytes& out) { rtp::append_pli(1, s, out); })).empty());
    EXPECT_EQ(nal_type(stream.next_picture()[1]), 5);
    hear(asks([](std::uint32_t s, Bytes& out) { rtp::append_fir(1, s, 0, out); }));
    EXPECT_EQ(nal_type(stream.next_picture()[1]), 5);
    EXPECT_EQ(nal_type(stream.next_picture()[0]), 1);
    EXPECT_EQ(stream.figures().key_requests, 2U);
    EXPECT_EQ(stream.figures().key_pictures, 3U);
}

TEST_F(VideoStreamTest, SendsAgainWhatIsLost) {
    const auto first = stream.next_picture();
    const auto again = hear(asks([](std::uint32_t s, Bytes& out) {
        const std::vector<std::uint16_t> lost{65'531, 65'533, 20'000};
        rtp::append_nack(1, s, lost, out);
    }));
    ASSERT_EQ(again.size(), 2U);
    EXPECT_EQ(again[0], first[1]);
    EXPECT_EQ(again[1], first[3]);
    EXPECT_EQ(stream.figures().retransmitted, 2U);
    EXPECT_TRUE(hear(Bytes{1, 2, 3}).empty());
}

TEST_F(VideoStreamTest, SendsTheSameProtectedPacketAgainAndHearsProtectedFeedback) {
    base::SeededRandom random{3};
    LineSecurity security;
    security.ours = base::SrtpMasterKey::generate(base::SrtpSuite::AeadAes128Gcm, random);
    security.theirs = base::SrtpMasterKey::generate(base::SrtpSuite::AeadAes128Gcm, random);
    stream.protection().set(security, nullptr, {});
    const auto first = stream.next_picture();
    srtp::Receiver receiver(*security.ours);
    Bytes opened = first[1];
    EXPECT_TRUE(receiver.unprotect_rtp(opened));

    Bytes nack = asks([](std::uint32_t s, Bytes& out) {
        const std::vector<std::uint16_t> lost{65'531};
        rtp::append_nack(1, s, lost, out);
    });
    EXPECT_TRUE(hear(nack).empty());  // in the clear: anybody's
    srtp::Sender sender(*security.theirs);
    const std::size_t size = nack.size();
    nack.resize(size + sender.rtcp_overhead());
    ASSERT_TRUE(sender.protect_rtcp(nack, size));
    const auto again = hear(nack);
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(again[0], first[1]);
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

TEST(VideoSection, TellsHowItIsKeyed) {
    VideoLine line{.party = 0, .label = "3"};
    line.rtp = *base::parse_net_address("192.0.2.1:4000");
    std::string text;
    const auto offer = [&] {
        text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" +
               video_section(line);
        return sdp::parse(text);
    };
    base::SeededRandom random{1};
    line.key = base::SrtpMasterKey::generate(base::SrtpSuite::AeadAes128Gcm, random);
    auto parsed = offer();
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->media[0].proto, "RTP/SAVPF");
    const auto keys = sdp::choose_crypto(*parsed, parsed->media[0]);
    ASSERT_TRUE(keys);
    EXPECT_EQ(keys->keys.front(), *line.key);
    line.has_feedback = false;
    EXPECT_EQ(offer()->media[0].proto, "RTP/SAVP");

    line.key.reset();
    base::CertificateFingerprint fingerprint;
    fingerprint.function = base::HashFunction::Sha256;
    fingerprint.digest.assign(32, 0x5a);
    line.dtls = siprec::ClientDtls{fingerprint, "0123456789abcdef0123"};
    EXPECT_EQ(offer()->media[0].proto, "UDP/TLS/RTP/SAVP");
    line.has_feedback = true;
    parsed = offer();
    EXPECT_EQ(parsed->media[0].proto, "UDP/TLS/RTP/SAVPF");
    EXPECT_EQ(sdp::fingerprints_of(*parsed, parsed->media[0]), std::vector{fingerprint});
    EXPECT_EQ(sdp::setup_of(*parsed, parsed->media[0]), sdp::Setup::ActPass);
    EXPECT_NE(text.find("a=rtcp-mux"), std::string::npos);
}

}  // namespace
}  // namespace earshot::loadgen
