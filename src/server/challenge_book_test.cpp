#include "server/challenge_book.h"

#include <gtest/gtest.h>

#include "server/limits.h"
#include "sip/parser.h"

namespace earshot::server {
namespace {

using namespace std::chrono_literals;

constexpr base::TimePoint kNow{1h};

sip::Message invite(const std::string& call_id, const std::string& tag = "1") {
    return std::move(
        sip::parse_message("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\n"
                           "From: <sip:d@e>;tag=" +
                           tag + "\r\nTo: <sip:a@b>\r\nCall-ID: " + call_id +
                           "\r\nCSeq: 1 INVITE\r\n\r\n")
            .message);
}

class ChallengeBookTest : public testing::Test {
protected:
    static bool is_outdated(const ChallengeBook& book, const std::string& row,
                            const std::string& outcome = "challenged") {
        return book.is_outdated({.id = row, .outcome = outcome});
    }

    base::NetAddress host_ = *base::parse_host("192.0.2.1", 5060);
    ChallengeBook book_;
};

TEST_F(ChallengeBookTest, TheAnswerGoesOnWithTheRowOfTheChallengeOnce) {
    book_.add(kNow, host_, invite("a"), "row");
    EXPECT_FALSE(is_outdated(book_, "row"));
    base::NetAddress other_port = host_;
    other_port.port = 5061;  // as a new TCP connection has it
    EXPECT_EQ(book_.take(kNow + 1s, other_port, invite("a")), "row");
    EXPECT_TRUE(is_outdated(book_, "row"));
    EXPECT_FALSE(is_outdated(book_, "row", "recorded"));
    EXPECT_FALSE(book_.take(kNow + 1s, host_, invite("a")));
}

TEST_F(ChallengeBookTest, AnotherCallTagOrHostIsAnAttemptOfItsOwn) {
    book_.add(kNow, host_, invite("a"), "row");
    EXPECT_FALSE(book_.take(kNow, host_, invite("b")));
    EXPECT_FALSE(book_.take(kNow, host_, invite("a", "2")));
    EXPECT_FALSE(book_.take(kNow, *base::parse_host("192.0.2.2", 5060), invite("a")));
    EXPECT_EQ(book_.take(kNow, host_, invite("a")), "row");
}

TEST_F(ChallengeBookTest, AChallengeThatIsRepeatedKeepsTheRow) {
    book_.add(kNow, host_, invite("a"), "row");
    EXPECT_EQ(book_.take(kNow, host_, invite("a")), "row");
    book_.add(kNow + 30s, host_, invite("a"), "row");  // the nonce was used up
    EXPECT_FALSE(is_outdated(book_, "row"));
    // The first entry ages out and leaves the second what is its own.
    ChallengeBook answered = book_;
    EXPECT_EQ(book_.take(kNow + kChallengeTime, host_, invite("a")), "row");
    EXPECT_EQ(answered.take(kNow + 31s, host_, invite("a")), "row");
    answered.add(kNow + kChallengeTime, host_, invite("b"), "other");
    EXPECT_TRUE(is_outdated(answered, "row"));
    answered.add(kNow + 30s + kChallengeTime, host_, invite("c"), "third");
    EXPECT_FALSE(is_outdated(answered, "row"));
}

TEST_F(ChallengeBookTest, ForgetsWhatIsOlderThanATransactionLives) {
    book_.add(kNow, host_, invite("a"), "row");
    book_.add(kNow + 1s, host_, invite("b"), "other");
    EXPECT_EQ(book_.take(kNow + kChallengeTime - 1ms, host_, invite("a")), "row");
    EXPECT_FALSE(book_.take(kNow + kChallengeTime + 1s, host_, invite("b")));
}

TEST_F(ChallengeBookTest, TheOldestMakesRoomAtTheLimit) {
    for (std::size_t i = 0; i < kMaxChallenges; ++i)
        book_.add(kNow, host_, invite(std::to_string(i)), std::to_string(i));
    ChallengeBook full = book_;
    EXPECT_EQ(full.take(kNow, host_, invite("0")), "0");  // it adds nothing: all have room
    book_.add(kNow, host_, invite("one more"), "one more");
    EXPECT_FALSE(book_.take(kNow, host_, invite("0")));
    EXPECT_EQ(book_.take(kNow, host_, invite("one more")), "one more");
}

}  // namespace
}  // namespace earshot::server
