#include "msrp/receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "msrp/limits.h"
#include "msrp/wire_example.h"

namespace earshot::msrp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kOurs = "msrp://srs.example:2855/9dQe4wTz0k;tcp";
const std::string kTheirs = "msrp://src.example:49200/Kc7t2vQm9x;tcp";

class OneSession : public Sessions {
public:
    std::optional<Found> find(const Uri& to) override {
        if (!is_same(to, *parse_uri(kOurs))) return std::nullopt;
        return found;
    }
    Found found{.session = 7, .own = *parse_uri(kOurs), .max_bytes = 100};
};

std::string send(std::string_view id, std::string_view range, std::string_view body, char flag,
                 std::string_view more = "") {
    const std::string transaction =
        "t" +
        std::to_string(std::hash<std::string>{}(std::string(id) + std::string(range)) % 1000000000);
    std::string text = "MSRP " + transaction + " SEND\r\nTo-Path: " + kOurs + "\r\nFrom-Path: ";
    text.append(kTheirs).append("\r\nMessage-ID: ").append(id).append("\r\n");
    if (!range.empty()) text.append("Byte-Range: ").append(range).append("\r\n");
    text.append(more).append("Content-Type: text/plain\r\n\r\n").append(body);
    return text + "\r\n-------" + transaction + flag + "\r\n";
}

struct Recorder {
    OneSession sessions;
    base::SeededRandom random{1};
    Receiver receiver{sessions, random};
    std::string sent;
    std::vector<std::string> told;
    std::map<MessageNumber, std::string> content;

    void take(std::string_view text) {
        receiver.on_bytes(base::as_bytes(text));
        drain();
    }
    void drain() {
        while (auto action = receiver.poll_action()) {
            std::visit([&](auto& what) { on(what); }, *action);
        }
    }
    void on(const SendBytes& what) { sent += what.bytes; }
    void on(const BindSession& what) { told.push_back("bind " + std::to_string(what.session)); }
    void on(const BeginMessage& what) {
        told.push_back("begin " + what.head.message_id + (what.is_repeated ? " repeated" : ""));
        content[what.message];
    }
    void on(const MessageContent& what) {
        std::string& text = content.at(what.message);
        text.resize(std::max<std::size_t>(text.size(), what.offset + what.bytes.size()), '.');
        text.replace(what.offset, what.bytes.size(), base::as_text(what.bytes));
    }
    void on(const EndMessage& what) {
        told.push_back(content.at(what.message) + " " + std::string(to_string(what.how)));
    }
    void on(const OtherRequest& what) { told.push_back(what.head.method + " " + what.body); }
    void on(const ResponseCame& what) { told.push_back(std::to_string(what.head.status)); }
    void on(const CloseConnection& what) { told.push_back("close " + std::string(what.reason)); }
    std::vector<std::string> take_told() { return std::exchange(told, {}); }
    std::string take_sent() { return std::exchange(sent, {}); }
};

TEST(MsrpReceiver, TakesAMessageAndAnswersIt) {
    Recorder recorder;
    recorder.take(send("m001", "1-5/5", "hello", '$'));
    EXPECT_THAT(recorder.told, ElementsAre("bind 7", "begin m001", "hello complete"));
    EXPECT_THAT(recorder.sent,
                HasSubstr(" 200 OK\r\nTo-Path: " + kTheirs + "\r\nFrom-Path: " + kOurs));
    EXPECT_EQ(recorder.receiver.open_messages(), 0U);
}

TEST(MsrpReceiver, ReportsSuccessWhenTheMessageIsDurableAndNotBefore) {
    Recorder recorder;
    recorder.take(send("m001", "1-5/5", "hello", '$', "Success-Report: yes\r\n"));
    EXPECT_EQ(recorder.take_sent().find("REPORT"), std::string::npos);
    recorder.receiver.on_durable(1);
    recorder.drain();
    const std::string report = recorder.take_sent();
    EXPECT_THAT(report, HasSubstr(" REPORT\r\nTo-Path: " + kTheirs + "\r\nFrom-Path: " + kOurs));
    EXPECT_THAT(report,
                HasSubstr("Message-ID: m001\r\nByte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n"));
    recorder.receiver.on_durable(1);
    recorder.drain();
    EXPECT_EQ(recorder.sent, "");
    recorder.take(send("m002", "1-5/5", "hello", '$'));
    recorder.take_sent();
    recorder.receiver.on_durable(2);  // nobody asked for it
    recorder.drain();
    EXPECT_EQ(recorder.sent, "");
}

TEST(MsrpReceiver, PutsChunksTogetherInWhateverOrderTheyCome) {
    Recorder recorder;
    recorder.take(send("m001", "7-*/11", "world", '$'));
    EXPECT_THAT(recorder.take_told(), ElementsAre("bind 7", "begin m001"));
    recorder.take(send("m001", "1-*/*", "hello", '+'));
    EXPECT_THAT(recorder.take_told(), IsEmpty());
    recorder.take(send("m001", "4-*/11", "LO ", '+'));  // overlaps: the last one wins
    EXPECT_THAT(recorder.take_told(), ElementsAre("helLO world complete"));
}

