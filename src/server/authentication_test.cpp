#include "server/authentication.h"

#include <gtest/gtest.h>

#include "sip/parser.h"

namespace earshot::server {
namespace {

constexpr base::TimePoint kNow{std::chrono::hours{1}};

sip::Message message_with(std::string_view first_line,
                          const std::vector<sip::ExtraHeader>& headers) {
    std::string text = std::string{first_line} +
                       "\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:d@e>;tag=1\r\n"
                       "To: <sip:a@b>\r\nCall-ID: f\r\nCSeq: 1 INVITE\r\n";
    for (const auto& one : headers) text += one.name + ": " + one.value + "\r\n";
    return std::move(sip::parse_message(text + "\r\n").message);
}

class AuthenticationTest : public testing::Test {
protected:
    AuthenticationTest() {
        config_.peers.push_back({.name = "sbc", .addresses = {*base::parse_host("192.0.2.1", 0)}});
    }
    std::optional<Refusal> check(const std::vector<sip::ExtraHeader>& headers,
                                 std::string_view from = "198.51.100.9") {
        return authentication_.check(kNow, config_, *base::parse_host(from, 5060),
                                     message_with("INVITE sip:a@b SIP/2.0", headers));
    }
    std::vector<sip::ExtraHeader> answer(const Refusal& challenge, std::string_view password) {
        const auto header = sip::answer_challenge(
            message_with("SIP/2.0 401 Who", challenge.headers),
            {.username = "branch", .password = std::string{password}}, "INVITE", "sip:a@b", "c");
        EXPECT_TRUE(header);
        return {header.value_or(sip::ExtraHeader{})};
    }

    base::SeededRandom random_{1};
    ServerConfig config_;
    Authentication authentication_{random_};
};

TEST_F(AuthenticationTest, WithoutDigestPeersAStrangerGets403) {
    EXPECT_FALSE(check({}, "192.0.2.1"));
    const auto refusal = check({});
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->status, 403);
    EXPECT_TRUE(refusal->headers.empty());
}

TEST_F(AuthenticationTest, P125_AStrangerIsChallengedAndAdmittedByTheRightPassword) {
    config_.peers.push_back({.name = "branch", .digest = {"branch", "tulip"}});
    EXPECT_FALSE(check({}, "192.0.2.1"));  // an address admits as before
    const auto challenge = check({});
    ASSERT_TRUE(challenge);
    EXPECT_EQ(challenge->status, 401);
    EXPECT_EQ(challenge->reason.code, "challenged");
    ASSERT_EQ(challenge->headers.size(), 2U);
    const auto wrong = check(answer(*challenge, "rose"));
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->status, 401);
    EXPECT_EQ(wrong->reason.code, "wrong_credentials");
    EXPECT_EQ(wrong->reason.text.find("rose"), std::string::npos);
    const auto right = answer(*challenge, "tulip");
    EXPECT_FALSE(check(right));
    const auto replay = check(right);
    ASSERT_TRUE(replay);
    EXPECT_NE(replay->headers[0].value.find("stale=true"), std::string::npos);
}

}  // namespace
}  // namespace earshot::server
