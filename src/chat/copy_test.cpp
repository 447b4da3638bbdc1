#include "chat/copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "chat/limits.h"
#include "msrp/stream_parser.h"

namespace earshot::chat {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CopyTest : public testing::Test {
protected:
    CopyTest() { copy_.set_parties({"<sip:ana@a.example>", "<sip:ben@b.example>"}); }
    void connect() {
        copy_.set_server({.path = {*msrp::parse_uri("msrp://192.0.2.99:2855/server;tcp")},
                          .own = *msrp::parse_uri("msrp://192.0.2.1:2855/copy;tcp"),
                          .types = {.accept_types = "*"}},
                         true);
        copy_.on_connected();
        run();
    }
    void say(const std::string& text, const std::string& header = {}) {
        MessageFacts facts{.message_id = "msg00001", .content_type = "text/plain"};
        if (!header.empty()) facts.mime_headers.emplace_back("Content-Disposition", header);
        copy_.begin(now_, ++last_, facts);
        copy_.content(now_, last_, 0, base::as_bytes(text));
        copy_.end(last_, text.size());
    }
    // What goes to the server, which takes all and receipts nothing.
    std::vector<msrp::Head> run(int status = 200) {
        std::vector<msrp::Head> heads;
        for (std::string bytes = copy_.run(now_, kMaxQueuedBytes); !bytes.empty();
             bytes = copy_.run(now_, kMaxQueuedBytes)) {
            msrp::StreamParser parser;
            parser.feed(base::as_bytes(bytes));
            while (auto event = parser.poll_event())
                if (auto* head = std::get_if<msrp::Head>(&*event)) {
                    msrp::Head answer;
                    answer.transaction = head->transaction;
                    answer.status = status;
                    copy_.on_head(answer);
                    heads.push_back(std::move(*head));
                }
        }
        return heads;
    }
    std::vector<std::string> faults() {
        std::vector<std::string> codes;
        while (auto fault = copy_.poll_fault()) codes.push_back(fault->code);
        return codes;
    }