TEST(MsrpReceiver, TellsWhatTheSenderGaveUp) {
    Recorder recorder;
    recorder.take(send("m001", "1-*/90", "hel", '+') + send("m001", "4-*/90", "lo", '#'));
    EXPECT_THAT(recorder.told, ElementsAre("bind 7", "begin m001", "hello aborted"));
}

TEST(MsrpReceiver, RefusesWhatIsTooLargeBeforeAllOfItHasCome) {
    Recorder recorder;
    recorder.take(send("m001", "1-*/5000000000000", "x", '+'));
    EXPECT_THAT(recorder.take_told(), ElementsAre("bind 7", "begin m001", " too_large"));
    EXPECT_THAT(recorder.take_sent(), HasSubstr(" 413 "));

    const std::string most(100, 'x');
    recorder.take(send("m002", "", most, '$'));
    EXPECT_THAT(recorder.take_told(), ElementsAre("begin m002", most + " complete"));
    recorder.take_sent();
    const std::string more = send("m003", "", most + "x", '$');
    recorder.take(more.substr(0, more.size() - 22));
    EXPECT_THAT(recorder.take_sent(), HasSubstr(" 413 "));
    recorder.take(more.substr(more.size() - 22));
    EXPECT_EQ(recorder.take_sent(), "");
    EXPECT_EQ(recorder.receiver.open_messages(), 0U);
}

TEST(MsrpReceiver, AnswersWhatItCannotTakeAndGoesOn) {
    Recorder recorder;
    std::string wrong = send("m001", "1-5/5", "hello", '$');
    wrong.replace(wrong.find("9dQe4wTz0k"), 10, "9dQe4wTz0K");
    recorder.take(wrong);
    EXPECT_THAT(recorder.take_sent(), HasSubstr(" 481 "));
    recorder.take(send("m001", "0-5/5", "hello", '$'));
    EXPECT_THAT(recorder.take_sent(), HasSubstr(" 400 malformed Byte-Range"));
    recorder.sessions.found.is_elsewhere = true;
    recorder.take(send("m001", "1-5/5", "hello", '$'));
    EXPECT_THAT(recorder.take_sent(), HasSubstr(" 506 "));
    EXPECT_THAT(recorder.told, IsEmpty());
    recorder.sessions.found.is_elsewhere = false;
    recorder.take(send("m001", "1-5/5", "hello", '$'));
    recorder.sessions.found.is_elsewhere = true;  // by this connection
    recorder.take(send("m002", "1-5/5", "hello", '$'));
    EXPECT_EQ(recorder.told.back(), "hello complete");
}

TEST(MsrpReceiver, AnswersAsFailureReportWants) {
    Recorder recorder;
    recorder.take(send("m001", "1-1/1", "a", '$', "Failure-Report: no\r\n"));
    recorder.take(send("m002", "1-1/1", "a", '$', "Failure-Report: partial\r\n"));
    EXPECT_EQ(recorder.take_sent(), "");
    recorder.take(send("m003", "1-1/999", "a", '$', "Failure-Report: no\r\n"));
    EXPECT_EQ(recorder.take_sent(), "");
    recorder.take(send("m004", "1-1/999", "a", '$', "Failure-Report: partial\r\n"));
    EXPECT_THAT(recorder.take_sent(), HasSubstr(" 413 "));
}

TEST(MsrpReceiver, TellsOtherRequestsAndAnswersThemBy501ButReports) {
    Recorder recorder;
    const std::string paths = "To-Path: " + kOurs + "\r\nFrom-Path: " + kTheirs + "\r\n";
    recorder.take("MSRP abcd1234 NICKNAME\r\n" + paths +
                  "Use-Nickname: \"x\"\r\n-------abcd1234$\r\n");
    EXPECT_THAT(recorder.take_sent(), HasSubstr("MSRP abcd1234 501 "));
    recorder.take("MSRP abcd1235 REPORT\r\n" + paths +
                  "Message-ID: m001\r\nStatus: 000 408 late\r\nContent-Type: a/b\r\n\r\nwhy\r\n"
                  "-------abcd1235$\r\n");
    EXPECT_EQ(recorder.take_sent(), "");
    EXPECT_THAT(recorder.told, ElementsAre("bind 7", "NICKNAME ", "REPORT why"));
    recorder.take("MSRP abcd1236 200 OK\r\n" + paths + "-------abcd1236$\r\n");
    EXPECT_EQ(recorder.told.back(), "200");
}

