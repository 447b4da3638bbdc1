#include "relay/screen_sdp.h"

#include <gtest/gtest.h>

namespace earshot::relay {
namespace {

const std::string kOffer =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n"
    "m=application 5900 TCP RFB\r\ni=Plan B\r\nc=IN IP4 192.0.2.11\r\na=setup:actpass\r\n"
    "a=content:slides\r\na=sendonly\r\na=rfb:version=3.8;kind=document\r\n"
    "m=application 4002 UDP/BFCP *\r\na=setup:passive\r\n";

const base::NetAddress kOurs = *base::parse_net_address("198.51.100.7:20000");

ScreenLine kind_of(const std::string& line) {
    const std::string text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n" + line + "\r\n";
    return screen_line(sdp::parse(text)->media.at(0));
}

TEST(ScreenSdp, KnowsAScreenByMediumTransportAndFormat) {
    EXPECT_EQ(kind_of("m=application 5900 TCP RFB"), ScreenLine::Plain);
    EXPECT_EQ(kind_of("m=application 9 tcp rfb"), ScreenLine::Plain);
    EXPECT_EQ(kind_of("m=application 5900 TCP/TLS RFB"), ScreenLine::Encrypted);
    EXPECT_EQ(kind_of("m=application 0 TCP RFB"), ScreenLine::None);
    EXPECT_EQ(kind_of("m=application 5900 TCP RFBX"), ScreenLine::None);
    EXPECT_EQ(kind_of("m=application 5900 TCP/BFCP *"), ScreenLine::None);
    EXPECT_EQ(kind_of("m=video 5900 TCP RFB"), ScreenLine::None);
}

TEST(ScreenSdp, ReadsWhoConnectsAndWhatIsShared) {
    const auto sdp = sdp::parse(kOffer);
    ASSERT_TRUE(sdp);
    EXPECT_EQ(setup_of(*sdp, sdp->media[1]), Setup::ActPass);
    EXPECT_EQ(setup_of(*sdp, sdp->media[2]), Setup::Passive);
    EXPECT_EQ(setup_of(*sdp, sdp->media[0]), Setup::Active);  // RFC 4145's default
    EXPECT_EQ(sharing_kind(*sdp, sdp->media[1]), "document");
    EXPECT_EQ(sharing_kind(*sdp, sdp->media[2]), "screen");
}

TEST(ScreenSdp, FindsSectionsAndReplacesOne) {
    EXPECT_EQ(find_section(kOffer, 2), "m=application 4002 UDP/BFCP *\r\na=setup:passive\r\n");
    EXPECT_EQ(find_section(kOffer, 3), std::nullopt);
    const std::string changed = with_section(kOffer, 1, "m=video 1 RTP/AVP 96\r\n");
    EXPECT_EQ(find_section(changed, 0), find_section(kOffer, 0));
    EXPECT_EQ(find_section(changed, 1), "m=video 1 RTP/AVP 96\r\n");
    EXPECT_EQ(find_section(changed, 2), find_section(kOffer, 2));
    EXPECT_EQ(with_section(changed, 1, *find_section(kOffer, 1)), kOffer);
    EXPECT_EQ(with_section(kOffer, 7, "m=x 1 y z\r\n"), kOffer);
}

TEST(ScreenSdp, ShowsThePlaneTheVideoThatIsMadeOfIt) {
    const std::string changed =
        with_section(kOffer, 1,
                     write_section({.rtp = *base::parse_net_address("127.0.0.1:6000"),
                                    .rtcp_port = 6007,
                                    .direction = sdp::Direction::SendOnly,
                                    .content = "slides",
                                    .title = "Plan B"}));
    const auto sdp = sdp::parse(changed);
    ASSERT_TRUE(sdp);
    ASSERT_EQ(sdp->media.size(), 3U);
    const sdp::MediaDescription& video = sdp->media[1];
    EXPECT_EQ(video.media, "video");
    EXPECT_EQ(video.content, "slides");
    EXPECT_EQ(video.title, "Plan B");
    EXPECT_EQ(video.direction, sdp::Direction::SendOnly);
    ASSERT_EQ(video.payload_types.size(), 1U);
    EXPECT_EQ(video.payload_types[0].encoding, "VP8");
    EXPECT_EQ(sdp::rtp_address(*sdp, video), base::parse_net_address("127.0.0.1:6000"));
    EXPECT_EQ(sdp::rtcp_address(*sdp, video, false), base::parse_net_address("127.0.0.1:6007"));
}

TEST(ScreenSdp, TellsThePartysLineAtOurAddress) {
    EXPECT_EQ(told_section(*find_section(kOffer, 1), kOurs, false),
              "m=application 20000 TCP RFB\r\ni=Plan B\r\nc=IN IP4 198.51.100.7\r\n"
              "a=setup:actpass\r\na=content:slides\r\na=sendonly\r\n"
              "a=rfb:version=3.8;kind=document\r\n");
    EXPECT_EQ(told_section("m=application 9 TCP RFB\r\na=setup:active\r\n", kOurs, true),
              "m=application 9 TCP RFB\r\nc=IN IP4 198.51.100.7\r\na=setup:active\r\n");
    EXPECT_EQ(told_section("m=application 5900 TCP RFB", kOurs, false),
              "m=application 20000 TCP RFB\r\nc=IN IP4 198.51.100.7\r\n");
}

}  // namespace
}  // namespace earshot::relay
