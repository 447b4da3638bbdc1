// The sender against the receiver: what is given is what comes out, whatever the sizes and cuts.
#include "msrp/sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "msrp/limits.h"
#include "msrp/receiver.h"

namespace earshot::msrp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Uri kPeer = *parse_uri("msrp://srs.example:2855/9dQe4wTz0k;tcp");
const Uri kOwn = *parse_uri("msrp://src.example:49200/Kc7t2vQm9x;tcp");

MessageSpec message(std::string id, std::string_view type = "text/plain") {
    return {.to = {kPeer},
            .own = kOwn,
            .message_id = std::move(id),
            .content_type = std::string(type),
            .size = std::nullopt,
            .success_report = true};
}

class AnySession : public Sessions {
public:
    std::optional<Found> find(const Uri& to) override {
        if (!is_same(to, kPeer)) return std::nullopt;
        return Found{.session = 1, .own = kPeer, .max_bytes = max_bytes};
    }
    std::uint64_t max_bytes = 10'000'000;
};

// A sender and a receiver with a pair of pipes between, that cut as `cut` says.
struct Pair {
    base::SeededRandom random{3};
    AnySession sessions;
    Receiver receiver{sessions, random};
    Sender sender{random};
    StreamParser answers;
    std::map<OutgoingNumber, std::string> given;
    std::map<MessageNumber, std::string> taken;
    std::vector<std::string> told;
    std::size_t cut = 999;
    std::size_t give_at_most = kChunkBytes;
    base::TimePoint now{};

    OutgoingNumber send(MessageSpec spec, std::string content) {
        const OutgoingNumber number = sender.begin(std::move(spec));
        given[number] = std::move(content);
        return number;
    }
    void run() {
        while (auto action = sender.poll_action()) {
            std::visit([&](auto& what) { on(what); }, *action);
        }
    }
    void on(const WantContent& want) {
        const std::string_view rest = std::string_view(given.at(want.message)).substr(want.offset);
        const std::string_view piece = rest.substr(0, std::min(want.max_bytes, give_at_most));
        sender.give(now, want.message, base::as_bytes(piece), piece.size() == rest.size());
    }
    void on(const Outgoing& outgoing) {
        std::string_view rest = outgoing.bytes;
        while (!rest.empty()) {
            receiver.on_bytes(base::as_bytes(rest.substr(0, cut)));
            rest.remove_prefix(std::min(cut, rest.size()));
            while (auto action = receiver.poll_action()) take(*action);
        }
    }
    void take(const ReceiverAction& action) {
        if (const auto* content = std::get_if<MessageContent>(&action)) {
            EXPECT_EQ(taken[content->message].size(), content->offset);
            taken[content->message] += base::as_text(content->bytes);
        } else if (const auto* end = std::get_if<EndMessage>(&action)) {
            if (end->how == EndMessage::How::Complete) receiver.on_durable(end->message);
            told.push_back(std::string(to_string(end->how)));
        } else if (const auto* back = std::get_if<SendBytes>(&action)) {
            answers.feed(base::as_bytes(back->bytes));
            while (auto event = answers.poll_event()) {
                const auto* head = std::get_if<Head>(&*event);
                if (head == nullptr) continue;
                head->is_request() ? sender.on_report(*head) : sender.on_response(*head);
            }
        }
    }
    void on(const Sent& sent) { told.push_back("sent " + std::to_string(sent.message)); }
    void on(const Confirmed& sent) { told.push_back("confirmed " + std::to_string(sent.message)); }
    void on(const Failed& failed) {
        told.push_back("failed " + std::to_string(failed.message) + " " +
                       std::to_string(failed.status));
    }
};

TEST(MsrpSender, DeliversAMessageAndHearsThatItIsDurable) {
    Pair pair;
    pair.send(message("m001"), "Slide 4 has the old figures.");
    pair.run();
    EXPECT_THAT(pair.taken, ElementsAre(testing::Pair(1, "Slide 4 has the old figures.")));
    EXPECT_THAT(pair.told, ElementsAre("complete", "sent 1", "confirmed 1"));
    EXPECT_EQ(pair.sender.unfinished(), 0U);
    EXPECT_FALSE(pair.sender.deadline());
}

TEST(MsrpSender, DeliversContentOfAnySizeInAnyPieces) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{2048}, std::size_t{2049}, kChunkBytes,
          kChunkBytes + 1, 3 * kChunkBytes}) {
        for (const std::size_t cut : {std::size_t{1}, std::size_t{777}, std::size_t{1'000'000}}) {
            Pair pair;
            pair.cut = cut;
            pair.give_at_most = size > 5000 ? kChunkBytes : 7;
            std::string content(size, '-');
            for (std::size_t i = 0; i < size; i += 5) content[i] = i % 2 == 0 ? '\r' : '\n';
            MessageSpec spec = message("m001");
            if (size % 2 == 0) spec.size = size;
            pair.send(std::move(spec), content);
            pair.run();
            EXPECT_THAT(pair.told, ElementsAre("complete", "sent 1", "confirmed 1")) << size;
            EXPECT_EQ(pair.taken[1], content) << size;
        }
    }
}