    base::Now now_{base::TimePoint{} + std::chrono::hours(1), base::wall_from_ns(0)};
    base::SeededRandom random_{5};
    CopyBudget budget_;
    Copy copy_{random_, budget_};
    Copy::MessageNumber last_ = 0;
};

TEST_F(CopyTest, WhatWaitsForItsReceiptMakesNoFurtherMessageDearer) {
    connect();
    const auto visits_of_hundred = [&] {
        const std::uint64_t before = copy_.visits();
        for (int i = 0; i < 100; ++i) {
            say("one of many");
            run();
        }
        return copy_.visits() - before;
    };
    const std::uint64_t first = visits_of_hundred();
    for (int i = 0; i < 10; ++i) visits_of_hundred();
    EXPECT_EQ(copy_.waiting(), 1100U);
    EXPECT_EQ(visits_of_hundred(), first);
}

TEST_F(CopyTest, HeadersAndNamesCountAsContentDoes) {
    const std::string header(kMaxMimeHeaderBytes, 'h');
    std::size_t taken = 0;
    while (taken <= kMaxCopyBytes / kMaxMimeHeaderBytes) {
        say("x", header);
        if (copy_.waiting() == taken) break;
        taken = copy_.waiting();
    }
    EXPECT_THAT(faults(), ElementsAre("copy_too_slow"));
    EXPECT_LT(taken, kMaxCopyBytes / kMaxMimeHeaderBytes);
    EXPECT_LE(copy_.kept_bytes(), kMaxCopyBytes);
    EXPECT_TRUE(copy_.is_full());
    EXPECT_EQ(budget_.used, copy_.kept_bytes());
    copy_.forget_all({"chat_not_taken", ""});
    EXPECT_THAT(faults(), testing::SizeIs(taken));  // each is told
    EXPECT_EQ(copy_.kept_bytes(), 0U);
    EXPECT_EQ(budget_.used, 0U);
}

// Of those that have left the oldest make way.
TEST_F(CopyTest, AServerThatReceiptsNothingStillGetsWhatComes) {
    connect();
    const std::string header(kMaxMimeHeaderBytes, 'h');
    const std::size_t count = 2 * kMaxCopyBytes / kMaxMimeHeaderBytes;
    std::size_t sent = 0;
    for (std::size_t i = 0; i < count; ++i) {
        say("x", header);
        sent += run().size();
    }
    EXPECT_EQ(sent, count);
    EXPECT_THAT(faults(), IsEmpty());
    EXPECT_FALSE(copy_.is_full());
    EXPECT_LE(copy_.kept_bytes(), kMaxCopyBytes + 2 * kMaxMimeHeaderBytes);
    EXPECT_GT(copy_.unreceipted(), copy_.waiting());
    EXPECT_EQ(copy_.unreceipted(), count);
}

// An error of the session is about all that the server had not taken: it must not count as there.
TEST_F(CopyTest, WhatAServerWithoutASessionDidNotTakeIsToldWhenItIsNotKept) {
    for (const int status : {200, 481}) {
        SCOPED_TRACE(status);
        connect();
        say(std::string(kMaxCopyBytes - 65536, 'x'));
        std::string transaction;
        for (std::string bytes = copy_.run(now_, kMaxQueuedBytes); !bytes.empty();
             bytes = copy_.run(now_, kMaxQueuedBytes))
            transaction = bytes.substr(5, bytes.find(' ', 5) - 5);
        say(std::string(131072, 'y'));  // what has left of the first is forgotten
        msrp::Head answer;
        answer.transaction = transaction;
        answer.status = status;
        copy_.on_head(answer);
        copy_.run(now_, 0);
        EXPECT_EQ(copy_.take_server_lost(), status != 200);
        copy_.on_connection_lost();
        EXPECT_THAT(faults(), ElementsAre(status == 200 ? "not_receipted" : "copy_not_repeated"));
        copy_.forget_all({"chat_not_taken", ""});
        EXPECT_THAT(faults(), ElementsAre("chat_not_taken"));
    }
}

// One is open, with octets behind a hole: what comes of it later fits in.
TEST_F(CopyTest, ItTakesOverWhatAnotherHasFollowedOfASideOrOfBoth) {
    Copy early(random_, budget_);
    const auto begin = [&](Side from) {
        early.begin(now_, ++last_, {.from = from, .content_type = "text/plain"});
    };
    begin(Side::B);
    early.content(now_, last_, 0, base::as_bytes("whole"));
    early.end(last_, 5);
    begin(Side::A);
    early.content(now_, last_, 0, base::as_bytes("one "));
    early.content(now_, last_, 8, base::as_bytes("three"));
    const std::size_t kept = early.kept_bytes();
    copy_.take(early, std::nullopt);
    EXPECT_EQ(copy_.waiting(), 2U);
    EXPECT_EQ(copy_.kept_bytes(), kept);
    EXPECT_EQ(budget_.used, kept + copy_.kept_bytes());
    copy_.content(now_, last_, 4, base::as_bytes("two "));
    copy_.end(last_, 13);
    connect();
    EXPECT_EQ(copy_.waiting(), 2U);
    Copy of_a(random_, budget_);
    of_a.take(early, Side::A);
    EXPECT_EQ(of_a.waiting(), 1U);
}

// What is given at once is bounded: a connection takes no more.
TEST_F(CopyTest, NoMoreLeavesAtOnceThanThereIsRoomFor) {
    connect();
    say(std::string(std::size_t{2} << 20, 'x'));
    std::size_t total = 0;
    for (std::string bytes = copy_.run(now_, 65536); !bytes.empty();
         bytes = copy_.run(now_, 65536)) {
        EXPECT_LT(bytes.size(), 65536U + 2 * msrp::kChunkBytes);
        total += bytes.size();
    }
    EXPECT_GT(total, std::size_t{2} << 20);
    EXPECT_THAT(copy_.run(now_, 0), IsEmpty());
}

}  // namespace
}  // namespace earshot::chat
