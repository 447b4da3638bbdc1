#include "server/our_invite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/limits.h"
#include "server/start_target.h"
#include "sip/parser.h"

namespace earshot::server {
namespace {

using testing::HasSubstr;

const sip::Credentials kOurs{.username = "recorder", .password = "secret"};
const sip::Flow kAsked{.remote = *base::parse_net_address("192.0.2.10:5060")};

class OurInviteTest : public testing::Test {
protected:
    base::Result<base::Done, base::Reason> answer(const std::string& status,
                                                  const std::string& headers,
                                                  const sip::Credentials& ours = kOurs) {
        const std::string text =
            "SIP/2.0 " + status +
            "\r\nVia: SIP/2.0/UDP 192.0.2.80;branch=z9hG4bKx\r\n"
            "From: <sip:earshot@192.0.2.80>;tag=ourtag\r\nTo: <sip:src@192.0.2.10>;tag=a\r\n"
            "Call-ID: c1\r\nCSeq: 1 INVITE\r\n" +
            headers + "Content-Length: 0\r\n\r\n";
        sip::ParsedMessage parsed = sip::parse_message(text);
        EXPECT_EQ(parsed.verdict, sip::Verdict::Good) << parsed.reason;
        EXPECT_TRUE(OurInvite::can_go_on(parsed.message.status()));
        return invite_.on_refused(parsed.message, kAsked, ours, "cnonce");
    }
    std::string text_of(const base::Result<base::Done, base::Reason>& result) const {
        EXPECT_FALSE(result.has_value());
        return result ? "" : result.error().code + ": " + result.error().text;
    }
    std::string header(const std::string& name) const {
        for (const sip::ExtraHeader& one : invite_.request().headers)
            if (one.name == name) return one.value;
        return {};
    }