TEST(MsrpSender, LetsAShortMessageThroughBetweenTheChunksOfALongOne) {
    Pair pair;
    const auto file = pair.send(message("file"), std::string(5 * kChunkBytes, 'f'));
    const auto chat = pair.send(message("chat"), "hello");
    pair.run();
    EXPECT_EQ(pair.told, (std::vector<std::string>{"complete", "sent " + std::to_string(chat),
                                                   "confirmed " + std::to_string(chat), "complete",
                                                   "sent " + std::to_string(file),
                                                   "confirmed " + std::to_string(file)}));
}

TEST(MsrpSender, StopsWhatIsRefused) {
    Pair pair;
    pair.sessions.max_bytes = 2 * kChunkBytes;
    pair.send(message("file"), std::string(50 * kChunkBytes, 'f'));
    pair.run();
    EXPECT_THAT(pair.told, ElementsAre("too_large", "failed 1 413"));
    EXPECT_EQ(pair.sender.unfinished(), 0U);
}

TEST(MsrpSender, FailsAfter30SecondsWithoutAnAnswer) {
    base::SeededRandom random(1);
    Sender sender(random);
    const auto number = sender.begin(message("m001"));
    ASSERT_TRUE(std::holds_alternative<WantContent>(*sender.poll_action()));
    const base::TimePoint begin{};
    sender.give(begin, number, base::as_bytes("hello"), true);
    ASSERT_TRUE(std::holds_alternative<Outgoing>(*sender.poll_action()));
    EXPECT_EQ(*sender.deadline(), begin + kResponseTime);
    sender.on_time(begin + kResponseTime - std::chrono::milliseconds(1));
    EXPECT_FALSE(sender.poll_action());
    sender.on_time(begin + kResponseTime);
    const auto failed = sender.poll_action();
    ASSERT_TRUE(failed);
    EXPECT_EQ(std::get<Failed>(*failed).status, 408);
    EXPECT_FALSE(sender.deadline());
}

TEST(MsrpSender, WaitsForNoAnswerWhereNoneWasAskedFor) {
    base::SeededRandom random(1);
    Sender sender(random);
    MessageSpec spec = message("m001");
    spec.success_report = false;
    spec.failure_report = FailureReport::No;
    const auto number = sender.begin(spec);
    static_cast<void>(sender.poll_action());
    sender.give({}, number, base::as_bytes("hello"), true);
    EXPECT_THAT(std::get<Outgoing>(*sender.poll_action()).bytes,
                HasSubstr("Byte-Range: 1-5/5\r\nFailure-Report: no\r\n"));
    EXPECT_TRUE(std::holds_alternative<Sent>(*sender.poll_action()));
    EXPECT_FALSE(sender.poll_action());
}

TEST(MsrpSender, EndsWhatItGivesUpByAHash) {
    Pair pair;
    pair.give_at_most = 100;
    const auto number = pair.sender.begin(message("m001"));
    pair.given[number] = std::string(1000, 'x');
    auto want = pair.sender.poll_action();
    pair.on(std::get<WantContent>(*want));
    auto chunk = pair.sender.poll_action();
    pair.on(std::get<Outgoing>(*chunk));
    pair.sender.abort(number);
    pair.run();
    EXPECT_THAT(pair.told, ElementsAre("aborted", "failed 1 0"));
}

TEST(MsrpSender, AsksForNothingWhileTheSocketTakesNoMore) {
    Pair pair;
    pair.sender.set_may_send(false);
    pair.send(message("m001"), "hello");
    EXPECT_FALSE(pair.sender.poll_action());
    pair.sender.set_may_send(true);
    pair.run();
    EXPECT_EQ(pair.told.back(), "confirmed 1");
}

TEST(MsrpSender, BindsASessionByASendWithoutContent) {
    Pair pair;
    MessageSpec spec = message("m001", "");
    spec.success_report = false;
    spec.size = 0;
    pair.send(std::move(spec), "");
    pair.run();
    EXPECT_THAT(pair.told, ElementsAre("sent 1"));
    EXPECT_TRUE(pair.taken.empty());
}

TEST(MsrpSender, FailsByAFailureReport) {
    Pair pair;
    pair.sender.set_may_send(true);
    MessageSpec spec = message("m001");
    spec.failure_report = FailureReport::Partial;
    const auto number = pair.sender.begin(spec);
    static_cast<void>(pair.sender.poll_action());
    pair.sender.give({}, number, base::as_bytes("hello"), true);
    static_cast<void>(pair.sender.poll_action());
    Head report;
    report.method = "REPORT";
    report.to_path = {kOwn};
    report.message_id = "m001";
    report.report_status = ReportStatus{.code = 408, .comment = "downstream"};
    pair.run();
    pair.sender.on_report(report);
    pair.run();
    EXPECT_EQ(pair.told.back(), "failed 1 408");
}

}  // namespace
}  // namespace earshot::msrp
