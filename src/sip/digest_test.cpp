#include "sip/digest.h"

#include <gtest/gtest.h>

#include "sip/digest_limits.h"
#include "sip/parser.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;
using Verdict = DigestGuard::Verdict;

constexpr base::TimePoint kStart{1h};
const Credentials kAda{.username = "ada", .password = "lace"};

Message message_with(std::string_view first_line, std::string_view headers) {
    ParsedMessage parsed = parse_message(
        std::string{first_line} +
        "\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:d@e>;tag=1\r\nTo: <sip:a@b>\r\n"
        "Call-ID: f\r\nCSeq: 2 INVITE\r\n" +
        std::string{headers} + "\r\n");
    EXPECT_EQ(parsed.verdict, sip::Verdict::Good) << parsed.reason;
    return std::move(parsed.message);
}

Message invite_with(std::string_view headers) {
    return message_with("INVITE sip:a@b SIP/2.0", headers);
}

std::string lines(const std::vector<ExtraHeader>& headers) {
    std::string text;
    for (const ExtraHeader& one : headers) text += one.name + ": " + one.value + "\r\n";
    return text;
}

// RFC 7616 §3.9.1.
TEST(Digest, ExampleFromRfc7616Section3_9_1) {
    DigestAnswer answer{.username = "Mufasa",
                        .realm = "http-auth@example.org",
                        .nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                        .uri = "/dir/index.html",
                        .cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                        .nonce_count = "00000001",
                        .algorithm = DigestAlgorithm::Md5};
    EXPECT_EQ(digest_response(answer, "Circle of Life", "GET"), "8ca523f5e9506fed4657c9700eebdbec");
    answer.algorithm = DigestAlgorithm::Sha256;
    EXPECT_EQ(digest_response(answer, "Circle of Life", "GET"),
              "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
}

// RFC 2617 §3.5 without its qop would be RFC 2069; its own example is this one.
TEST(Digest, ExampleFromRfc2617Section3_5) {
    const DigestAnswer answer{.username = "Mufasa",
                              .realm = "testrealm@host.com",
                              .nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093",
                              .uri = "/dir/index.html",
                              .cnonce = "0a4f113b",
                              .nonce_count = "00000001"};
    EXPECT_EQ(digest_response(answer, "Circle Of Life", "GET"), "6629fae49393a05397450978507c4ef1");
}

const char* const kAnswer =
    "Digest username=\"a\\\"da\", realm=\"r,1\",nonce=\"n\" , uri=\"sip:a@b\", response=\"00\", "
    "algorithm=sha-256, qop=auth, nc=00000001, cnonce=\"c\"";

TEST(DigestAnswer, ReadsQuotedTextWithEscapesAndCommas) {
    const auto answer = parse_digest_answer(kAnswer);
    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->username, "a\"da");
    EXPECT_EQ(answer->realm, "r,1");
    EXPECT_EQ(answer->algorithm, DigestAlgorithm::Sha256);
    EXPECT_EQ(answer->nonce_count, "00000001");
}

TEST(DigestAnswer, IsNeverReadFromATruncation) {
    const std::string whole = kAnswer;
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(parse_digest_answer(whole.substr(0, size))) << whole.substr(0, size);
    }
}

TEST(DigestAnswer, RefusesWhatWeDidNotOffer) {
    EXPECT_EQ(parse_digest_answer("Basic YTpi").error().code, base::Errc::Unsupported);
    std::string text = kAnswer;
    text.replace(text.find("qop=auth"), 8, "qop=auth-int");
    EXPECT_EQ(parse_digest_answer(text).error().code, base::Errc::Unsupported);
    text = kAnswer;
    text.replace(text.find("sha-256"), 7, "MD5-sess");
    EXPECT_EQ(parse_digest_answer(text).error().code, base::Errc::Unsupported);
}

TEST(DigestAnswer, HasLimits) {
    std::string text = kAnswer;  // nine parameters
    for (std::size_t i = 9; i < kMaxDigestParameters; ++i) text += ",x=1";
    EXPECT_TRUE(parse_digest_answer(text));
    EXPECT_FALSE(parse_digest_answer(text + ",x=1"));
    const std::string edge = ", y=\"" + std::string(kMaxDigestValueBytes, 'y');
    EXPECT_TRUE(parse_digest_answer(kAnswer + edge + "\""));
    EXPECT_FALSE(parse_digest_answer(kAnswer + edge + "y\""));
}