TEST(MsrpReceiver, BindsBySendsWithoutContent) {
    Recorder recorder;
    std::string text = send("m001", "1-0/0", "", '$');
    text.replace(text.find("Content-Type: text/plain\r\n\r\n\r\n"), 30, "");
    recorder.take(text);
    EXPECT_THAT(recorder.told, ElementsAre("bind 7"));
    EXPECT_THAT(recorder.sent, HasSubstr(" 200 OK"));

    recorder.take_sent();
    recorder.receiver.send_empty(*parse_uri(kOurs), *parse_path(kTheirs));
    recorder.drain();
    Recorder peer;
    peer.sessions.found.own = *parse_uri(kOurs);
    EXPECT_THAT(recorder.sent, HasSubstr(" SEND\r\nTo-Path: " + kTheirs));
    EXPECT_THAT(recorder.sent, HasSubstr("Byte-Range: 1-0/0\r\n-------"));
}

TEST(MsrpReceiver, KnowsAMessageThatIsSentAgain) {
    Recorder recorder;
    recorder.take(send("m001", "", "a", '$') + send("m001", "", "a", '$'));
    EXPECT_THAT(recorder.told, ElementsAre("bind 7", "begin m001", "a complete",
                                           "begin m001 repeated", "a complete"));
}

TEST(MsrpReceiver, CutsWhatIsUnderWayAtAPause) {
    Recorder recorder;
    recorder.take(send("m001", "1-*/9", "before", '+'));
    const std::string rest = send("m001", "7-9/9", "now", '$');
    recorder.take(rest.substr(0, rest.size() - 20));
    recorder.sessions.found.takes_content = false;
    recorder.receiver.on_paused(7);
    recorder.drain();
    recorder.take(rest.substr(rest.size() - 20) + send("m002", "", "secret", '$'));
    EXPECT_THAT(recorder.told, ElementsAre("bind 7", "begin m001", testing::EndsWith(" cut")));
    EXPECT_EQ(recorder.content.size(), 1U);
    EXPECT_EQ(recorder.content.at(1).find("secret"), std::string::npos);
}

TEST(MsrpReceiver, LosesWhatIsOpenWithItsSessionOrConnection) {
    Recorder recorder;
    recorder.take(send("m001", "1-*/9", "before", '+'));
    recorder.receiver.on_session_ended(7);
    recorder.drain();
    EXPECT_EQ(recorder.told.back(), "before lost");
    recorder.take(send("m002", "1-*/9", "again", '+') + "rubbish\r\n");
    EXPECT_EQ(recorder.told.back(), "close not an MSRP start line");
    recorder.take(send("m003", "", "a", '$'));
    EXPECT_EQ(recorder.content.size(), 2U);
}

TEST(MsrpReceiver, HasALimitOfOpenMessages) {
    Recorder recorder;
    for (std::size_t i = 0; i < kMaxOpenMessages; ++i) {
        recorder.take(send("m" + std::to_string(1000 + i), "1-*/9", "a", '+'));
    }
    EXPECT_EQ(recorder.take_sent().find(" 413 "), std::string::npos);
    recorder.take(send("over", "1-*/9", "a", '+'));
    EXPECT_THAT(recorder.take_sent(), HasSubstr(" 413 "));
    EXPECT_EQ(recorder.receiver.open_messages(), kMaxOpenMessages);
    recorder.take(send("m1000", "2-9/9", "bcdefghi", '$') + send("over", "1-*/9", "a", '+'));
    EXPECT_EQ(recorder.take_sent().find(" 413 "), std::string::npos);
}

// docs/msrp-recording.md: the receipt is that of the message before it.
TEST(MsrpReceiver, ReceiptsTheExampleOfTheDocument) {
    class Server : public Sessions {
    public:
        std::optional<Found> find(const Uri& to) override {
            if (!is_same(to, own)) return std::nullopt;
            return Found{.session = 1, .own = own, .max_bytes = 1000};
        }
        Uri own = *parse_uri("msrps://192.0.2.20:2855/9dQe4wTz0k;tcp");
    };
    Server server;
    base::SeededRandom random{1};
    Receiver receiver{server, random};
    std::string sent;
    const auto drain = [&] {
        sent.clear();
        while (auto action = receiver.poll_action())
            if (const auto* bytes = std::get_if<SendBytes>(&*action)) sent += bytes->bytes;
    };
    const std::string message = wire_example("wrapper");
    receiver.on_bytes(base::as_bytes(message));
    drain();
    EXPECT_THAT(sent, HasSubstr("MSRP d8K2m0x7 200 OK\r\n"));
    receiver.on_durable(1);
    drain();
    // Each has a transaction of its own.
    std::string told = wire_example("receipt");
    ASSERT_GT(told.size(), 13U);
    const std::string transaction = sent.substr(5, sent.find(' ', 5) - 5);
    for (std::size_t at = 0; (at = told.find("p4Hs81Zc", at)) != std::string::npos;)
        told.replace(at, 8, transaction);
    EXPECT_EQ(sent, told);
}

}  // namespace
}  // namespace earshot::msrp
