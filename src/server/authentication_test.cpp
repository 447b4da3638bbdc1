#include "server/authentication.h"

#include <gmock/gmock.h>
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
        return authentication_.check(
            kNow, config_, {.transport = transport_, .remote = *base::parse_host(from, 5060)},
            &certificate_, message_with("INVITE sip:a@b SIP/2.0", headers));
    }
    std::vector<sip::ExtraHeader> answer(const Refusal& challenge, std::string_view password) {
        const auto header = sip::answer_challenge(
            message_with("SIP/2.0 401 Who", challenge.headers),
            {.username = "branch", .password = std::string{password}}, "INVITE", "sip:a@b", "c");
        EXPECT_TRUE(header);
        return {header.value_or(sip::ExtraHeader{})};
    }

    sip::Transport transport_ = sip::Transport::Udp;
    io::TlsPeer certificate_{};
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

TEST_F(AuthenticationTest, KnowsAPeerByItsCertificate) {
    config_.peers.push_back({.name = "branch", .certificate_names = {"sbc.branch.example"}});
    EXPECT_EQ(check({})->reason.code, "unknown_peer");
    transport_ = sip::Transport::Tls;
    certificate_ = {.is_verified = true, .domains = {"other.example"}, .subject = "CN=other"};
    EXPECT_THAT(check({})->reason.text, testing::HasSubstr("CN=other"));
    certificate_.domains = {"sbc.branch.example"};
    EXPECT_FALSE(check({}));
    certificate_.is_verified = false;
    EXPECT_EQ(check({})->status, 403);
}

TEST_F(AuthenticationTest, WantsCertificateAndAddressWhereAPeerHasBoth) {
    config_.peers = {{.name = "branch",
                      .addresses = {*base::parse_host("192.0.2.5", 0)},
                      .certificate_names = {"sbc.branch.example"}}};
    const auto bare = check({}, "192.0.2.5");
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->reason.code, "no_certificate");
    EXPECT_THAT(bare->reason.text, testing::HasSubstr("branch has to come by TLS"));
    transport_ = sip::Transport::Tls;
    certificate_ = {.is_verified = true, .domains = {"sbc.branch.example"}};
    EXPECT_FALSE(check({}, "192.0.2.5"));
    EXPECT_EQ(check({}, "192.0.2.6")->status, 403);
}

TEST_F(AuthenticationTest, RefusesAPeerByUdpThatHasToComeByTls) {
    config_.peers.front().needs_tls = true;
    const auto refusal = check({}, "192.0.2.1");
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->status, 403);
    EXPECT_EQ(refusal->reason.code, "tls_required");
    transport_ = sip::Transport::Tls;
    EXPECT_FALSE(check({}, "192.0.2.1"));
}

}  // namespace
}  // namespace earshot::server