TEST(DigestChallenge, TheFirstThatCanBeAnsweredIsAnswered) {
    const Message response =
        message_with("SIP/2.0 407 Who",
                     "Proxy-Authenticate: Digest realm=\"p\", nonce=\"1\", algorithm=SHA-512-256, "
                     "qop=\"auth\"\r\n"
                     "Proxy-Authenticate: Digest realm=\"p\", nonce=\"2\", algorithm=SHA-256, "
                     "qop=\"auth-int,auth\", opaque=\"o\"\r\n"
                     "Proxy-Authenticate: Digest realm=\"p\", nonce=\"3\"\r\n");
    const auto header = answer_challenge(response, kAda, "INVITE", "sip:a@b", "cc");
    ASSERT_TRUE(header);
    EXPECT_EQ(header->name, "Proxy-Authorization");
    const auto answer = parse_digest_answer(header->value);
    ASSERT_TRUE(answer) << header->value;
    EXPECT_EQ(answer->nonce, "2");
    EXPECT_NE(header->value.find("opaque=\"o\""), std::string::npos);
    EXPECT_EQ(answer->response, digest_response(*answer, "lace", "INVITE"));
}

TEST(DigestChallenge, OfAnOldServerHasNoQop) {
    const Message response =
        message_with("SIP/2.0 401 Who", "WWW-Authenticate: Digest realm=\"p\", nonce=\"3\"\r\n");
    const auto header = answer_challenge(response, kAda, "INVITE", "sip:a@b", "cc");
    ASSERT_TRUE(header);
    EXPECT_EQ(header->value.find("qop"), std::string::npos);
    EXPECT_FALSE(answer_challenge(message_with("SIP/2.0 401 Who", ""), kAda, "INVITE", "x", "c"));
    EXPECT_FALSE(answer_challenge(message_with("SIP/2.0 403 No", ""), kAda, "INVITE", "x", "c"));
}

class Guard : public testing::Test {
protected:
    Message challenged(base::TimePoint now = kStart) {
        return message_with("SIP/2.0 401 Who", lines(guard_.challenge(now, false)));
    }
    static std::string answer(const Message& challenge, const Credentials& credentials,
                              std::string_view method = "INVITE") {
        const auto header = answer_challenge(challenge, credentials, method, "sip:a@b", "cc");
        EXPECT_TRUE(header);
        return header ? header->name + ": " + header->value + "\r\n" : "";
    }
    // The same challenge again, with the next count.
    static std::string answer_again(const Message& challenge, std::string_view count) {
        const auto asked = parse_digest_challenge(challenge.all(HeaderId::WwwAuthenticate).front());
        DigestAnswer answer{.username = "ada",
                            .realm = asked->realm,
                            .nonce = asked->nonce,
                            .uri = "sip:a@b",
                            .cnonce = "cc",
                            .nonce_count = std::string{count},
                            .algorithm = asked->algorithm};
        return "Authorization: Digest username=\"ada\", realm=\"earshot\", nonce=\"" +
               answer.nonce + "\", uri=\"sip:a@b\", response=\"" +
               digest_response(answer, "lace", "INVITE") +
               "\", algorithm=SHA-256, qop=auth, cnonce=\"cc\", nc=" + answer.nonce_count + "\r\n";
    }
    Verdict judge(const std::string& headers, base::TimePoint now = kStart) {
        return guard_.judge(now, invite_with(headers), users_).verdict;
    }

    base::SeededRandom random_{1};
    DigestGuard guard_{"earshot", random_};
    std::vector<Credentials> users_{{"bo", "x"}, kAda, {"empty", ""}};
};

TEST_F(Guard, AdmitsTheRightPasswordAndNamesTheUser) {
    const auto judgement = guard_.judge(kStart, invite_with(answer(challenged(), kAda)), users_);
    EXPECT_EQ(judgement.verdict, Verdict::Accepted);
    EXPECT_EQ(judgement.username, "ada");
}

TEST_F(Guard, OffersSha256First) {
    const auto headers = guard_.challenge(kStart, true);
    ASSERT_EQ(headers.size(), 2U);
    EXPECT_NE(headers[0].value.find("algorithm=SHA-256"), std::string::npos);
    EXPECT_NE(headers[1].value.find("algorithm=MD5"), std::string::npos);
    EXPECT_NE(headers[0].value.find("stale=true"), std::string::npos);
}