    OurInvite invite_{
        "sip:src@192.0.2.10", "<sip:earshot@192.0.2.80>", "ourtag", "c1", {{"Require", "siprec"}}};
};

TEST_F(OurInviteTest, GoesToTheUriWithTheHeadersThatTheSessionWants) {
    const sip::OutOfDialogSpec spec = invite_.request();
    EXPECT_EQ(spec.method, "INVITE");
    EXPECT_EQ(spec.request_uri, "sip:src@192.0.2.10");
    EXPECT_EQ(spec.to, "<sip:src@192.0.2.10>");
    EXPECT_EQ(spec.call_id, "c1");
    EXPECT_EQ(spec.from_tag, "ourtag");
    EXPECT_EQ(spec.cseq, 1U);
    EXPECT_EQ(header("Require"), "siprec");
    EXPECT_TRUE(spec.flow.remote.is_unspecified());
    EXPECT_FALSE(invite_.is_redirected());
}

TEST_F(OurInviteTest, OtherRefusalsAreFinal) {
    for (const int status : {200, 303, 305, 380, 400, 403, 404, 486, 503, 603})
        EXPECT_FALSE(OurInvite::can_go_on(status)) << status;
}

TEST_F(OurInviteTest, FollowsTheBestContactWithTheSameCallAndTheNextCseq) {
    ASSERT_TRUE(answer("302 Moved",
                       "Contact: <sip:a@192.0.2.11>;q=0.2, <sip:b@192.0.2.12>;q=0.75\r\n"
                       "Contact: <sip:c@192.0.2.13>;q=0.7\r\n"));
    const sip::OutOfDialogSpec spec = invite_.request();
    EXPECT_EQ(spec.request_uri, "sip:b@192.0.2.12");
    EXPECT_EQ(spec.to, "<sip:src@192.0.2.10>");
    EXPECT_EQ(spec.call_id, "c1");
    EXPECT_EQ(spec.from_tag, "ourtag");
    EXPECT_EQ(spec.cseq, 2U);
    EXPECT_TRUE(invite_.is_redirected());
}

TEST_F(OurInviteTest, ARedirectionWithoutAPlaceSaysSo) {
    EXPECT_THAT(text_of(answer("302 Moved", "")),
                HasSubstr("redirected: The client answered 302 Moved: it names no other place"));
    EXPECT_THAT(text_of(answer("300 Choices", "Contact: *\r\n")), HasSubstr("no other place"));
    EXPECT_THAT(text_of(answer("302 Moved", "Contact: <tel:+49301>\r\n")), HasSubstr("tel:+49301"));
    EXPECT_THAT(text_of(answer("302 Moved", "Contact: <sip:a@192.0.2.11;transport=sctp>\r\n")),
                HasSubstr("Only UDP, TCP and TLS"));
}

TEST_F(OurInviteTest, ACircleIsNotFollowed) {
    EXPECT_THAT(text_of(answer("302 Moved", "Contact: <SIP:src@192.0.2.10>\r\n")),
                HasSubstr("was asked already"));
    EXPECT_TRUE(answer("302 Moved", "Contact: <sip:src@192.0.2.11>\r\n"));
    EXPECT_THAT(text_of(answer("302 Moved", "Contact: <sip:src@192.0.2.10>\r\n")),
                HasSubstr("was asked already"));
}

TEST_F(OurInviteTest, FollowsSoManyRedirectionsAndNoMore) {
    for (std::size_t i = 1; i <= kMaxRedirections; ++i)
        EXPECT_TRUE(
            answer("302 Moved", "Contact: <sip:n@192.0.2." + std::to_string(100 + i) + ">\r\n"))
            << i;
    EXPECT_THAT(text_of(answer("302 Moved", "Contact: <sip:n@192.0.2.200>\r\n")),
                HasSubstr("after 3 redirections"));
}

TEST_F(OurInviteTest, AnswersAChallengeByOurCredentials) {  // RFC 8760: the first that is spoken
    ASSERT_TRUE(answer("401 Unauthorized",
                       "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", algorithm=SHA-256, "
                       "qop=\"auth\"\r\n"
                       "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\"\r\n"));
    const std::string value = header("Authorization");
    const auto given = sip::parse_digest_answer(value);
    ASSERT_TRUE(given) << value;
    EXPECT_EQ(given->username, "recorder");
    EXPECT_EQ(given->nonce, "n1");
    EXPECT_EQ(given->uri, "sip:src@192.0.2.10");
    EXPECT_EQ(given->algorithm, sip::DigestAlgorithm::Sha256);
    EXPECT_EQ(given->response, sip::digest_response(*given, "secret", "INVITE"));
    EXPECT_EQ(invite_.request().cseq, 2U);
}

TEST_F(OurInviteTest, AnswersAProxyAndTheClientBehindIt) {
    EXPECT_TRUE(answer("407 Proxy", "Proxy-Authenticate: Digest realm=\"p\", nonce=\"1\"\r\n"));
    EXPECT_TRUE(answer("401 No", "WWW-Authenticate: Digest realm=\"r\", nonce=\"2\"\r\n"));
    EXPECT_THAT(header("Proxy-Authorization"), HasSubstr("realm=\"p\""));
    EXPECT_THAT(header("Authorization"), HasSubstr("realm=\"r\""));
}

TEST_F(OurInviteTest, WithoutCredentialsTheReasonNamesTheKeys) {
    const std::string text =
        text_of(answer("401 No", "WWW-Authenticate: Digest realm=\"r\", nonce=\"2\"\r\n", {}));
    EXPECT_THAT(text, HasSubstr("password_needed: "));
    EXPECT_THAT(text, HasSubstr("our_username and our_password_file"));
    EXPECT_THAT(text, HasSubstr("192.0.2.10"));
}

TEST_F(OurInviteTest, AskedAgainTheyAreWrongUnlessTheNonceWasStale) {
    const std::string challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\"";
    EXPECT_TRUE(answer("401 No", challenge + "\r\n"));
    EXPECT_TRUE(answer("401 No", challenge + ", stale=true\r\n"));
    EXPECT_THAT(text_of(answer("401 No", challenge + "\r\n")), HasSubstr("wrong_credentials"));
}

TEST_F(OurInviteTest, AnswersSoManyChallengesAndNoMore) {
    const std::string stale = "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\", stale=true\r\n";
    for (std::size_t i = 0; i < kMaxChallengesAtOnePlace; ++i)
        EXPECT_TRUE(answer("401 No", stale)) << i;
    EXPECT_THAT(text_of(answer("401 No", stale)), HasSubstr("wrong_credentials"));
}

TEST_F(OurInviteTest, AChallengeThatIsNotSpokenIsTold) {
    EXPECT_THAT(text_of(answer("401 No", "WWW-Authenticate: Basic realm=\"r\"\r\n")),
                HasSubstr("not spoken here"));
    EXPECT_THAT(text_of(answer("401 No", "")), HasSubstr("not spoken here"));
}

TEST_F(OurInviteTest, CredentialsAreNotTakenAlongToAnotherPlace) {
    EXPECT_TRUE(answer("401 No", "WWW-Authenticate: Digest realm=\"r\", nonce=\"2\"\r\n"));
    EXPECT_TRUE(answer("302 Moved", "Contact: <sip:src@192.0.2.11>\r\n"));
    EXPECT_EQ(header("Authorization"), "");
}

// A name may lead to several places: who has not made the nonce gets no answer to it.
TEST_F(OurInviteTest, CredentialsGoToThePlaceThatChallengedWhereverTheUriLeadsThen) {
    EXPECT_TRUE(answer("401 No", "WWW-Authenticate: Digest realm=\"r\", nonce=\"2\"\r\n"));
    EXPECT_EQ(invite_.request().flow, kAsked);
    EXPECT_TRUE(answer("302 Moved", "Contact: <sip:src@192.0.2.11>\r\n"));
    EXPECT_TRUE(invite_.request().flow.remote.is_unspecified());
}

TEST_F(OurInviteTest, EveryTruncationOfARefusalIsAnsweredOrToldAsAReason) {
    const std::string whole =
        "SIP/2.0 302 Moved\r\nVia: SIP/2.0/UDP 192.0.2.80;branch=z9hG4bKx\r\n"
        "From: <sip:earshot@192.0.2.80>;tag=ourtag\r\nTo: <sip:src@192.0.2.10>;tag=a\r\n"
        "Call-ID: c1\r\nCSeq: 1 INVITE\r\nContact: \"A\" <sip:a@192.0.2.11>;q=0.7\r\n\r\n";
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        sip::ParsedMessage parsed = sip::parse_message(whole.substr(0, size) + "\r\n\r\n");
        if (parsed.verdict != sip::Verdict::Good) continue;
        OurInvite invite("sip:src@192.0.2.10", "<sip:e@192.0.2.80>", "t", "c", {});
        const auto next = invite.on_refused(parsed.message, kAsked, kOurs, "cnonce");
        if (next)
            EXPECT_TRUE(read_target(invite.request().request_uri)) << size;
        else
            EXPECT_FALSE(next.error().text.empty()) << size;
    }
}

}  // namespace
}  // namespace earshot::server
