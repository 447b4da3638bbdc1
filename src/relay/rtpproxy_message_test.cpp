#include "relay/rtpproxy_message.h"

#include <gtest/gtest.h>

#include <array>

#include "relay/limits.h"

namespace earshot::relay {
namespace {

using base::Errc;

base::NetAddress at(std::string_view text) { return *base::parse_net_address(text); }

constexpr RtpproxyStream kStream{.call = "c1", .from = "a", .to = "b", .number = 2};

TEST(RtpproxyCommands, AreWrittenAsTheProtocolSays) {
    EXPECT_EQ(rtpproxy_feature(kRtpproxyCopies), "VF 20071218");
    EXPECT_EQ(
        rtpproxy_update({.call = "c1", .from = "a", .to = "", .number = 1}, at("192.0.2.1:4000")),
        "U c1 192.0.2.1 4000 a;1");
    EXPECT_EQ(rtpproxy_update(kStream, at("192.0.2.1:4000")), "U c1 192.0.2.1 4000 a;2 b;2");
    EXPECT_EQ(rtpproxy_lookup(kStream, at("[2001:db8::1]:4000")), "L6 c1 2001:db8::1 4000 a;2 b;2");
    EXPECT_EQ(rtpproxy_lookup(kStream, {}), "L c1 0.0.0.0 0 a;2 b;2");
    EXPECT_EQ(rtpproxy_delete(kStream), "D c1 a;2 b;2");
    EXPECT_EQ(rtpproxy_delete_call("c1", "a", "b"), "D c1 a b");
    EXPECT_EQ(rtpproxy_copy(kStream, at("192.0.2.9:5004")), "C c1 udp:192.0.2.9:5004 a;2 b;2");
    EXPECT_EQ(rtpproxy_stop_copy(kStream), "N c1 a;2 b;2");
    EXPECT_EQ(rtpproxy_query(kStream), "Q c1 a;2 b;2");
}

TEST(RtpproxyReply, IsACookieAndABody) {
    const auto reply = parse_rtpproxy_reply("c3ba00fb 35060 192.0.2.7\n");
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->cookie, "c3ba00fb");
    EXPECT_EQ(reply->body, "35060 192.0.2.7");
}

TEST(RtpproxyReply, MayEndWithAZero) {
    const auto reply = parse_rtpproxy_reply(std::string_view("c3 0\n\0", 6));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->body, "0");
}

TEST(RtpproxyReply, IsRefusedAtEachTruncationBeforeItsBody) {
    const std::string_view whole = "c3ba 1";
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(parse_rtpproxy_reply(whole.substr(0, size))) << size;
    EXPECT_TRUE(parse_rtpproxy_reply(whole));
}

TEST(RtpproxyReply, IsRefusedWhereItIsNoText) {
    EXPECT_FALSE(parse_rtpproxy_reply("c3 \x01"));
    EXPECT_FALSE(parse_rtpproxy_reply("c3 4\n5"));
    EXPECT_FALSE(parse_rtpproxy_reply("c3 \xc3\xa9"));
    EXPECT_FALSE(parse_rtpproxy_reply(" 12"));
}

TEST(RtpproxyReply, MayBeAsLongAsTheLimitAndNoLonger) {
    std::string longest = "c " + std::string(kMaxControlReplyBytes - 2, '1');
    EXPECT_TRUE(parse_rtpproxy_reply(longest));
    longest += '1';
    EXPECT_EQ(parse_rtpproxy_reply(longest).error().code, Errc::TooLarge);
}

TEST(RtpproxyPort, HasAnAddressOrNone) {
    EXPECT_EQ(parse_rtpproxy_port("35060")->port, 35060);
    EXPECT_FALSE(parse_rtpproxy_port("35060")->address);
    EXPECT_EQ(parse_rtpproxy_port("35060 192.0.2.7")->address, at("192.0.2.7:0"));
    EXPECT_EQ(parse_rtpproxy_port("35060 2001:db8::7 6")->address, at("[2001:db8::7]:0"));
}

TEST(RtpproxyPort, IsNothingElse) {
    for (const auto* body : {"", "65536", "-1", "x", "35060 nowhere", "35060 0.0.0.0",
                             "35060 192.0.2.7 6", "35060 2001:db8::7 4", "35060 192.0.2.7 && -1"})
        EXPECT_EQ(parse_rtpproxy_port(body).error().code, Errc::Malformed) << body;
}

TEST(RtpproxyRefusals, AreToldApart) {
    EXPECT_EQ(parse_rtpproxy_port("0").error().code, Errc::NotFound);
    EXPECT_EQ(parse_rtpproxy_done("E50").error().code, Errc::NotFound);
    EXPECT_EQ(parse_rtpproxy_done("E8").error().code, Errc::NotFound);
    for (const auto* full : {"E71", "E72", "E81", "E89", "E98", "E99"})
        EXPECT_EQ(parse_rtpproxy_port(full).error().code, Errc::Full) << full;
    EXPECT_EQ(parse_rtpproxy_figures("E65").error().code, Errc::Refused);
    EXPECT_EQ(parse_rtpproxy_figures("E65").error().detail, 65U);
    EXPECT_EQ(parse_rtpproxy_done("E").error().code, Errc::Malformed);
    EXPECT_EQ(parse_rtpproxy_done("Eleven").error().code, Errc::Malformed);
}

TEST(RtpproxyDone, IsAZero) {
    EXPECT_TRUE(parse_rtpproxy_done("0"));
    EXPECT_FALSE(parse_rtpproxy_done("1"));
}

TEST(RtpproxyFeature, IsThereOrNot) {
    EXPECT_TRUE(*parse_rtpproxy_feature("1"));
    EXPECT_FALSE(*parse_rtpproxy_feature("0"));
    EXPECT_FALSE(parse_rtpproxy_feature("2"));
    EXPECT_FALSE(parse_rtpproxy_feature("E1"));
}

TEST(RtpproxyFigures, AreFiveNumbers) {
    const auto figures = parse_rtpproxy_figures("60 100 90 189 1");
    ASSERT_TRUE(figures);
    EXPECT_EQ(figures->from, 100U);
    EXPECT_EQ(figures->to, 90U);
    EXPECT_EQ(figures->relayed, 189U);
    EXPECT_EQ(figures->dropped, 1U);
    EXPECT_TRUE(parse_rtpproxy_figures("-1 0 0 0 0"));
    for (const auto* body : {"60", "60 100 90 189", "60 100 90 189 1 7", "60 a b c d", "60  1 2 3"})
        EXPECT_EQ(parse_rtpproxy_figures(body).error().code, Errc::Malformed) << body;
}

}  // namespace
}  // namespace earshot::relay
