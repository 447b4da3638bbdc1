#include "msrp/relay_login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "msrp/stream_parser.h"

namespace earshot::msrp {
namespace {

using testing::HasSubstr;
using testing::Not;

class MsrpRelayLogin : public testing::Test {
protected:
    static Head head_of(const std::string& bytes) {
        StreamParser parser;
        parser.feed(base::as_bytes(bytes));
        return std::get<Head>(*parser.poll_event());
    }
    // What the relay says to what was asked last.
    RelayLogin::Step answer(const std::string& status, const std::string& headers = {}) {
        const std::string transaction = head_of(asked_).transaction;
        const auto step = login_.on_response(
            head_of("MSRP " + transaction + " " + status + "\r\nTo-Path: " + to_string(own_) +
                    "\r\nFrom-Path: " + to_string(relay_) + "\r\n" + headers + "-------" +
                    transaction + "$\r\n"));
        EXPECT_TRUE(step);
        if (const auto* ask = std::get_if<RelayLogin::Ask>(&*step)) asked_ = ask->bytes;
        return *step;
    }

    const Uri relay_ = *parse_uri("msrps://alice@intra.example.com;tcp");
    const Uri own_ = *parse_uri("msrps://alicepc.example.com:9892/98cjs;tcp");
    base::SeededRandom random_{1};
    std::string challenge_;
    std::string credentials_ = "Digest username=\"Alice\"";
    RelayLogin login_{relay_, own_,
                      [this](std::string_view challenge, std::string_view, std::string_view) {
                          challenge_ = challenge;
                          return credentials_;
                      },
                      random_};
    std::string asked_ = login_.begin().bytes;
};

// RFC 4976 section 5.1: without credentials first, then with those for the challenge.
TEST_F(MsrpRelayLogin, AsksWithCredentialsWhenItIsChallenged) {
    EXPECT_THAT(asked_, HasSubstr(" AUTH\r\nTo-Path: msrps://intra.example.com;tcp\r\n"));
    EXPECT_THAT(asked_, Not(HasSubstr("Authorization")));
    answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"intra.example.com\"\r\n");
    EXPECT_EQ(challenge_, "Digest realm=\"intra.example.com\"");
    EXPECT_THAT(asked_, HasSubstr("Authorization: Digest username=\"Alice\"\r\n"));
    const auto step = answer("200 OK",
                             "Use-Path: msrps://intra.example.com:9000/jui787s2f;tcp "
                             "msrps://extra.example.com:9000/mnbvw34;tcp\r\nExpires: 900\r\n");
    const auto& session = std::get<RelayLogin::LoggedIn>(step);
    EXPECT_EQ(session.lifetime, std::chrono::seconds{900});
    EXPECT_EQ(to_string(path_to_tell(session.use_path, own_)),
              "msrps://extra.example.com:9000/mnbvw34;tcp "
              "msrps://intra.example.com:9000/jui787s2f;tcp "
              "msrps://alicepc.example.com:9892/98cjs;tcp");
    EXPECT_EQ(to_string(path_to_peer(session.use_path, {own_})),
              "msrps://intra.example.com:9000/jui787s2f;tcp "
              "msrps://extra.example.com:9000/mnbvw34;tcp "
              "msrps://alicepc.example.com:9892/98cjs;tcp");
}

TEST_F(MsrpRelayLogin, SendsRefusedCredentialsNotAgain) {
    answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"a\"\r\n");
    answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"a\", stale=TRUE\r\n");
    const auto step = answer("401 No", "WWW-Authenticate: Digest realm=\"a\"\r\n");
    EXPECT_EQ(std::get<RelayLogin::Refused>(step).status, 401);
    EXPECT_EQ(std::get<RelayLogin::Refused>(step).comment, "No");
}

TEST_F(MsrpRelayLogin, HasNoCredentialsForEveryChallenge) {
    credentials_.clear();
    EXPECT_EQ(std::get<RelayLogin::Refused>(answer("401 Unauthorized")).status, 401);
}

TEST_F(MsrpRelayLogin, AsksForWhatTheRelayAllows) {
    answer("423 Interval Out-of-Bounds", "Max-Expires: 600\r\n");
    EXPECT_THAT(asked_, HasSubstr("Expires: 600\r\n"));
    // Bounds that change nothing would go on for ever.
    EXPECT_EQ(std::get<RelayLogin::Refused>(answer("423 No", "Max-Expires: 600\r\n")).status, 423);
}

TEST_F(MsrpRelayLogin, GivesUpAtLast) {
    for (int i = 1; i < kMaxRelayTries; ++i)
        answer("401 Unauthorized", "WWW-Authenticate: Digest realm=\"a\", stale=true\r\n");
    const auto step = answer("401 Still", "WWW-Authenticate: Digest realm=\"a\", stale=true\r\n");
    EXPECT_EQ(std::get<RelayLogin::Refused>(step).comment, "Still");
}

TEST_F(MsrpRelayLogin, TakesNoOtherAnswerForItsOwn) {
    EXPECT_FALSE(login_.on_response(head_of("MSRP other123 200 OK\r\nTo-Path: " + to_string(own_) +
                                            "\r\nFrom-Path: " + to_string(relay_) +
                                            "\r\n-------other123$\r\n")));
    EXPECT_EQ(std::get<RelayLogin::Refused>(answer("200 OK")).status, 0);  // without Use-Path
}

}  // namespace
}  // namespace earshot::msrp
