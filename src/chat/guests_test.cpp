#include "chat/guests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "chat/chat_test_rig.h"
#include "chat/desk.h"

namespace earshot::chat {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr SessionId kSession = 9;
constexpr CopyKey kCopy{.session = kSession, .subscription = 1};
const std::string kRoom = "sip:conf-1@conf.example";
const std::string kUs = "sip:recorder@desk.example";
const std::string kAna = "sip:ana@desk.example";
const std::string kOwn = "msrp://192.0.2.1:2855/guest;tcp";
const std::string kFocus = "msrp://192.0.2.9:7000/focus;tcp";
const std::string kRelay = "msrp://192.0.2.5:2855;tcp";
const std::string kUsePath = "msrp://192.0.2.5:2855/u7;tcp";

std::string cpim(const std::string& from, const std::string& to, const std::string& text) {
    return "From: " + from + "\r\nTo: <" + to +
           ">\r\n\r\nContent-Type: text/plain;charset=utf-8\r\n\r\n" + text;
}

struct Chunk {
    std::string body{};
    std::string type{"message/cpim"};
    std::string id{"msg00001"};
    std::string more{};
    char flag = '$';
    std::string method{"SEND"};
    std::string to{kOwn};
    std::string from{kFocus};
};

class GuestsTest : public testing::Test {
protected:
    // The copy goes to a server that takes the wrapper; what it was sent is text.
    GuestsTest() {
        desk_.copies().open(now_, kCopy, {.parties = {"<" + kUs + ">", "<" + kRoom + ">"}});
        desk_.copies().answer(
            now_, kCopy,
            CopyAnswer{.server = {.path = {uri("msrp://192.0.2.99:2855/rec;tcp")},
                                  .own = uri("msrp://192.0.2.1:2855/copy;tcp"),
                                  .types = {.accept_types = "application/msrp-recording *"},
                                  .max_bytes = std::nullopt},
                       .connect_to = *base::parse_net_address("192.0.2.99:2855")});
        server_ = wires_.last;
        desk_.on_open(now_, server_);
        wires_.take(server_);
        wires_.connected_to.clear();
    }
    GuestSetup setup(const std::string& focus = kFocus) const {
        return {.own = uri(kOwn),
                .peer = {.path = {uri(focus)},
                         .connect_to = *base::parse_net_address("192.0.2.9:7000"),
                         .fingerprints = {},
                         .accept_types = "message/cpim",
                         .address = {}},
                .address = kUs,
                .room = kRoom,
                .max_bytes = 2000};
    }
    void begin() {
        desk_.guests().set(now_, kSession, setup());
        connection_ = wires_.last;
        desk_.on_open(now_, connection_);
        answer_hello();
        told_.clear();
    }
    void answer_hello(int status = 200) {
        const std::string hello = wires_.take(connection_);
        EXPECT_THAT(hello, HasSubstr(" SEND\r\nTo-Path: "));
        respond(hello, std::to_string(status) + " OK");
    }
    void respond(const std::string& request, const std::string& status,
                 const std::string& more = {}) {
        const std::string transaction = request.substr(5, request.find(' ', 5) - 5);
        come(connection_, "MSRP " + transaction + " " + status + "\r\nTo-Path: " + kOwn +
                              "\r\nFrom-Path: " + kFocus + "\r\n" + more + "-------" + transaction +
                              "$\r\n");
    }
    static std::string request(const Chunk& chunk) {
        std::string text = "MSRP tid1abcd " + chunk.method + "\r\nTo-Path: " + chunk.to +
                           "\r\nFrom-Path: " + chunk.from + "\r\n";
        if (chunk.method == "SEND") text += "Message-ID: " + chunk.id + "\r\n";
        text += chunk.more;
        if (!chunk.type.empty())
            text += "Content-Type: " + chunk.type + "\r\n\r\n" + chunk.body + "\r\n";
        return text + "-------tid1abcd" + chunk.flag + "\r\n";
    }
    // Octets are lent for the call alone.
    void come(ConnectionId connection, std::string text) {
        desk_.on_bytes(now_, connection, base::as_bytes(text));
        std::fill(text.begin(), text.end(), '!');
    }
    // The status of what that is answered by; 0: nothing.
    int status_of(const Chunk& chunk, ConnectionId connection = 0) {
        if (connection == 0) connection = connection_;
        wires_.take(connection);
        come(connection, request(chunk));
        return first_status(wires_.sent[connection]);
    }
    static int first_status(const std::string& octets) {
        msrp::StreamParser parser;
        parser.feed(base::as_bytes(octets));
        while (auto event = parser.poll_event())
            if (const auto* head = std::get_if<msrp::Head>(&*event))
                if (!head->is_request()) return head->status;
        return 0;
    }
    std::string recorded() {
        desk_.copies().work(now_);
        return wires_.take(server_);
    }
    void wait(std::chrono::seconds time) {
        now_.steady += time;
        desk_.on_time(now_);
    }
    void log_in(const std::string& relay = kRelay) {
        desk_.guests().log_in(now_, kSession,
                              {.uri = uri(relay),
                               .connect_to = *base::parse_net_address("192.0.2.5:2855"),
                               .own = uri(kOwn),
                               .authorize = [](std::string_view challenge, std::string_view method,
                                               std::string_view to) {
                                   return std::string(method) + " " + std::string(to) + " " +
                                          std::string(challenge);
                               }});
        connection_ = wires_.last;
    }

