#include "sdp/extmap.h"

#include <gtest/gtest.h>

#include <string>

namespace earshot::sdp {
namespace {

constexpr std::string_view kLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

TEST(ExtMap, ReadsTheExamplesOfRfc8285) {
    EXPECT_EQ(parse_extmap("1 http://example.com/082005/ext.htm#ttime"),
              (ExtMap{1, "", "http://example.com/082005/ext.htm#ttime", ""}));
    EXPECT_EQ(parse_extmap("2/sendrecv http://example.com/082005/ext.htm#xmeta short"),
              (ExtMap{2, "sendrecv", "http://example.com/082005/ext.htm#xmeta", "short"}));
    EXPECT_EQ(parse_extmap("4096 URI-gps-string")->id, 4096);
    EXPECT_EQ(parse_extmap("6 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on")->attributes,
              "vad=on");
}

TEST(ExtMap, RefusesWhatHasNoIdOrNoUri) {
    for (const std::string_view bad : {"", "1", "0 urn:x", "x urn:x", "-1 urn:x", "70000 urn:x"})
        EXPECT_FALSE(parse_extmap(bad)) << bad;
}

TEST(ExtMap, OfAMediumAreThoseOfTheSessionToo) {
    std::string text =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "a=extmap:3 urn:s\r\nm=audio 4000 RTP/AVP 0\r\na=extmap:1/sendonly ";
    text.append(kLevel).append("\r\nm=video 4002 RTP/AVP 99\r\n");
    const auto parsed = parse(text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(extmaps_of(*parsed, parsed->media[0]),
              (std::vector<ExtMap>{{1, "sendonly", kLevel, ""}, {3, "", "urn:s", ""}}));
    EXPECT_EQ(extmaps_of(*parsed, parsed->media[1]).size(), 1U);
}

TEST(ExtMap, AreTakenUpToTheLimit) {
    std::string text =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "m=audio 4000 RTP/AVP 0\r\n";
    for (std::size_t i = 1; i <= kMaxExtMaps + 1; ++i)
        text += "a=extmap:" + std::to_string(i) + " urn:x\r\n";
    const auto parsed = parse(text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(extmaps_of(*parsed, parsed->media[0]).size(), kMaxExtMaps);
}

}  // namespace
}  // namespace earshot::sdp