TEST_F(Guard, TakesMd5OfOlderClients) {
    const auto headers = guard_.challenge(kStart, false);
    const Message only_md5 = message_with("SIP/2.0 401 Who", lines({headers[1]}));
    EXPECT_EQ(judge(answer(only_md5, kAda)), Verdict::Accepted);
}

TEST_F(Guard, RefusesWrongUsersPasswordsMethodsAndForgedNonces) {
    EXPECT_EQ(judge(""), Verdict::NoAnswer);
    EXPECT_EQ(judge("Authorization: Basic YTpi\r\n"), Verdict::NoAnswer);
    EXPECT_EQ(judge(answer(challenged(), {"ada", "wrong"})), Verdict::Wrong);
    EXPECT_EQ(judge(answer(challenged(), {"eve", "lace"})), Verdict::Wrong);
    EXPECT_EQ(judge(answer(challenged(), {"eve", ""})), Verdict::Wrong);
    EXPECT_EQ(judge(answer(challenged(), {"empty", ""})), Verdict::Wrong);
    EXPECT_EQ(judge(answer(challenged(), kAda, "OPTIONS")), Verdict::Wrong);
    // Right password, but the nonce is not ours: another run of the server made it.
    DigestGuard other("earshot", random_);
    const Message foreign = message_with("SIP/2.0 401 Who", lines(other.challenge(kStart, false)));
    EXPECT_EQ(judge(answer(foreign, kAda)), Verdict::Stale);
    EXPECT_EQ(guard_.used_nonces(), 0U);  // nothing is kept for those who fail
}

TEST_F(Guard, ANonceLivesItsTimeAndNoLonger) {
    const Message challenge = challenged();
    EXPECT_EQ(judge(answer(challenge, kAda), kStart + kNonceLifetime + 1s), Verdict::Stale);
    EXPECT_EQ(judge(answer(challenge, kAda), kStart + kNonceLifetime), Verdict::Accepted);
}

TEST_F(Guard, AReplayIsStaleAndTheNextCountIsNot) {
    const Message challenge = challenged();
    EXPECT_EQ(judge(answer(challenge, kAda)), Verdict::Accepted);
    EXPECT_EQ(judge(answer(challenge, kAda)), Verdict::Stale);
    EXPECT_EQ(judge(answer_again(challenge, "00000000")), Verdict::Stale);
    EXPECT_EQ(judge(answer_again(challenge, "00000003")), Verdict::Accepted);
    EXPECT_EQ(judge(answer_again(challenge, "00000002")), Verdict::Accepted);  // overtaken
    EXPECT_EQ(judge(answer_again(challenge, "00000002")), Verdict::Stale);
    EXPECT_EQ(judge(answer_again(challenge, "00000050")), Verdict::Accepted);
    EXPECT_EQ(judge(answer_again(challenge, "00000010")), Verdict::Stale);  // 64 back
    EXPECT_EQ(judge(answer_again(challenge, "00000011")), Verdict::Accepted);
    EXPECT_EQ(judge(answer_again(challenge, "1")), Verdict::Wrong);
}

TEST_F(Guard, UsedNoncesAreBoundedAndTheForgottenCannotBeReplayed) {
    const Message first = challenged();
    EXPECT_EQ(judge(answer(first, kAda)), Verdict::Accepted);
    for (std::size_t i = 1; i < kMaxUsedNonces; ++i) {
        EXPECT_EQ(judge(answer(challenged(kStart + 1s), kAda), kStart + 1s), Verdict::Accepted);
    }
    EXPECT_EQ(guard_.used_nonces(), kMaxUsedNonces);
    EXPECT_EQ(judge(answer(challenged(kStart + 1s), kAda), kStart + 1s), Verdict::Accepted);
    EXPECT_EQ(guard_.used_nonces(), kMaxUsedNonces);
    EXPECT_EQ(judge(answer_again(first, "00000002"), kStart + 1s), Verdict::Stale);
    EXPECT_EQ(judge(answer(challenged(kStart + 2s), kAda), kStart + 2s), Verdict::Accepted);
    EXPECT_EQ(guard_.used_nonces(), 1U);  // all of that second were forgotten
    EXPECT_EQ(judge(answer(challenged(kStart + 900s), kAda), kStart + 900s), Verdict::Accepted);
    EXPECT_EQ(guard_.used_nonces(), 1U);  // expired ones go by themselves
}

}  // namespace
}  // namespace earshot::sip