    base::Now now_{base::TimePoint{} + std::chrono::hours(1), base::wall_from_ns(0)};
    Wires wires_;
    base::SeededRandom random_{5};
    std::vector<std::string> told_;
    std::vector<std::string> texts_;
    std::vector<msrp::Uri> use_path_;
    Desk desk_{wires_,
               random_,
               [](const SwitchEvent&) {},
               [](const CopyEvent&) {},
               [](const RoomEvent&) {},
               [this](const GuestEvent& event) {
                   using Kind = GuestEvent::Kind;
                   if (event.kind == Kind::LoggedIn) use_path_ = event.use_path;
                   texts_.push_back(event.reason.text);
                   told_.push_back(event.kind == Kind::Connected  ? "connected"
                                   : event.kind == Kind::LoggedIn ? "logged in"
                                                                  : event.reason.code);
               }};
    ConnectionId server_ = 0;
    ConnectionId connection_ = 0;
};

TEST_F(GuestsTest, ConnectsAndSpeaksFirst) {
    desk_.guests().set(now_, kSession, setup());
    EXPECT_THAT(wires_.connected_to, ElementsAre("192.0.2.9:7000"));
    connection_ = wires_.last;
    EXPECT_THAT(told_, IsEmpty());
    desk_.on_open(now_, connection_);
    EXPECT_THAT(wires_.sent[connection_],
                HasSubstr("To-Path: " + kFocus + "\r\nFrom-Path: " + kOwn + "\r\n"));
    answer_hello();
    EXPECT_THAT(told_, ElementsAre("connected"));
}

TEST_F(GuestsTest, WhatIsSaidToTheRoomIsRecordedAsFromWhoWroteIt) {
    begin();
    desk_.guests().set_members(
        kSession,
        {{.uris = {"sip:ben@desk.example"}, .name = "Ben", .nickname = "b"},
         {.uris = {"sip:ana@desk.example:5061"}, .name = "Ana Reis", .nickname = "ana_r"}});
    const std::string text = cpim("<" + kAna + ">", kRoom, "hello");
    EXPECT_EQ(status_of({.body = text}), 200);
    const std::string got = recorded();
    EXPECT_THAT(got, HasSubstr("From: Ana Reis <" + kAna + ">\r\nTo: <" + kRoom + ">\r\n"));
    EXPECT_THAT(got, HasSubstr("rs.Message-ID: msg00001\r\nrs.Nickname: ana_r\r\n"));
    EXPECT_THAT(got, HasSubstr("\r\n\r\n" + text));
    EXPECT_EQ(desk_.guests().open_bytes(), 0U);
}

// Outside the room, inside its one reader: so a server knows that it is private.
TEST_F(GuestsTest, WhatIsWrittenToUsAloneIsRecordedAsPrivate) {
    begin();
    EXPECT_EQ(status_of({.body = cpim("Ana <" + kAna + ">", kUs + ":5070;transport=tcp", "psst")}),
              200);
    const std::string got = recorded();
    EXPECT_THAT(got, HasSubstr("From: Ana <" + kAna + ">\r\nTo: <" + kRoom + ">\r\n"));
    EXPECT_THAT(got, HasSubstr("To: <" + kUs + ":5070;transport=tcp>\r\n"));
}

TEST_F(GuestsTest, TextWithoutCpimIsTheConferences) {
    begin();
    EXPECT_EQ(status_of({.body = "hello", .type = "text/plain"}), 200);
    EXPECT_THAT(recorded(), HasSubstr("From: <" + kRoom + ">\r\nTo: <" + kUs + ">\r\n"));
}

TEST_F(GuestsTest, EachRequestGetsTheAnswerOfRfc4975) {
    begin();
    EXPECT_EQ(status_of({.type = {}, .id = "empty002"}), 200);
    EXPECT_EQ(status_of({.body = "x", .type = "text/plain", .id = "m"}), 400);
    EXPECT_EQ(status_of({.type = {}, .more = "Use-Nickname: \"x\"\r\n", .method = "NICKNAME"}),
              501);
    EXPECT_EQ(status_of({.body = "x", .to = "msrp://192.0.2.1:2855/other;tcp"}), 481);
    EXPECT_EQ(status_of({.body = std::string(2001, 'x'), .type = "text/plain", .id = "large001"}),
              413);
    EXPECT_EQ(status_of({.body = std::string(2000, 'x'), .type = "text/plain", .id = "fits0001"}),
              200);
    // Another connection for the same session.
    desk_.on_open(now_, 7);
    EXPECT_EQ(status_of({.body = "x", .id = "other001"}, 7), 506);
    EXPECT_EQ(status_of({.body = "x",
                         .type = "text/plain",
                         .id = "silent01",
                         .more = "Failure-Report: no\r\n"}),
              0);
}

TEST_F(GuestsTest, ASuccessReportIsGivenForAWholeMessage) {
    begin();
    EXPECT_EQ(status_of({.body = "hello",
                         .type = "text/plain",
                         .more = "Byte-Range: 1-5/8\r\nSuccess-Report: yes\r\n",
                         .flag = '+'}),
              200);
    EXPECT_THAT(wires_.take(connection_), Not(HasSubstr(" REPORT\r\n")));
    come(connection_, request({.body = "abc",
                               .type = "text/plain",
                               .more = "Byte-Range: 6-8/8\r\nSuccess-Report: yes\r\n"}));
    const std::string got = wires_.take(connection_);
    EXPECT_THAT(got, HasSubstr(" REPORT\r\nTo-Path: " + kFocus));
    EXPECT_THAT(got, HasSubstr("Byte-Range: 1-8/8\r\n"));
    EXPECT_THAT(recorded(), HasSubstr("helloabc"));
}

TEST_F(GuestsTest, WhatIsTooLargeIsRecordedAsCut) {
    begin();
    EXPECT_EQ(
        status_of(
            {.body = "beginning" + std::string(3000, 'x'), .type = "text/plain", .flag = '+'}),
        413);
    EXPECT_THAT(told_, ElementsAre("message_not_taken"));
    const std::string got = recorded();
    EXPECT_THAT(got, HasSubstr("beginningxxx"));
    EXPECT_THAT(got, HasSubstr("#\r\n"));
    // What still comes of it is refused too, and not recorded as another message.
    EXPECT_EQ(
        status_of({.body = "more", .type = "text/plain", .more = "Byte-Range: 3010-3013/*\r\n"}),
        413);
    EXPECT_THAT(recorded(), IsEmpty());
    EXPECT_EQ(desk_.guests().open_bytes(), 0U);
}

TEST_F(GuestsTest, AllMessagesThatAreNotTakenAreToldOneByOneOrAsASum) {
    begin();
    constexpr std::size_t kMessages = 250;
    for (std::size_t i = 0; i < kMessages; ++i) {
        const Chunk chunk{.body = "far behind",
                          .type = "text/plain",
                          .id = "msg" + std::to_string(10'000 + i),
                          .more = "Byte-Range: 3000-3009/*\r\n"};
        EXPECT_EQ(status_of(chunk), 413);
    }
    EXPECT_EQ(told_.size(), kMaxNotices);
    wait(kNoticeTime);
    ASSERT_EQ(told_.size(), kMaxNotices + 1);
    EXPECT_EQ(told_.back(), "more_not_recorded");
    EXPECT_THAT(texts_.back(), testing::StartsWith("150 further messages "));
    for (std::size_t i = 0; i <= kMaxNotices; ++i)
        status_of({.body = "far behind",
                   .type = "text/plain",
                   .id = "new" + std::to_string(10'000 + i),
                   .more = "Byte-Range: 3000-3009/*\r\n"});
    desk_.close(now_, kSession);
    EXPECT_EQ(told_.back(), "more_not_recorded");
    EXPECT_THAT(texts_.back(), testing::StartsWith("1 further messages "));
}

TEST_F(GuestsTest, AMessageThatIsSentTwiceIsRecordedOnce) {
    begin();
    EXPECT_EQ(status_of({.body = "hello", .type = "text/plain"}), 200);
    EXPECT_THAT(recorded(), HasSubstr("hello"));
    EXPECT_EQ(status_of({.body = "hello", .type = "text/plain"}), 200);
    EXPECT_THAT(recorded(), IsEmpty());
}

TEST_F(GuestsTest, AnotherTextUnderAUsedMessageIdIsAnotherMessage) {
    begin();
    EXPECT_EQ(status_of({.body = "hello", .type = "text/plain"}), 200);
    EXPECT_EQ(status_of({.body = "hullo", .type = "text/plain"}), 200);
    const std::string got = recorded();
    EXPECT_THAT(got, HasSubstr("hello"));
    EXPECT_THAT(got, HasSubstr("hullo"));
}

TEST_F(GuestsTest, WhatIsSentAgainAfterAnAbortIsRecorded) {
    begin();
    EXPECT_EQ(
        status_of(
            {.body = "hel", .type = "text/plain", .more = "Byte-Range: 1-3/8\r\n", .flag = '#'}),
        200);
    EXPECT_THAT(recorded(), HasSubstr("#\r\n"));
    EXPECT_EQ(
        status_of({.body = "hello Jo", .type = "text/plain", .more = "Success-Report: yes\r\n"}),
        200);
    EXPECT_THAT(wires_.take(connection_), HasSubstr(" REPORT\r\n"));
    EXPECT_THAT(recorded(), HasSubstr("hello Jo"));
}

TEST_F(GuestsTest, WhatIsRewrittenIsRefusedAndRecordedAsCut) {
    begin();
    const auto part = [&](std::string body, std::string range, char flag) {
        return status_of({.body = std::move(body),
                          .type = "text/plain",
                          .more = "Byte-Range: " + range + "\r\nSuccess-Report: yes\r\n",
                          .flag = flag});
    };
    EXPECT_EQ(part("pay 100", "1-7/9", '+'), 200);
    EXPECT_EQ(part("pay 900!!", "1-9/9", '$'), 400);
    EXPECT_THAT(wires_.take(connection_), Not(HasSubstr(" REPORT\r\n")));
    const std::string got = recorded();
    EXPECT_THAT(got, HasSubstr("pay 100"));
    EXPECT_THAT(got, HasSubstr("#\r\n"));
    EXPECT_THAT(got, Not(HasSubstr("900")));
    // Nor does it lose its end.
    EXPECT_EQ(part("pay 100", "1-7/*", '+'), 200);
    EXPECT_EQ(part("pay", "1-3/3", '$'), 400);
    EXPECT_THAT(recorded(), HasSubstr("pay 100"));
    EXPECT_THAT(told_, ElementsAre("message_not_taken", "message_not_taken"));
    EXPECT_EQ(desk_.guests().open_bytes(), 0U);
}

// Of one hole as large as a message each sender of 64 could fill what all have.
TEST_F(GuestsTest, OneWhoHoldsMemorySilencesNoOther) {
    begin();
    const std::string other_own = "msrp://192.0.2.1:2855/other;tcp";
    GuestSetup large = setup();
    large.max_bytes = kMaxRoomMessageBytes;
    desk_.guests().set(now_, kSession, large);
    GuestSetup other = setup();
    other.own = uri(other_own);
    desk_.guests().set(now_, kSession + 1, other);
    const ConnectionId other_connection = wires_.last;
    desk_.on_open(now_, other_connection);
    EXPECT_EQ(status_of({.body = "x",
                         .type = "text/plain",
                         .id = "hole0001",
                         .more = "Byte-Range: 1048576-1048576/1048576\r\n",
                         .flag = '+'}),
              413);
    EXPECT_EQ(desk_.guests().open_bytes(), 0U);
    int status = 200;
    for (int i = 0; i < 70 && status == 200; ++i)
        status = status_of({.body = std::string(kMaxRoomMessageBytes - 1, 'x'),
                            .type = "text/plain",
                            .id = "hold" + std::to_string(1000 + i),
                            .more = "Byte-Range: 1-*/*\r\n",
                            .flag = '+'});
    EXPECT_EQ(status, 413);
    EXPECT_LE(desk_.guests().open_bytes(), kMaxRoomOpenBytesOfOne);
    EXPECT_EQ(status_of({.body = "hello", .type = "text/plain", .to = other_own}, other_connection),
              200);
}

TEST_F(GuestsTest, MessagesThatNeverEndMakeWay) {
    begin();
    const auto open = [&](std::size_t number) {
        return status_of({.body = "begun " + std::to_string(number),
                          .type = "text/plain",
                          .id = "open" + std::to_string(1000 + number),
                          .more = "Byte-Range: 1-*/500\r\n",
                          .flag = '+'});
    };
    for (std::size_t i = 0; i < kMaxOpenMessages; ++i) {
        EXPECT_EQ(open(i), 200);
        now_.steady += std::chrono::milliseconds(1);
    }
    EXPECT_THAT(recorded(), IsEmpty());
    EXPECT_EQ(status_of({.body = "hello", .type = "text/plain"}), 200);
    std::string got = recorded();
    EXPECT_THAT(got, HasSubstr("begun 0\r\n"));
    EXPECT_THAT(got, Not(HasSubstr("begun 1\r\n")));
    EXPECT_THAT(got, HasSubstr("hello"));
    EXPECT_EQ(open(0), 413);
    EXPECT_EQ(open(2), 200);
    // Nobody says anything more of them.
    told_.clear();
    wait(std::chrono::seconds(29));
    EXPECT_THAT(told_, IsEmpty());
    wait(std::chrono::seconds(1));
    EXPECT_EQ(told_.size(), kMaxOpenMessages - 1);
    EXPECT_THAT(recorded(), HasSubstr("begun 1\r\n"));
    EXPECT_EQ(open(1), 408);
    EXPECT_EQ(desk_.guests().open_bytes(), 0U);
}

// RFC 4975 section 7.1.2: what is receipted has arrived.
TEST_F(GuestsTest, WhatNoCopyHasRoomForWaitsOrIsRefused) {
    begin();
    wires_.is_stuck.insert(server_);
    std::size_t taken = 0;
    const auto say = [&] {
        return status_of({.body = "text " + std::to_string(taken) + ".",
                          .type = "text/plain",
                          .id = "many" + std::to_string(10000 + taken)});
    };
    while (!wires_.unread.contains(connection_) && taken < 2 * kMaxCopiedMessages) {
        ASSERT_EQ(say(), 200);
        ++taken;
    }
    EXPECT_LT(taken, kMaxCopiedMessages);
    EXPECT_THAT(told_, IsEmpty());
    // Of what comes all the same nothing is receipted that is not kept.
    int status = 0;
    const std::size_t more = taken;
    while ((status = say()) == 200 && taken < 3 * kMaxCopiedMessages) ++taken;
    EXPECT_GT(taken, more);
    EXPECT_EQ(status, 413);
    EXPECT_THAT(told_, ElementsAre("message_not_taken"));
    EXPECT_THAT(wires_.unread, testing::Contains(connection_));
    std::string got;
    wires_.is_stuck.clear();
    for (int i = 0; i < 200; ++i) {
        wires_.queued.clear();
        desk_.on_writable(now_, server_);
        got += wires_.take(server_);
    }
    EXPECT_THAT(wires_.unread, Not(testing::Contains(connection_)));
    std::size_t at = 0;  // in their order
    for (std::size_t i = 0; i < taken && at != std::string::npos; ++i)
        at = got.find("text " + std::to_string(i) + ".", at);
    EXPECT_NE(at, std::string::npos);
}

TEST_F(GuestsTest, WhoIsNotReadIsNotLate) {
    begin();
    desk_.copies().lose_server(now_, kCopy);
    std::size_t taken = 0;
    while (!wires_.unread.contains(connection_) && taken < 2 * kMaxCopiedMessages)
        ASSERT_EQ(status_of({.body = "text",
                             .type = "text/plain",
                             .id = "many" + std::to_string(10000 + taken++)}),
                  200);
    desk_.guests().say(now_, kSession, "This chat is recorded.");
    wait(std::chrono::minutes(2));
    wait(std::chrono::seconds(1));
    EXPECT_THAT(told_, IsEmpty());
    desk_.copies().close(now_, kCopy);
    wait(std::chrono::seconds(1));
    EXPECT_THAT(wires_.unread, Not(testing::Contains(connection_)));
    EXPECT_THAT(told_, IsEmpty());
    wait(kDeafTime);
    EXPECT_THAT(told_, ElementsAre("line_refused"));
}

TEST_F(GuestsTest, ALostConnectionCutsWhatWasUnderWay) {
    begin();
    EXPECT_EQ(status_of({.body = "half a",
                         .type = "text/plain",
                         .more = "Byte-Range: 1-6/20\r\n",
                         .flag = '+'}),
              200);
    EXPECT_THAT(recorded(), IsEmpty());
    desk_.on_closed(now_, connection_);
    EXPECT_THAT(told_, ElementsAre("chat_connection_lost"));
    const std::string got = recorded();
    EXPECT_THAT(got, HasSubstr("half a"));
    EXPECT_THAT(got, HasSubstr("#\r\n"));
    EXPECT_EQ(desk_.guests().open_bytes(), 0U);
}

TEST_F(GuestsTest, ALostConnectionIsMadeAgainAndTheGapIsTold) {
    begin();
    texts_.clear();
    desk_.on_closed(now_, connection_);
    EXPECT_THAT(told_, ElementsAre("chat_connection_lost"));
    EXPECT_EQ(wires_.last, connection_);
    now_.steady += kFirstRejoin - std::chrono::milliseconds(1);
    desk_.on_time(now_);
    EXPECT_EQ(wires_.last, connection_);
    now_.steady += std::chrono::milliseconds(1);
    desk_.on_time(now_);
    ASSERT_EQ(wires_.last, connection_ + 1);
    connection_ = wires_.last;
    now_.steady += std::chrono::milliseconds(1000);
    desk_.on_open(now_, connection_);
    EXPECT_EQ(told_.size(), 1U);  // not before it has answered
    answer_hello();
    EXPECT_THAT(told_, ElementsAre("chat_connection_lost", "connected", "chat_gap"));
    EXPECT_THAT(texts_.back(), HasSubstr("from 1970-01-01T00:00:00.000Z on, for 1500 ms"));
    EXPECT_THAT(texts_.back(), HasSubstr("The connection for the chat was closed."));
    const std::string notice = recorded();
    EXPECT_THAT(notice, HasSubstr("DateTime: 1970-01-01T00:00:00.000Z\r\n"));
    EXPECT_THAT(notice, HasSubstr("rs.Content: drop\r\n\r\n"));
    EXPECT_EQ(status_of({.body = "again", .type = "text/plain"}), 200);
    EXPECT_THAT(recorded(), HasSubstr("again"));
}

// RFC 4975 section 5.4.
TEST_F(GuestsTest, AFocusThatHasForgottenTheSessionEndsItThen) {
    begin();
    desk_.on_closed(now_, connection_);
    wait(std::chrono::seconds(1));
    connection_ = wires_.last;
    desk_.on_open(now_, connection_);
    answer_hello(481);
    EXPECT_THAT(told_, ElementsAre("chat_connection_lost", "chat_refused"));
    EXPECT_THAT(recorded(), HasSubstr("rs.Content: drop\r\n"));
    desk_.on_open(now_, 7);
    EXPECT_EQ(status_of({.type = {}, .id = "again001"}, 7), 481);
    wait(kRejoinTime);
    EXPECT_EQ(wires_.last, connection_);
}

TEST_F(GuestsTest, AttemptsAreEverRarerAndEnd) {
    begin();
    desk_.copies().close(now_, kCopy);  // whose server is silent, too
    const ConnectionId before = wires_.last;
    desk_.on_closed(now_, connection_);
    std::vector<std::chrono::milliseconds> waits;
    const base::TimePoint lost = now_.steady;
    base::TimePoint last = lost;
    while (now_.steady - lost < kRejoinTime + std::chrono::minutes(1)) {
        const ConnectionId known = wires_.last;
        now_.steady += std::chrono::milliseconds(500);
        desk_.on_time(now_);
        if (wires_.last == known) continue;
        waits.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(now_.steady - last));
        last = now_.steady;
        desk_.on_closed(now_, wires_.last);  // nobody takes it
    }
    using std::chrono::milliseconds;
    EXPECT_THAT(waits, ElementsAre(milliseconds(500), milliseconds(1000), milliseconds(2000),
                                   milliseconds(4000), milliseconds(8000), milliseconds(10'000)));
    EXPECT_EQ(wires_.last - before, waits.size());
    EXPECT_THAT(told_, ElementsAre("chat_connection_lost", "chat_connection_lost"));  // and ended
    EXPECT_EQ(desk_.guests().connections(), 0U);
}

// One that breaks each time it is made costs no more.
TEST_F(GuestsTest, AConnectionThatLastsMomentsIsNotMadeAnewAtOnce) {
    begin();
    wait(kLongestRejoin);
    std::vector<std::size_t> ticks;
    for (int i = 0; i < 3; ++i) {
        desk_.on_closed(now_, wires_.last);
        const ConnectionId known = wires_.last;
        std::size_t count = 0;
        for (; wires_.last == known && count < 100; ++count) {
            now_.steady += std::chrono::milliseconds(500);
            desk_.on_time(now_);
        }
        ticks.push_back(count);
        connection_ = wires_.last;
        desk_.on_open(now_, connection_);
        answer_hello();
    }
    EXPECT_THAT(ticks, ElementsAre(1, 2, 4));
}

// Where the focus connects it may do so again.
TEST_F(GuestsTest, AFocusThatConnectsMayComeAgain) {
    GuestSetup passive = setup();
    passive.peer.connect_to.reset();
    desk_.guests().set(now_, kSession, passive);
    desk_.on_open(now_, 7);
    EXPECT_EQ(status_of({.type = {}, .id = "empty001"}, 7), 200);
    desk_.on_closed(now_, 7);
    wait(std::chrono::seconds(20));
    desk_.on_open(now_, 8);
    EXPECT_EQ(status_of({.type = {}, .id = "empty002"}, 8), 200);
    EXPECT_THAT(told_, ElementsAre("connected", "chat_connection_lost", "connected", "chat_gap"));
    desk_.on_closed(now_, 8);
    wait(kRejoinTime);
    EXPECT_EQ(told_.back(), "chat_connection_lost");
    EXPECT_FALSE(desk_.guests().knows(uri(kOwn)));
}

TEST_F(GuestsTest, AnotherPathIsAnotherSession) {
    begin();
    const ConnectionId before = connection_;
    desk_.guests().set(now_, kSession, setup());
    EXPECT_EQ(wires_.last, before);
    GuestSetup other = setup("msrp://192.0.2.9:7000/moved;tcp");
    other.own = uri("msrp://192.0.2.1:2855/guest-2;tcp");
    desk_.guests().set(now_, kSession, other);
    EXPECT_TRUE(wires_.closed.contains(before));
    EXPECT_NE(wires_.last, before);
    connection_ = wires_.last;
    desk_.on_open(now_, connection_);
    EXPECT_THAT(wires_.sent[connection_], HasSubstr("/moved;tcp\r\n"));
    EXPECT_THAT(told_, IsEmpty());
    EXPECT_FALSE(desk_.guests().knows(uri(kOwn)));
}

TEST_F(GuestsTest, AFocusThatHasNoSessionForUsEndsIt) {
    desk_.guests().set(now_, kSession, setup());
    connection_ = wires_.last;
    desk_.on_open(now_, connection_);
    answer_hello(481);
    EXPECT_THAT(told_, ElementsAre("chat_refused"));
}

TEST_F(GuestsTest, AFocusThatDoesNotTakeTheConnectionOrIsSilentEndsIt) {
    desk_.guests().set(now_, kSession, setup());
    desk_.on_closed(now_, wires_.last);
    EXPECT_THAT(told_, ElementsAre("chat_not_connected"));
    desk_.guests().set(now_, kSession, setup());
    desk_.on_open(now_, wires_.last);
    wait(std::chrono::seconds(29));
    EXPECT_EQ(told_.size(), 1U);
    wait(std::chrono::seconds(1));
    EXPECT_THAT(told_, ElementsAre("chat_not_connected", "chat_no_answer"));
}

TEST_F(GuestsTest, AFocusThatConnectsIsTaken) {
    GuestSetup passive = setup();
    passive.peer.connect_to.reset();
    desk_.guests().set(now_, kSession, passive);
    EXPECT_THAT(wires_.connected_to, IsEmpty());
    connection_ = 7;
    desk_.on_open(now_, 7);
    EXPECT_EQ(status_of({.type = {}, .id = "empty002"}), 200);
    EXPECT_THAT(told_, ElementsAre("connected"));
    EXPECT_EQ(status_of({.body = "hello", .type = "text/plain"}), 200);
    EXPECT_THAT(recorded(), HasSubstr("hello"));
}

// A session of msrps is nobody's who comes without TLS, or shows another certificate.
TEST_F(GuestsTest, OverTlsTheOtherEndHasToShowItsCertificate) {
    GuestSetup secure = setup("msrps://focus.example:7000/f;tcp");
    secure.own = uri("msrps://192.0.2.1:2855/guest;tcp");
    desk_.guests().set(now_, kSession, secure);
    EXPECT_THAT(wires_.connected_to, ElementsAre("192.0.2.9:7000 focus.example"));
    wires_.fault = base::Reason{"fingerprint_mismatch", "Somebody else."};
    desk_.on_open(now_, wires_.last, true);
    EXPECT_THAT(told_, ElementsAre("fingerprint_mismatch"));
    EXPECT_THAT(wires_.sent[wires_.last], IsEmpty());
    secure.peer.connect_to.reset();
    desk_.guests().set(now_, kSession, secure);
    const Chunk hello{.type = {}, .id = "empty002", .to = "msrps://192.0.2.1:2855/guest;tcp"};
    desk_.on_open(now_, 7, false);
    EXPECT_EQ(status_of(hello, 7), 506);
    desk_.on_open(now_, 8, true);
    EXPECT_EQ(status_of(hello, 8), 506);
    wires_.fault.reset();
    EXPECT_EQ(status_of(hello, 8), 200);
}

TEST_F(GuestsTest, OurLineWaitsForTheConnectionAndIsCpimFromUsToTheRoom) {
    desk_.guests().set(now_, kSession, setup());
    connection_ = wires_.last;
    desk_.guests().say(now_, kSession, "This chat is recorded.");
    desk_.on_open(now_, connection_);
    EXPECT_THAT(wires_.sent[connection_], Not(HasSubstr("recorded")));
    answer_hello();
    const std::string line = wires_.take(connection_);
    EXPECT_THAT(line, HasSubstr("From: Recorder <" + kUs + ">\r\nTo: <" + kRoom + ">\r\n"));
    EXPECT_THAT(line, HasSubstr("This chat is recorded."));
    EXPECT_THAT(recorded(), IsEmpty());
    told_.clear();
    respond(line, "403 Forbidden");
    EXPECT_THAT(told_, ElementsAre("line_refused"));
    EXPECT_THAT(recorded(), HasSubstr("rs.Content: drop\r\n"));
}

// A room lets its members write by the names that they have in their calls alone.
TEST_F(GuestsTest, OurLineHasTheNameOfOurCall) {
    begin();
    GuestSetup named = setup();
    named.name = "Quality desk";
    desk_.guests().set(now_, kSession, named);
    desk_.guests().say(now_, kSession, "This chat is recorded.");
    EXPECT_THAT(wires_.take(connection_), HasSubstr("From: Quality desk <" + kUs + ">\r\n"));
}

TEST_F(GuestsTest, OurLineIsBareForWhoTakesNothingElse) {
    begin();
    GuestSetup plain = setup();
    plain.peer.accept_types = "text/plain";
    desk_.guests().set(now_, kSession, plain);
    desk_.guests().say(now_, kSession, "This chat is recorded.");
    EXPECT_THAT(wires_.take(connection_),
                HasSubstr("Content-Type: text/plain\r\n\r\nThis chat is recorded.\r\n"));
}

TEST_F(GuestsTest, WhatIsNoMsrpEndsIt) {
    begin();
    come(connection_, "GET / HTTP/1.1\r\n\r\n");
    EXPECT_THAT(told_, ElementsAre("chat_no_msrp"));
    EXPECT_TRUE(wires_.closed.contains(connection_));
}

TEST_F(GuestsTest, NothingIsLeftOfWhatIsClosed) {
    begin();
    desk_.close(now_, kSession);
    EXPECT_EQ(desk_.guests().sessions(), 0U);
    EXPECT_EQ(desk_.guests().connections(), 0U);
    EXPECT_FALSE(desk_.guests().knows(uri(kOwn)));
}

// ---- RFC 4976

TEST_F(GuestsTest, LogsInAtItsRelayAndSpeaksThroughIt) {
    log_in();
    EXPECT_THAT(wires_.connected_to, ElementsAre("192.0.2.5:2855"));
    desk_.on_open(now_, connection_);
    std::string ask = wires_.take(connection_);
    EXPECT_THAT(ask, HasSubstr(" AUTH\r\nTo-Path: " + kRelay + "\r\nFrom-Path: " + kOwn));
    respond(ask, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\"\r\n");
    ask = wires_.take(connection_);
    EXPECT_THAT(ask, HasSubstr("Authorization: AUTH " + kRelay + " Digest realm=\"r\"\r\n"));
    respond(ask, "200 OK", "Use-Path: " + kUsePath + "\r\nExpires: 600\r\n");
    EXPECT_THAT(told_, ElementsAre("logged in"));
    EXPECT_EQ(to_string(use_path_), kUsePath);

    GuestSetup through = setup();
    through.peer.path = msrp::path_to_peer(use_path_, through.peer.path);
    desk_.guests().set(now_, kSession, through);
    EXPECT_EQ(wires_.last, connection_);
    EXPECT_THAT(wires_.sent[connection_],
                HasSubstr("To-Path: " + kUsePath + " " + kFocus + "\r\nFrom-Path: " + kOwn));
    answer_hello();
    EXPECT_THAT(told_, ElementsAre("logged in", "connected"));
    EXPECT_EQ(status_of({.body = "hello", .type = "text/plain", .from = kUsePath + " " + kFocus}),
              200);
    // The answer goes to the hop before alone (RFC 4975 section 7.2).
    EXPECT_THAT(wires_.sent[connection_], HasSubstr("To-Path: " + kUsePath + "\r\n"));
    EXPECT_THAT(recorded(), HasSubstr("hello"));
}

TEST_F(GuestsTest, ALoginIsRenewedBeforeItEnds) {
    log_in();
    desk_.on_open(now_, connection_);
    respond(wires_.take(connection_), "200 OK", "Use-Path: " + kUsePath + "\r\nExpires: 600\r\n");
    wait(std::chrono::seconds(569));
    EXPECT_THAT(wires_.take(connection_), IsEmpty());
    wait(std::chrono::seconds(1));
    const std::string again = wires_.take(connection_);
    EXPECT_THAT(again, HasSubstr(" AUTH\r\n"));
    respond(again, "200 OK", "Use-Path: " + kUsePath + "\r\nExpires: 600\r\n");
    EXPECT_THAT(told_, ElementsAre("logged in"));
    wait(std::chrono::seconds(570));
    respond(wires_.take(connection_), "403 Forbidden");
    EXPECT_THAT(told_, ElementsAre("logged in", "relay_refused"));
}

TEST_F(GuestsTest, ALoginThatLastsForNoTimeIsNotRenewedAllTheTime) {
    log_in();
    desk_.on_open(now_, connection_);
    respond(wires_.take(connection_), "200 OK", "Use-Path: " + kUsePath + "\r\nExpires: 0\r\n");
    wait(std::chrono::seconds(4));
    EXPECT_THAT(wires_.take(connection_), IsEmpty());
    wait(std::chrono::seconds(1));
    EXPECT_THAT(wires_.take(connection_), HasSubstr(" AUTH\r\n"));
}

TEST_F(GuestsTest, ARelayThatRefusesOrIsSilentOrIsNotThereIsTold) {
    log_in();
    desk_.on_open(now_, connection_);
    respond(wires_.take(connection_), "403 Forbidden");
    log_in();
    desk_.on_open(now_, connection_);
    wait(std::chrono::seconds(10));
    log_in();
    desk_.on_closed(now_, connection_);
    log_in("msrps://relay.example:2855;tcp");
    EXPECT_EQ(wires_.connected_to.back(), "192.0.2.5:2855 relay.example");
    wires_.fault = base::Reason{"certificate_mismatch", "Somebody else."};
    desk_.on_open(now_, connection_, true);
    EXPECT_THAT(told_, ElementsAre("relay_refused", "relay_silent", "relay_unreachable",
                                   "certificate_mismatch"));
    EXPECT_EQ(desk_.guests().sessions(), 0U);
    EXPECT_EQ(desk_.guests().connections(), 0U);
}

}  // namespace
}  // namespace earshot::chat
