#include "relay/sdp_rewrite.h"

#include <gtest/gtest.h>

#include "sdp/session_description.h"

namespace earshot::relay {
namespace {

using Fate = SdpEdit::Fate;

SdpEdit edit_of(std::vector<SdpEdit::Line> lines) {
    return {.session_id = 77,
            .session_version = 2,
            .address = *base::parse_host("192.0.2.9", 0),
            .lines = std::move(lines)};
}
constexpr SdpEdit::Line kFirst{.fate = Fate::Relay, .rtp_port = 20000, .rtcp_port = 20001};
constexpr SdpEdit::Line kSecond{.fate = Fate::Relay, .rtp_port = 20010, .rtcp_port = 20011};
constexpr SdpEdit::Line kPass{.fate = Fate::Pass, .rtp_port = 0, .rtcp_port = 0};

TEST(SdpRewrite, ChangesWhereMediaGoesAndNothingElse) {
    const std::string_view text =
        "v=0\r\n"
        "o=alice 1 1 IN IP4 10.0.0.1\r\n"
        "s=-\r\n"
        "c=IN IP4 10.0.0.1\r\n"
        "t=0 0\r\n"
        "a=X-strange : thing \r\n"
        "m=audio 4000 RTP/AVP 0  8 101\r\n"
        "a=rtpmap:101 telephone-event/8000\r\n"
        "a=rtcp:4001 IN IP4 10.0.0.1\r\n"
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n"
        "a=unknown\r\n";
    EXPECT_EQ(rewrite_sdp(text, edit_of({kFirst})),
              "v=0\r\n"
              "o=- 77 2 IN IP4 192.0.2.9\r\n"
              "s=-\r\n"
              "c=IN IP4 192.0.2.9\r\n"
              "t=0 0\r\n"
              "a=X-strange : thing \r\n"
              "m=audio 20000 RTP/AVP 0  8 101\r\n"
              "a=rtpmap:101 telephone-event/8000\r\n"
              "a=rtcp:20001 IN IP4 192.0.2.9\r\n"
              "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n"
              "a=unknown\r\n");
}

TEST(SdpRewrite, KeepsTheLineEndsOfThePeer) {
    EXPECT_EQ(rewrite_sdp("v=0\nc=IN IP4 10.0.0.1\nm=audio 4000 RTP/AVP 0", edit_of({kFirst})),
              "v=0\nc=IN IP4 192.0.2.9\nm=audio 20000 RTP/AVP 0");
}

TEST(SdpRewrite, LeavesAnOldHoldAsItIs) {
    const std::string text = rewrite_sdp(
        "v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n"
        "m=audio 4002 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\n",
        edit_of({kFirst, kSecond}));
    EXPECT_EQ(text,
              "v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 20000 RTP/AVP 0\r\n"
              "m=audio 20010 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\n");
}

TEST(SdpRewrite, GivesALineThatGoesItsOwnWayTheSessionsAddress) {
    const std::string text = rewrite_sdp(
        "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"
        "m=message 2855 TCP/MSRP *\r\ni=chat\r\na=path:msrp://10.0.0.1:2855/x;tcp\r\n",
        edit_of({kFirst, kPass}));
    EXPECT_EQ(text,
              "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 20000 RTP/AVP 0\r\n"
              "m=message 2855 TCP/MSRP *\r\ni=chat\r\nc=IN IP4 10.0.0.1\r\n"
              "a=path:msrp://10.0.0.1:2855/x;tcp\r\n");
}

TEST(SdpRewrite, LeavesADescriptionWithoutRelayedLinesButForItsOrigin) {
    const std::string text = rewrite_sdp(
        "v=0\r\no=a 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\na=ice-lite\r\n"
        "m=message 2855 TCP/MSRP *\r\n",
        edit_of({kPass}));
    EXPECT_EQ(text,
              "v=0\r\no=- 77 2 IN IP4 192.0.2.9\r\nc=IN IP4 10.0.0.1\r\na=ice-lite\r\n"
              "m=message 2855 TCP/MSRP *\r\n");
}

TEST(SdpRewrite, RemovesIceAndBundle) {
    const std::string text = rewrite_sdp(
        "v=0\r\nc=IN IP4 10.0.0.1\r\na=group:BUNDLE 0 1\r\na=group:LS 0 1\r\na=ice-options:x\r\n"
        "m=audio 4000 RTP/AVP 0\r\na=candidate:1 1 UDP 1 10.0.0.1 4000 typ host\r\n"
        "a=ice-ufrag:u\r\na=ICE-PWD:p\r\na=remote-candidates:1\r\na=end-of-candidates\r\na=mid:"
        "0\r\n",
        edit_of({kFirst}));
    EXPECT_EQ(text,
              "v=0\r\nc=IN IP4 192.0.2.9\r\na=group:LS 0 1\r\n"
              "m=audio 20000 RTP/AVP 0\r\na=mid:0\r\n");
}

TEST(SdpRewrite, GivesALineWithoutAnyAddressOurs) {
    EXPECT_EQ(rewrite_sdp("v=0\r\nm=audio 4000 RTP/AVP 0", edit_of({kFirst})),
              "v=0\r\nm=audio 20000 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\n");
}

TEST(SdpRewrite, RefusesWhatWasNotDecidedAndDropsCountsOfPorts) {
    EXPECT_EQ(rewrite_sdp("v=0\r\nc=IN IP4 10.0.0.1\r\nm=video 4000/2 RTP/AVP 31\r\n"
                          "m=audio 5000 RTP/AVP 0\r\nm=broken\r\n",
                          edit_of({kFirst})),
              "v=0\r\nc=IN IP4 192.0.2.9\r\nm=video 20000 RTP/AVP 31\r\n"
              "m=audio 0 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\nm=broken\r\nc=IN IP4 10.0.0.1\r\n");
}

TEST(SdpRewrite, AnAddressThatCannotBeReadIsNone) {
    EXPECT_EQ(rewrite_sdp("v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"
                          "m=message 2855 TCP/MSRP *\r\nc=IN2IP4 10.0.0.2\r\n",
                          edit_of({kFirst, kPass})),
              "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 20000 RTP/AVP 0\r\n"
              "m=message 2855 TCP/MSRP *\r\nc=IN IP4 10.0.0.1\r\nc=IN2IP4 10.0.0.2\r\n");
}

TEST(SdpRewrite, SpeaksIpv6) {
    SdpEdit edit = edit_of({kFirst});
    edit.address = *base::parse_host("2001:db8::9", 0);
    EXPECT_EQ(rewrite_sdp("v=0\r\nc=IN IP6 ::5\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp:9\r\n", edit),
              "v=0\r\nc=IN IP6 2001:db8::9\r\nm=audio 20000 RTP/AVP 0\r\na=rtcp:20001\r\n");
}

TEST(SdpRewrite, ReadsAttributesAsTheParserDoes) {  // spec X-3: `a=` twice
    EXPECT_EQ(
        rewrite_sdp("v=0\r\nc=IN IP4 10.0.0.1\r\na=a=ice-lite\r\nm=audio 4000 RTP/AVP 0\r\n"
                    "a=a=rtcp:4001 IN IP4 10.0.0.1\r\na=a=candidate:1 1 UDP 1 10.0.0.1 4000\r\n",
                    edit_of({kFirst})),
        "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 20000 RTP/AVP 0\r\n"
        "a=rtcp:20001 IN IP4 192.0.2.9\r\n");
}

TEST(SdpRewrite, StopsAtASecondDescription) {
    EXPECT_EQ(rewrite_sdp("v=0\r\nm=audio 0 RTP/AVP 0\r\nv=0\r\nm=audio 4 RTP/AVP 0\r\n",
                          edit_of({kPass})),
              "v=0\r\nm=audio 0 RTP/AVP 0\r\n");
}

TEST(SdpRewrite, TakesEveryTruncation) {
    const std::string_view text =
        "v=0\r\no=a 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
        "a=group:BUNDLE 0\r\nm=audio 4000/1 RTP/AVP 0\r\na=rtcp:4001 IN IP4 10.0.0.1\r\n";
    const SdpEdit edit = edit_of({kFirst});
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const std::string once = rewrite_sdp(text.substr(0, size), edit);
        EXPECT_EQ(rewrite_sdp(once, edit), once) << size;
    }
}

}  // namespace
}  // namespace earshot::relay
