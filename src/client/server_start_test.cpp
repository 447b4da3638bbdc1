#include "client/server_start.h"

#include <gtest/gtest.h>

#include "client/limits.h"
#include "sip/parser.h"

namespace earshot::client {
namespace {

sip::Message invite(const std::string& headers, const std::string& uri = "sip:192.0.2.7",
                    const std::string& body = {}) {
    const std::string text =
        "INVITE " + uri +
        " SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
        "From: <sip:rec@h>;tag=1\r\nTo: <sip:c@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n" +
        headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    sip::ParsedMessage parsed = sip::parse_message(std::string_view{text});
    EXPECT_EQ(parsed.verdict, sip::Verdict::Good) << parsed.reason;
    return std::move(parsed.message);
}

const std::string kOfServer = "Contact: <sip:rec@h>;+sip.srs\r\n";
const std::string kOfClient = "Contact: <sip:src@h>;+sip.src\r\n";
const std::string kRequire = "Require: siprec\r\n";

TEST(ServerStart, IsAnInviteWithoutAnOfferByARecordingServer) {
    EXPECT_TRUE(is_server_start(invite(kOfServer + kRequire)));
    EXPECT_TRUE(is_server_start(invite(kOfServer)));
    EXPECT_TRUE(is_server_start(invite(kRequire)));
    EXPECT_FALSE(is_server_start(invite("")));
    EXPECT_FALSE(is_server_start(invite(kOfClient + kRequire)));  // of a client: passed on
    EXPECT_FALSE(is_server_start(
        invite(kOfServer + "Content-Type: application/sdp\r\n", "sip:192.0.2.7", "v=0\r\n")));
}

TEST(ServerStart, NamesItsCallInOneOfThreeWays) {
    EXPECT_FALSE(read_start(invite(kOfServer)).must_be_found());
    EXPECT_EQ(read_start(invite(kOfServer, "sip:192.0.2.7;call=a%40b")).call, "a@b");
    const StartWish dialog = read_start(invite("Target-Dialog: a@b;local-tag=x;remote-tag=y\r\n"));
    EXPECT_EQ(dialog.dialog, "a@b");
    EXPECT_EQ(dialog.local_tag, "x");
    EXPECT_EQ(dialog.remote_tag, "y");
    EXPECT_TRUE(dialog.must_be_found());
    const std::string uuid = "ab30317f1a784dc48ff824d0d3715d86";
    EXPECT_TRUE(
        read_start(invite("Session-ID: " + uuid + ";remote=47755a9de7794ba387653f2099600ef2\r\n"))
            .must_be_found());
    // RFC 7989 section 6: its own half, and nobody else's yet.
    for (const char* remote : {"", ";remote=00000000000000000000000000000000"})
        EXPECT_FALSE(read_start(invite("Session-ID: " + uuid + remote + "\r\n")).must_be_found());
}

TEST(ServerStart, IsReadHoweverItIsCut) {
    const std::string dialog = "a@b;local-tag=x;remote-tag=\"y\"";
    const std::string session =
        "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2";
    for (std::size_t size = 0; size <= dialog.size(); ++size)
        EXPECT_LE(
            read_start(invite("Target-Dialog: " + dialog.substr(0, size) + "\r\n")).dialog.size(),
            3U);
    for (std::size_t size = 0; size <= session.size(); ++size)
        EXPECT_EQ(
            read_start(invite("Session-ID: " + session.substr(0, size) + "\r\n")).must_be_found(),
            size > 40)  // one digit of the remote half that is not 0
            << size;
}

b2bua::CallFacts facts() {
    b2bua::CallFacts facts;
    facts.legs[0] = {.call_id = "a@phone",
                     .local_tag = "l1",
                     .remote_tag = "r1",
                     .session_uuid = "aaaa0000000000000000000000000001"};
    facts.legs[1] = {.call_id = "b@us",
                     .local_tag = "l2",
                     .remote_tag = "r2",
                     .session_uuid = "bbbb0000000000000000000000000002"};
    return facts;
}

TEST(ServerStart, ADialogIsThatOfEitherLegByTagsInEitherOrder) {
    EXPECT_TRUE(is_wished({.dialog = "a@phone"}, facts()));
    EXPECT_TRUE(is_wished({.dialog = "b@us", .local_tag = "l2"}, facts()));
    EXPECT_TRUE(is_wished({.dialog = "b@us", .local_tag = "r2", .remote_tag = "l2"}, facts()));
    EXPECT_FALSE(is_wished({.dialog = "b@us", .local_tag = "l1"}, facts()));
    EXPECT_FALSE(is_wished({.dialog = "b@us", .local_tag = "l2", .remote_tag = "l2"}, facts()));
    EXPECT_FALSE(is_wished({.dialog = "c"}, facts()));
}

TEST(ServerStart, ASessionIsSharedByEitherHalf) {
    EXPECT_TRUE(is_wished({.session = "AAAA0000000000000000000000000001"}, facts()));
    EXPECT_TRUE(is_wished({.session = "cccc0000000000000000000000000003;"
                                      "remote=bbbb0000000000000000000000000002"},
                          facts()));
    EXPECT_FALSE(is_wished({.session = "cccc0000000000000000000000000003"}, facts()));
    EXPECT_FALSE(is_wished({.session = ""}, facts()));
    EXPECT_FALSE(is_wished({.session = "00000000000000000000000000000000"}, b2bua::CallFacts{}));
}

TEST(StartAllowance, IsForEachHostAndSecond) {
    StartAllowance allowance;
    for (std::uint32_t i = 0; i < kMaxStartsPerSecond; ++i) EXPECT_TRUE(allowance.take("a"));
    EXPECT_FALSE(allowance.take("a"));
    EXPECT_TRUE(allowance.take("b"));
    allowance.next_second();
    EXPECT_TRUE(allowance.take("a"));
}

TEST(StartAllowance, RemembersOnlySoManyHosts) {
    StartAllowance allowance;
    for (std::size_t i = 0; i < kMaxStartHosts; ++i) EXPECT_TRUE(allowance.take(std::to_string(i)));
    EXPECT_FALSE(allowance.take("one more"));
    EXPECT_TRUE(allowance.take("0"));
}

}  // namespace
}  // namespace earshot::client
