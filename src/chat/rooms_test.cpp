#include "chat/rooms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "chat/chat_test_rig.h"
#include "chat/desk.h"
#include "chat/nickname.h"

namespace earshot::chat {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr SessionId kRoom = 9;
constexpr MemberId kAna = 1;
constexpr MemberId kBen = 2;
constexpr MemberId kCleo = 3;
const std::string kRoomUri = "sip:conf-1@conf.example";

std::string own(MemberId member) {
    return "msrp://192.0.2.1:2855/room-" + std::to_string(member) + ";tcp";
}
std::string theirs(MemberId member) {
    return "msrp://192.0.2.9:7000/phone-" + std::to_string(member) + ";tcp";
}
std::string address(MemberId member) { return "sip:m" + std::to_string(member) + "@desk.example"; }

std::string cpim(const std::string& from, const std::string& to, const std::string& text) {
    return "From: <" + from + ">\r\nTo: <" + to +
           ">\r\n\r\nContent-Type: text/plain;charset=utf-8\r\n\r\n" + text;
}

struct Chunk {
    std::string body{};
    std::string type{"message/cpim"};
    std::string id{"msg00001"};
    std::string more{};
    std::string range{};
    char flag = '$';
    std::string method{"SEND"};
};

// What came at a member: bodies put together by Message-ID.
std::vector<std::string> messages(const std::string& octets) {
    msrp::StreamParser parser;
    parser.feed(base::as_bytes(octets));
    std::vector<std::string> found;
    std::map<std::string, std::string> open;
    std::string id;
    bool is_send = false;
    while (auto event = parser.poll_event()) {
        if (const auto* head = std::get_if<msrp::Head>(&*event)) {
            is_send = head->method == "SEND";
            id = head->message_id;
        }
        if (const auto* piece = std::get_if<msrp::BodyPiece>(&*event))
            open[id] += base::as_text(piece->bytes);
        const auto* end = std::get_if<msrp::MessageEnd>(&*event);
        if (end != nullptr && is_send && end->continuation == msrp::Continuation::Complete)
            found.push_back(open[id]);
    }
    return found;
}

class RoomsTest : public testing::Test {
protected:
    RoomsTest() {
        rooms_.open(kRoom, {.uri = kRoomUri});
        for (const MemberId member : {kAna, kBen, kCleo}) {
            set(member, member != kCleo);
            connect(member);
        }
        told_.clear();
    }
    void set(MemberId member, bool takes_private, std::vector<std::string> uris = {}) {
        if (uris.empty()) uris = {address(member)};
        rooms_.set_member(now_, kRoom, member,
                          {.uris = std::move(uris),
                           .name = {},
                           .own = uri(own(member)),
                           .peer = {.path = {uri(theirs(member))}},
                           .takes_private = takes_private});
    }
    void connect(MemberId member) {
        rooms_.on_open(now_, member);
        come(member, request(member, {.body = {}, .type = {}, .id = "empty001"}));
        wires_.take(member);
    }
    static std::string request(MemberId member, const Chunk& chunk) {
        std::string text = "MSRP tid" + std::to_string(member) + "abcd " + chunk.method +
                           "\r\nTo-Path: " + own(member) + "\r\nFrom-Path: " + theirs(member) +
                           "\r\n";
        if (chunk.method == "SEND") text += "Message-ID: " + chunk.id + "\r\n";
        if (!chunk.range.empty()) text += "Byte-Range: " + chunk.range + "\r\n";
        text += chunk.more;
        if (!chunk.type.empty() && chunk.method == "SEND")
            text += "Content-Type: " + chunk.type + "\r\n\r\n" + chunk.body + "\r\n";
        return text + "-------tid" + std::to_string(member) + "abcd" + chunk.flag + "\r\n";
    }
    void come(ConnectionId connection, std::string text) {
        rooms_.on_bytes(now_, connection, base::as_bytes(text));
        std::fill(text.begin(), text.end(), '!');
    }
    // The status of what that is answered by; 0: nothing.
    int status_of(MemberId member, const Chunk& chunk) {
        wires_.take(member);
        come(member, request(member, chunk));
        return first_status(wires_.sent[member]);
    }
    static int first_status(const std::string& octets) {
        msrp::StreamParser parser;
        parser.feed(base::as_bytes(octets));
        while (auto event = parser.poll_event())
            if (const auto* head = std::get_if<msrp::Head>(&*event))
                if (!head->is_request()) return head->status;
        return 0;
    }
    int nickname(MemberId member, const std::string& value) {
        return status_of(member, {.more = "Use-Nickname: " + value + "\r\n", .method = "NICKNAME"});
    }
    std::vector<std::string> got(MemberId member) { return messages(wires_.take(member)); }

    base::Now now_{base::TimePoint{} + std::chrono::hours(1), base::wall_from_ns(0)};
    Wires wires_;
    base::SeededRandom random_{5};
    std::vector<std::string> told_;
    Rooms rooms_{wires_, random_, nullptr, [this](const RoomEvent& event) {
                     using Kind = RoomEvent::Kind;
                     const std::string who = std::to_string(event.member) + " ";
                     told_.push_back(who + (event.kind == Kind::Connected      ? "connected"
                                            : event.kind == Kind::Disconnected ? "disconnected"
                                            : event.kind == Kind::Nickname ? "is " + event.nickname
                                                                           : event.reason.code));
                 }};
};

TEST_F(RoomsTest, WhatIsSaidToTheRoomGoesUnalteredToAllOthers) {
    const std::string text = cpim(address(kAna), kRoomUri, "hello");
    EXPECT_EQ(status_of(kAna, {.body = text}), 200);
    EXPECT_THAT(got(kBen), ElementsAre(text));
    EXPECT_THAT(got(kCleo), ElementsAre(text));
    EXPECT_THAT(got(kAna), IsEmpty());
    EXPECT_EQ(rooms_.kept_bytes(), 0U);
    EXPECT_EQ(rooms_.open_bytes(), 0U);
}

TEST_F(RoomsTest, APrivateMessageGoesToItsRecipientAlone) {
    const std::string text = cpim(address(kAna), address(kBen), "psst");
    EXPECT_EQ(status_of(kAna, {.body = text}), 200);
    EXPECT_THAT(got(kBen), ElementsAre(text));
    EXPECT_THAT(got(kCleo), IsEmpty());
}

TEST_F(RoomsTest, WhoTakesNoPrivateMessagesIsNotSentOne) {
    EXPECT_EQ(status_of(kAna, {.body = cpim(address(kAna), address(kCleo), "psst")}), 428);
    EXPECT_THAT(got(kCleo), IsEmpty());
}

TEST_F(RoomsTest, ARoomMayTakeNoPrivateMessagesAtAll) {
    rooms_.open(kRoom, {.uri = kRoomUri, .takes_private = false});
    EXPECT_EQ(status_of(kAna, {.body = cpim(address(kAna), address(kBen), "psst")}), 428);
}

TEST_F(RoomsTest, AnythingButCpimIsRefused) {
    EXPECT_EQ(status_of(kAna, {.body = "hello", .type = "text/plain"}), 415);
    EXPECT_THAT(got(kBen), IsEmpty());
}

TEST_F(RoomsTest, CpimThatCannotBeReadIsRefused) {
    EXPECT_EQ(status_of(kAna, {.body = "no headers"}), 400);
    EXPECT_EQ(status_of(kAna, {.body = "From: <sip:m1@desk.example>\r\n\r\nContent-Type: "
                                       "text/plain\r\n\r\nx",
                               .id = "msg00002"}),
              400);
}

TEST_F(RoomsTest, NobodySpeaksAsSomebodyElse) {
    EXPECT_EQ(status_of(kAna, {.body = cpim(address(kBen), kRoomUri, "hello")}), 403);
    EXPECT_THAT(got(kCleo), IsEmpty());
}

TEST_F(RoomsTest, SeveralRecipientsAreRefused) {
    const std::string two = "From: <" + address(kAna) + ">\r\nTo: <" + address(kBen) +
                            ">\r\nTo: <" + kRoomUri + ">\r\n\r\nContent-Type: text/plain\r\n\r\nx";
    EXPECT_EQ(status_of(kAna, {.body = two}), 403);
    const std::string copied = "From: <" + address(kAna) + ">\r\nTo: <" + kRoomUri + ">\r\ncc: <" +
                               address(kBen) + ">\r\n\r\nContent-Type: text/plain\r\n\r\nx";
    EXPECT_EQ(status_of(kAna, {.body = copied, .id = "msg00002"}), 403);
}

TEST_F(RoomsTest, WhoIsNotThereCannotBeWrittenTo) {
    EXPECT_EQ(status_of(kAna, {.body = cpim(address(kAna), "sip:x@y.example", "x")}), 404);
}

TEST_F(RoomsTest, AnAddressOfManyIsNobodys) {
    set(kBen, true, {"sip:anonymous@anonymous.invalid"});
    const auto hello = cpim(address(kAna), "sip:anonymous@anonymous.invalid", "x");
    EXPECT_EQ(status_of(kAna, {.body = hello}), 200);
    set(kCleo, true, {"sip:anonymous@anonymous.invalid"});
    EXPECT_EQ(status_of(kAna, {.body = hello, .id = "msg00002"}), 404);
}

TEST_F(RoomsTest, TheRoomIsKnownByItsAliasesToo) {
    rooms_.add_alias(kRoom, "sip:conf-1@192.0.2.1:5062;transport=tcp");
    EXPECT_EQ(status_of(kAna, {.body = cpim(address(kAna), "sip:conf-1@192.0.2.1:5062", "x")}),
              200);
    EXPECT_EQ(got(kBen).size(), 1U);
}

TEST_F(RoomsTest, AMessageOfTheLimitPassesAndALongerOneDoesNot) {
    rooms_.open(kRoom, {.uri = kRoomUri, .max_bytes = 200});
    std::string text = cpim(address(kAna), kRoomUri, "");
    text += std::string(200 - text.size(), 'x');
    EXPECT_EQ(status_of(kAna, {.body = text}), 200);
    EXPECT_EQ(got(kBen).size(), 1U);
    EXPECT_EQ(status_of(kAna, {.body = text + "x", .id = "msg00002"}), 413);
    // What says beforehand that it is longer is told so before it has come.
    EXPECT_EQ(
        status_of(
            kAna,
            {.body = text.substr(0, 100), .id = "msg00003", .range = "1-100/201", .flag = '+'}),
        413);
    EXPECT_THAT(got(kBen), IsEmpty());
    EXPECT_EQ(rooms_.open_bytes(), 0U);
}

TEST_F(RoomsTest, ChunksArePutTogetherAndAreCheckedWithTheFirstHeaders) {
    const std::string text = cpim(address(kAna), kRoomUri, std::string(5000, 'y'));
    EXPECT_EQ(status_of(kAna, {.body = text.substr(0, 10), .range = "1-10/*", .flag = '+'}), 200);
    EXPECT_EQ(status_of(kAna, {.body = text.substr(3000), .range = "3001-*/*"}), 200);
    EXPECT_THAT(got(kBen), IsEmpty());
    EXPECT_EQ(status_of(kAna, {.body = text.substr(10, 2990), .range = "11-3000/*", .flag = '+'}),
              200);
    EXPECT_THAT(got(kBen), ElementsAre(text));

    const std::string wrong = cpim(address(kBen), kRoomUri, std::string(5000, 'y'));
    EXPECT_EQ(
        status_of(
            kAna,
            {.body = wrong.substr(0, 300), .id = "msg00002", .range = "1-300/*", .flag = '+'}),
        403);
    EXPECT_EQ(status_of(kAna, {.body = wrong.substr(300), .id = "msg00002", .range = "301-*/*"}),
              403);
    EXPECT_EQ(rooms_.open_bytes(), 0U);
}

// The headers are judged once: nothing may take their place.
TEST_F(RoomsTest, OctetsThatComeAgainHaveToBeTheSame) {
    const std::string text = cpim(address(kAna), kRoomUri, "hello");
    std::string forged = text;
    forged.replace(forged.find(address(kAna)), address(kAna).size(), address(kCleo));
    const std::string most = "1-" + std::to_string(text.size() - 1) + "/*";
    const std::string start = text.substr(0, text.size() - 1);
    EXPECT_EQ(status_of(kAna, {.body = start, .range = most, .flag = '+'}), 200);
    EXPECT_EQ(status_of(kAna, {.body = forged}), 400);
    EXPECT_THAT(got(kBen), IsEmpty());
    EXPECT_EQ(rooms_.open_bytes(), 0U);
    EXPECT_EQ(status_of(kAna, {.body = start, .id = "msg2", .range = most, .flag = '+'}), 200);
    EXPECT_EQ(status_of(kAna, {.body = text, .id = "msg2"}), 200);
    EXPECT_THAT(got(kBen), ElementsAre(text));
}

TEST_F(RoomsTest, AMessageEndsOnceAndBehindAllItsOctets) {
    const std::string text = cpim(address(kAna), kRoomUri, "hello, and the end");
    EXPECT_EQ(status_of(kAna, {.body = text, .range = "1-*/*", .flag = '+'}), 200);
    EXPECT_EQ(status_of(kAna, {.body = text.substr(0, text.size() - 4), .range = "1-*/*"}), 400);
    const std::string last = std::to_string(text.size()) + "-*/*";
    EXPECT_EQ(status_of(kAna, {.body = "d", .id = "msg2", .range = last}), 200);
    EXPECT_EQ(status_of(kAna, {.body = text + "!", .id = "msg2", .range = "1-*/*", .flag = '+'}),
              400);
    EXPECT_THAT(got(kBen), IsEmpty());
    EXPECT_EQ(rooms_.open_bytes(), 0U);
}

// Each octet that is kept has come, but for few.
TEST_F(RoomsTest, AMessageOfHolesIsRefused) {
    EXPECT_EQ(status_of(kAna, {.body = "x", .range = "1048576-1048576/1048576", .flag = '+'}), 413);
    EXPECT_EQ(rooms_.open_bytes(), 0U);
}

TEST_F(RoomsTest, WhoeverFillsTheirRoomsOthersCanSpeak) {
    const std::string much(kMaxRoomMessageBytes - 1000, 'x');
    const std::string range = "1-*/1048576";
    MemberId next = 100;
    std::vector<int> told;
    for (SessionId room = 100; room < 106; ++room) {
        rooms_.open(room, {.uri = kRoomUri});
        for (int i = 0; i < 20; ++i, ++next) {
            rooms_.set_member(now_, room, next,
                              {.uris = {address(next)},
                               .own = uri(own(next)),
                               .peer = {.path = {uri(theirs(next))}}});
            connect(next);
            const std::string text = cpim(address(next), kRoomUri, much);
            told.push_back(status_of(next, {.body = text, .range = range, .flag = '+'}));
        }
    }
    EXPECT_EQ(told[0], 200);
    // Of one room, and of all.
    EXPECT_EQ(told[19], 413);
    EXPECT_EQ(told.back(), 413);
    EXPECT_LE(rooms_.open_bytes(), kMaxRoomOpenBytes);
    const std::string text = cpim(address(kAna), kRoomUri, std::string(60'000, 'y'));
    EXPECT_EQ(status_of(kAna, {.body = text}), 200);
    EXPECT_THAT(got(kBen), ElementsAre(text));
    for (SessionId room = 100; room < 106; ++room) rooms_.close(now_, room);
    EXPECT_EQ(rooms_.open_bytes(), 0U);
}

TEST_F(RoomsTest, AMessageOfWhichNothingMoreComesIsGivenUp) {
    const std::string text = cpim(address(kAna), kRoomUri, "hello");
    EXPECT_EQ(status_of(kAna, {.body = text, .range = "1-*/*", .flag = '+'}), 200);
    now_.steady += kMaxRoomSilence - std::chrono::seconds(1);
    rooms_.on_time(now_);
    EXPECT_NE(rooms_.open_bytes(), 0U);
    now_.steady += std::chrono::seconds(1);
    rooms_.on_time(now_);
    EXPECT_EQ(rooms_.open_bytes(), 0U);
    EXPECT_EQ(status_of(kAna, {.body = "!", .range = std::to_string(text.size() + 1) + "-*/*"}),
              408);
    EXPECT_THAT(got(kBen), IsEmpty());
}

TEST_F(RoomsTest, WhatBreaksOffReachesNobody) {
    const std::string text = cpim(address(kAna), kRoomUri, "hello, and more");
    EXPECT_EQ(status_of(kAna, {.body = text, .range = "1-*/*", .flag = '#'}), 200);
    EXPECT_EQ(status_of(kAna, {.body = text, .id = "msg00002", .range = "1-*/*", .flag = '+'}),
              200);
    rooms_.on_closed(now_, kAna);
    EXPECT_THAT(got(kBen), IsEmpty());
    EXPECT_EQ(rooms_.open_bytes(), 0U);
}

TEST_F(RoomsTest, AnswersAndReportsComeAsTheSenderWishes) {
    const std::string text = cpim(address(kAna), kRoomUri, "hello");
    status_of(kAna, {.body = text, .more = "Success-Report: yes\r\n"});
    const std::string told = wires_.take(kAna);
    EXPECT_THAT(told, HasSubstr(" REPORT\r\nTo-Path: " + theirs(kAna)));
    EXPECT_THAT(told, HasSubstr("Message-ID: msg00001\r\n"));
    EXPECT_THAT(told, HasSubstr("Byte-Range: 1-" + std::to_string(text.size()) + "/" +
                                std::to_string(text.size())));
    EXPECT_THAT(told, HasSubstr("Status: 000 200 OK"));
    // Of what is refused there is none.
    status_of(
        kAna,
        {.body = text, .type = "text/plain", .id = "m002", .more = "Success-Report: yes\r\n"});
    EXPECT_THAT(wires_.take(kAna), Not(HasSubstr("REPORT")));
    EXPECT_EQ(status_of(kAna, {.body = text, .id = "m003", .more = "Failure-Report: no\r\n"}), 0);
    EXPECT_EQ(status_of(kAna, {.body = text, .id = "m004", .more = "Failure-Report: partial\r\n"}),
              0);
    EXPECT_EQ(status_of(kAna, {.body = text,
                               .type = "text/plain",
                               .id = "m005",
                               .more = "Failure-Report: partial\r\n"}),
              415);
    EXPECT_EQ(
        status_of(
            kAna,
            {.body = text, .type = "text/plain", .id = "m006", .more = "Failure-Report: no\r\n"}),
        0);
}

TEST_F(RoomsTest, AMessageThatIsRepeatedIsReportedAgainAndNotDelivered) {
    const std::string text = cpim(address(kAna), kRoomUri, "hello");
    EXPECT_EQ(status_of(kAna, {.body = text}), 200);
    EXPECT_EQ(got(kBen).size(), 1U);
    EXPECT_EQ(status_of(kAna, {.body = text, .more = "Success-Report: yes\r\n"}), 200);
    EXPECT_THAT(wires_.take(kAna), HasSubstr("REPORT"));
    EXPECT_THAT(got(kBen), IsEmpty());
}

TEST_F(RoomsTest, StrangersAndOtherMethodsAreRefused) {
    rooms_.on_open(now_, 50);
    std::string stranger = request(kAna, {.body = "x"});
    stranger.replace(stranger.find("room-1"), 6, "room-7");
    come(50, stranger);
    EXPECT_EQ(first_status(wires_.take(50)), 481);
    come(50, request(kAna, {.body = "x"}));
    EXPECT_EQ(first_status(wires_.take(50)), 506);
    EXPECT_EQ(status_of(kAna, {.method = "AUTH"}), 501);
    come(50, "GET / HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(wires_.closed.contains(50));
}

TEST_F(RoomsTest, NicknamesAreTakenGivenBackAndAnybodysOnce) {
    EXPECT_EQ(nickname(kAna, "\"Ana the Great\""), 200);
    EXPECT_EQ(nickname(kBen, "\"ana  the great \""), 425);
    EXPECT_EQ(nickname(kBen, "\"Recorder\""), 425);
    EXPECT_EQ(nickname(kAna, "\"Ana the Great\""), 200);
    EXPECT_EQ(nickname(kAna, "\"\""), 200);
    EXPECT_EQ(nickname(kBen, "\"Ana the Great\""), 200);
    EXPECT_THAT(told_, ElementsAre("1 is Ana the Great", "1 is ", "2 is Ana the Great"));
    rooms_.remove_member(now_, kRoom, kBen);
    EXPECT_EQ(nickname(kAna, "\"Ana the Great\""), 200);
}

// The flows of section 9 in our room: a nickname, a message to all, one to a participant alone that
// comes in chunks; the URI of the room has a parameter, as in the RFC.
TEST_F(RoomsTest, ExamplesFromRfc7701Section9) {
    EXPECT_EQ(nickname(kAna, "\"Alice the great\""), 200);
    EXPECT_THAT(told_, testing::Contains("1 is Alice the great"));

    const std::string date = "DateTime: 2009-03-02T15:02:31-03:00\r\n";
    const std::string to_all = "To: <" + kRoomUri + ";transport=tcp>\r\nFrom: <" + address(kAna) +
                               ">\r\n" + date +
                               "\r\nContent-Type: text/plain\r\n\r\nHello guys, how are you today?";
    EXPECT_EQ(status_of(kAna, {.body = to_all, .id = "10293847"}), 200);
    EXPECT_THAT(got(kBen), testing::ElementsAre(to_all));
    EXPECT_THAT(got(kCleo), testing::ElementsAre(to_all));

    const std::string begin = "To: <" + address(kBen) + ">\r\nFrom: <" + address(kAna) + ">\r\n" +
                              date + "\r\nContent-Type: text/plain\r\n\r\nHello Ben, this ";
    const std::string rest = "is for you alone.";
    const std::string total = std::to_string(begin.size() + rest.size());
    EXPECT_EQ(status_of(kAna, {.body = begin,
                               .id = "20293847",
                               .range = "1-" + std::to_string(begin.size()) + "/" + total,
                               .flag = '+'}),
              200);
    EXPECT_EQ(
        status_of(kAna, {.body = rest,
                         .id = "20293847",
                         .range = std::to_string(begin.size() + 1) + "-" + total + "/" + total}),
        200);
    EXPECT_THAT(got(kBen), testing::ElementsAre(begin + rest));
    EXPECT_THAT(got(kCleo), testing::IsEmpty());
}

TEST_F(RoomsTest, WhatLooksTheSameIsTheSameNickname) {
    EXPECT_EQ(nickname(kAna, "\"boss\""), 200);
    for (const char* like : {"b\u043ess", "\uff42\uff4f\uff53\uff53", "BO\u0405\u0455",
                             "\U0001d41b\U0001d428ss", "\u00a0boss\u2003", "boss\ufe0f"}) {
        now_.steady += kNicknameTime;
        EXPECT_EQ(nickname(kBen, "\"" + std::string(like) + "\""), 425) << like;
    }
    for (const char* like : {"Rec\u043erder", "\uff32ecorder", "Recorder\ufe0f", "Recorder\u00a0",
                             "\u211becorder", "\u0433ecorder"}) {
        now_.steady += kNicknameTime;
        EXPECT_EQ(nickname(kBen, "\"" + std::string(like) + "\""), 425) << like;
    }
    EXPECT_EQ(nickname(kBen, "\"\u0411\u043e\u0441\u0441 \u2764\ufe0f\""), 200);
}

TEST_F(RoomsTest, AStormOfNicknamesIsRefused) {
    for (std::size_t i = 0; i < kMaxNicknames; ++i)
        EXPECT_EQ(nickname(kAna, "\"a" + std::to_string(i) + "\""), 200);
    EXPECT_EQ(nickname(kAna, "\"b\""), 403);
    EXPECT_EQ(nickname(kBen, "\"b\""), 200);
    EXPECT_EQ(told_.size(), kMaxNicknames + 1);
    now_.steady += kNicknameTime;
    EXPECT_EQ(nickname(kAna, "\"c\""), 200);
}

// Readers take the first one or the last one.
TEST_F(RoomsTest, NobodyWritesAsTwo) {
    const std::string rest = "\r\nTo: <" + kRoomUri + ">\r\n\r\n\r\nhello";
    const std::string own = "<" + address(kAna) + ">";
    const std::string poses = "Recorder <" + kRoomUri + ">";
    int number = 100;
    for (const std::string& from :
         {own + "\r\nFrom: " + poses, own + "\r\nNS: <urn:x>\r\nFrom: " + poses,
          own + "\r\nNS: c <urn:x>\r\nc.From: " + poses, poses + " " + own})
        EXPECT_EQ(status_of(kAna, {.body = "From: " + from + rest,
                                   .id = "two" + std::to_string(number++)}),
                  400)
            << from;
    EXPECT_THAT(got(kBen), IsEmpty());
}

TEST_F(RoomsTest, NobodyIsTheRecorder) {
    const auto named = [&](const std::string& name) {
        return name + " " + cpim(address(kAna), kRoomUri, "not recorded any more").substr(6);
    };
    int count = 0;
    for (const std::string name :
         {"Recorder", "\" recorder \"", "\"Re\\corder\"", "Rec\u200border"})
        EXPECT_EQ(status_of(kAna, {.body = "From: " + named(name),
                                   .id = "m00" + std::to_string(++count)}),
                  403)
            << name;
    EXPECT_EQ(status_of(kAna, {.body = "From: " + named("Recorders"), .id = "m999"}), 200);
    got(kBen);
    rooms_.add_alias(kRoom, "sip:conf-1@192.0.2.1");
    const std::string ben = address(kBen);
    for (const std::string& room : {kRoomUri, std::string("sip:conf-1@192.0.2.1:5060")}) {
        set(kAna, true, {room});
        for (const std::string& to : {kRoomUri, ben})
            EXPECT_EQ(status_of(kAna, {.body = cpim(room, to, "x"),
                                       .id = "r00" + std::to_string(++count)}),
                      403);
    }
    EXPECT_THAT(got(kBen), IsEmpty());
}

TEST_F(RoomsTest, ANewSessionHasMessageIdsOfItsOwn) {
    const std::string text = cpim(address(kAna), kRoomUri, "hello");
    EXPECT_EQ(status_of(kAna, {.body = text}), 200);
    EXPECT_EQ(
        status_of(kAna, {.body = text, .id = "msg00002", .range = "1-*/9999999", .flag = '+'}),
        413);
    const std::string path = "msrp://192.0.2.9:7000/phone-1-anew;tcp";
    rooms_.set_member(
        now_, kRoom, kAna,
        {.uris = {address(kAna)}, .own = uri(own(kAna)), .peer = {.path = {uri(path)}}});
    got(kBen);
    rooms_.on_open(now_, 70);
    for (const std::string id : {"msg00001", "msg00002"}) {
        std::string again = request(kAna, {.body = text, .id = id});
        again.replace(again.find(theirs(kAna)), theirs(kAna).size(), path);
        come(70, again);
    }
    EXPECT_THAT(got(kBen), ElementsAre(text, text));
}

TEST_F(RoomsTest, WhoHasAnotherPathIsNoMember) {
    rooms_.on_closed(now_, kAna);
    rooms_.on_open(now_, 70);
    std::string other = request(kAna, {.body = cpim(address(kAna), kRoomUri, "hello")});
    other.replace(other.find("phone-1"), 7, "phone-9");
    come(70, other);
    EXPECT_EQ(first_status(wires_.take(70)), 481);
    EXPECT_THAT(got(kBen), IsEmpty());
    // Behind a middlebox that knows it by another host.
    std::string hers = request(kAna, {.body = cpim(address(kAna), kRoomUri, "hello")});
    hers.replace(hers.find("192.0.2.9:7000"), 14, "10.0.0.5:7001");
    come(70, hers);
    EXPECT_EQ(first_status(wires_.take(70)), 200);
}

TEST_F(RoomsTest, NicknamesThatAreNoneAreRefused) {
    EXPECT_EQ(nickname(kAna, "Ana"), 424);
    EXPECT_EQ(status_of(kAna, {.method = "NICKNAME"}), 424);
    EXPECT_EQ(nickname(kAna, "\"" + std::string(kMaxNicknameBytes, 'n') + "\""), 200);
    EXPECT_EQ(nickname(kAna, "\"" + std::string(kMaxNicknameBytes + 1, 'n') + "\""), 424);
    EXPECT_EQ(nickname(kAna, "\"\xff\""), 424);
    EXPECT_EQ(nickname(kAna, "\"   \""), 424);
    for (const char* unseen :
         {"\u2003", "\u00a0", "\u3164", "\u2800", "\ufe0f", "Rec\u034forder", "Re\u180ecorder",
          "Rec\ufff9order", "Recorder\U000e0041", "Re\u2060corder", "a\ufffe"}) {
        now_.steady += kNicknameTime;
        EXPECT_EQ(nickname(kAna, "\"" + std::string(unseen) + "\""), 424) << unseen;
    }
    rooms_.open(kRoom, {.uri = kRoomUri, .takes_nicknames = false});
    EXPECT_EQ(nickname(kAna, "\"Ana\""), 403);
}

TEST_F(RoomsTest, WhoIsSlowHoldsUpNobodyAndIsToldWhatItMissed) {
    wires_.is_stuck.insert(kBen);
    const std::string text = cpim(address(kAna), kRoomUri, std::string(100'000, 'z'));
    constexpr int kMessages = 60;  // 6 MB: more than is kept for one
    for (int i = 0; i < kMessages; ++i)
        EXPECT_EQ(status_of(kAna, {.body = text, .id = "big" + std::to_string(i)}), 200);
    EXPECT_EQ(got(kCleo).size(), static_cast<std::size_t>(kMessages));
    EXPECT_THAT(told_, ElementsAre("2 member_too_slow"));
    EXPECT_LE(rooms_.kept_bytes(), kMaxMemberBytes);
    // It reads again: what was kept comes, then how much was not.
    wires_.is_stuck.clear();
    wires_.queued.clear();
    rooms_.on_writable(now_, kBen);
    const std::vector<std::string> all = got(kBen);
    ASSERT_GT(all.size(), 30U);
    const std::size_t whole = all.size() - 1;
    EXPECT_EQ(all[0], text);
    EXPECT_THAT(all.back(), HasSubstr(std::to_string(kMessages - whole) +
                                      " messages were not delivered to you"));
    EXPECT_EQ(rooms_.kept_bytes(), 0U);
}

// However small they are: each is counted with what it costs besides its octets.
TEST_F(RoomsTest, WhatWaitsIsCountedByTheMessageToo) {
    wires_.is_stuck.insert(kBen);
    wires_.queued[kBen] = kMaxQueuedBytes;
    const std::string text = cpim(address(kAna), kRoomUri, "x");
    for (std::size_t i = 0; i < 100; ++i)
        EXPECT_EQ(status_of(kAna, {.body = text, .id = "tiny" + std::to_string(i)}), 200);
    EXPECT_EQ(rooms_.kept_bytes(), 100 * (text.size() + kDeliveryBytes));
    EXPECT_EQ(got(kCleo).size(), 100U);
    // More than go out side by side, in their order, also when it comes anew.
    rooms_.on_closed(now_, kBen);
    wires_.is_stuck.clear();
    rooms_.on_open(now_, 60);
    come(60, request(kBen, {.body = {}, .type = {}, .id = "empty002"}));
    EXPECT_EQ(messages(wires_.take(60)), std::vector<std::string>(100, text));
    EXPECT_EQ(rooms_.kept_bytes(), 0U);
    wires_.is_stuck.insert(60);
    wires_.queued[60] = kMaxQueuedBytes;
    EXPECT_EQ(status_of(kAna, {.body = text, .id = "tiny"}), 200);
    EXPECT_NE(rooms_.kept_bytes(), 0U);
    rooms_.remove_member(now_, kRoom, kBen);
    EXPECT_EQ(rooms_.kept_bytes(), 0U);
}

TEST_F(RoomsTest, APrivateMessageThatItsRecipientCannotTakeFails) {
    wires_.is_stuck.insert(kBen);
    const std::string text = cpim(address(kAna), address(kBen), std::string(1'000'000, 'z'));
    int status = 200;
    for (int i = 0; i < 10 && status == 200; ++i)
        status = status_of(kAna, {.body = text, .id = "big" + std::to_string(i)});
    EXPECT_EQ(status, 408);
}

TEST_F(RoomsTest, WhoDoesNotReadItsAnswersIsNotRead) {
    wires_.is_stuck.insert(kAna);
    for (int i = 0; i < 10'000 && !wires_.unread.contains(kAna); ++i)
        come(kAna, request(kAna, {.body = "x", .type = "text/plain"}));
    EXPECT_TRUE(wires_.unread.contains(kAna));
    wires_.queued.clear();
    rooms_.on_writable(now_, kAna);
    EXPECT_FALSE(wires_.unread.contains(kAna));
}

TEST_F(RoomsTest, WhoHasNotConnectedYetGetsWhatWasSaidMeanwhile) {
    constexpr MemberId kDan = 4;
    set(kDan, true);
    rooms_.say(now_, kRoom, kDan, "This chat is recorded.");
    const std::string text = cpim(address(kAna), kRoomUri, "hello");
    EXPECT_EQ(status_of(kAna, {.body = text}), 200);
    rooms_.on_open(now_, kDan);
    come(kDan, request(kDan, {.body = {}, .type = {}, .id = "empty001"}));
    const std::vector<std::string> all = got(kDan);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_THAT(all[0], HasSubstr("From: Recorder <" + kRoomUri + ">"));
    EXPECT_THAT(all[0], HasSubstr("This chat is recorded."));
    EXPECT_EQ(all[1], text);
}

TEST_F(RoomsTest, WhatAMemberDidNotGetWholeComesAgainOnItsNextConnection) {
    wires_.is_stuck.insert(kBen);
    wires_.queued[kBen] = kMaxQueuedBytes;
    const std::string text = cpim(address(kAna), kRoomUri, std::string(300'000, 'z'));
    EXPECT_EQ(status_of(kAna, {.body = text}), 200);
    rooms_.on_closed(now_, kBen);
    EXPECT_THAT(told_, ElementsAre("2 disconnected"));
    rooms_.on_open(now_, 60);
    come(60, request(kBen, {.body = {}, .type = {}, .id = "empty002"}));
    EXPECT_THAT(messages(wires_.take(60)), ElementsAre(text));
}

TEST_F(RoomsTest, WhereAMemberListensWeConnectAndSpeakAtOnce) {
    constexpr MemberId kDan = 4;
    rooms_.set_member(now_, kRoom, kDan,
                      {.uris = {address(kDan)},
                       .own = uri(own(kDan)),
                       .peer = {.path = {uri(theirs(kDan))},
                                .connect_to = base::parse_net_address("192.0.2.9:7000")}});
    const ConnectionId made = wires_.last;
    rooms_.on_open(now_, made);
    const std::string told = wires_.take(made);
    EXPECT_THAT(told, HasSubstr("To-Path: " + theirs(kDan) + "\r\nFrom-Path: " + own(kDan)));
    EXPECT_THAT(told, HasSubstr("Byte-Range: 1-0/0"));
    rooms_.remove_member(now_, kRoom, kDan);
    EXPECT_TRUE(wires_.closed.contains(made));
}

// ---- TLS (RFC 4975 section 14.4)

class RoomsTlsTest : public RoomsTest {
protected:
    static constexpr MemberId kDan = 4;
    static std::string secured(std::string text) {
        for (std::size_t at = text.find("msrp:"); at != std::string::npos;
             at = text.find("msrp:", at))
            text.replace(at, 5, "msrps:");
        return text;
    }
    static base::CertificateFingerprint fingerprint(std::uint8_t octet) {
        return {.digest = base::Bytes(32, octet)};
    }
    void set_dan(std::uint8_t shows, std::optional<base::NetAddress> connect_to = {}) {
        rooms_.set_member(now_, kRoom, kDan,
                          {.uris = {address(kDan)},
                           .own = uri(secured(own(kDan))),
                           .peer = {.path = {uri(secured(theirs(kDan)))},
                                    .connect_to = connect_to,
                                    .fingerprints = {fingerprint(shows)}}});
    }
    void come_as_dan(ConnectionId connection, const std::string& id = "msg00001") {
        come(connection,
             secured(request(kDan, {.body = cpim(address(kDan), kRoomUri, "from Dan"), .id = id})));
    }
};

TEST_F(RoomsTlsTest, WhoShowsTheCertificateThatItNamedIsInTheRoom) {
    set_dan(1);
    wires_.shows[kDan] = {fingerprint(1)};
    rooms_.on_open(now_, kDan, true);
    come_as_dan(kDan);
    EXPECT_EQ(first_status(wires_.take(kDan)), 200);
    EXPECT_THAT(told_, ElementsAre("4 connected"));
    EXPECT_THAT(got(kBen), ElementsAre(cpim(address(kDan), kRoomUri, "from Dan")));
    const std::string text = cpim(address(kAna), kRoomUri, "to Dan, too");
    EXPECT_EQ(status_of(kAna, {.body = text}), 200);
    EXPECT_THAT(got(kDan), ElementsAre(text));
}

TEST_F(RoomsTlsTest, WhoShowsAnotherCertificateIsDroppedUnheard) {
    set_dan(1);
    wires_.shows[kDan] = {fingerprint(1)};
    wires_.shows[50] = {fingerprint(2)};
    rooms_.on_open(now_, 50, true);
    come_as_dan(50);
    EXPECT_TRUE(wires_.closed.contains(50));
    EXPECT_THAT(wires_.take(50), IsEmpty());
    EXPECT_THAT(told_, ElementsAre("4 fingerprint_mismatch"));
    EXPECT_THAT(got(kBen), IsEmpty());
    // The one that was named is not kept out by it.
    rooms_.on_open(now_, kDan, true);
    come_as_dan(kDan, "msg00002");
    EXPECT_EQ(first_status(wires_.take(kDan)), 200);
    EXPECT_FALSE(rooms_.owns(50));
}

TEST_F(RoomsTlsTest, NobodyComesByAnotherProtocolThanWasAgreedOn) {
    set_dan(1);
    rooms_.on_open(now_, 50, false);
    come_as_dan(50);
    EXPECT_EQ(first_status(wires_.take(50)), 481);
    // A member in the clear that comes by TLS.
    rooms_.on_closed(now_, kAna);
    rooms_.on_open(now_, 51, true);
    come(51, request(kAna, {.body = cpim(address(kAna), kRoomUri, "x")}));
    EXPECT_EQ(first_status(wires_.take(51)), 481);
    EXPECT_THAT(got(kBen), IsEmpty());
}

TEST_F(RoomsTlsTest, AnotherFingerprintIsAnotherMember) {
    set_dan(1);
    wires_.shows[kDan] = {fingerprint(1)};
    rooms_.on_open(now_, kDan, true);
    come_as_dan(kDan);
    set_dan(2);
    EXPECT_TRUE(wires_.closed.contains(kDan));
}

TEST_F(RoomsTlsTest, WhereWeConnectNothingIsSaidToAStranger) {
    set_dan(1, base::parse_net_address("192.0.2.9:7000"));
    EXPECT_THAT(wires_.connected_to, ElementsAre("192.0.2.9:7000 192.0.2.9"));
    const ConnectionId stranger = wires_.last;
    wires_.shows[stranger] = {fingerprint(2)};
    rooms_.on_open(now_, stranger, true);
    EXPECT_TRUE(wires_.closed.contains(stranger));
    EXPECT_THAT(wires_.take(stranger), IsEmpty());
    EXPECT_THAT(told_, ElementsAre("4 fingerprint_mismatch"));
    set_dan(3, base::parse_net_address("192.0.2.9:7001"));
    const ConnectionId friendly = wires_.last;
    wires_.shows[friendly] = {fingerprint(3)};
    rooms_.on_open(now_, friendly, true);
    EXPECT_THAT(wires_.take(friendly), HasSubstr("To-Path: " + secured(theirs(kDan))));
    EXPECT_EQ(told_.back(), "4 connected");
}

TEST_F(RoomsTlsTest, AConnectionThatIsNotTakenIsTold) {
    set_dan(1, base::parse_net_address("192.0.2.9:7000"));
    rooms_.on_closed(now_, wires_.last);
    EXPECT_THAT(told_, ElementsAre("4 chat_not_connected"));
    wires_.can_connect = false;
    set_dan(2, base::parse_net_address("192.0.2.9:7000"));
    EXPECT_EQ(told_.back(), "4 chat_no_connection");
}

TEST_F(RoomsTest, ConnectionsOfNobodyAreClosed) {
    rooms_.on_open(now_, 50);
    now_.steady += kUnboundTime;
    rooms_.on_time(now_);
    EXPECT_TRUE(wires_.closed.contains(50));
    EXPECT_FALSE(wires_.closed.contains(kAna));
}

// ---- what is recorded

class RecordedRoomTest : public testing::Test {
protected:
    RecordedRoomTest() {
        open_room(true);
        desk_.copies().open(now_, kKey, {.parties = {"Ana <sip:x@y>", "<sip:z@y>"}});
        answer();
        server_ = wires_.last;
        desk_.on_open(now_, server_);
        for (const MemberId member : {kAna, kBen}) {
            desk_.rooms().set_member(now_, kRoom, member,
                                     {.uris = {address(member)},
                                      .name = member == kAna ? "Ana" : "",
                                      .own = uri(own(member)),
                                      .peer = {.path = {uri(theirs(member))}},
                                      .takes_private = true});
            desk_.on_open(now_, member);
            come(member, "SEND", "Message-ID: empty001\r\n", {});
        }
    }
    void open_room(bool records_private) {
        desk_.rooms().open(kRoom, {.uri = kRoomUri, .records_private = records_private});
    }
    void come(MemberId member, const std::string& method, const std::string& more,
              const std::string& body, char flag = '$') {
        std::string text = "MSRP abcd1234 " + method + "\r\nTo-Path: " + own(member) +
                           "\r\nFrom-Path: " + theirs(member) + "\r\n" + more;
        if (!body.empty()) text += "Content-Type: message/cpim\r\n\r\n" + body + "\r\n";
        text += std::string("-------abcd1234") + flag + "\r\n";
        // By and by: whose connection it is is not known at first.
        for (std::size_t at = 0; at < text.size(); at += 7)
            desk_.on_bytes(now_, member, base::as_bytes(std::string_view(text).substr(at, 7)));
    }
    void answer(const CopyKey& key = kKey) {
        desk_.copies().answer(
            now_, key,
            CopyAnswer{
                .server = {.path = {uri("msrp://192.0.2.30:2855/server;tcp")},
                           .own = uri("msrp://192.0.2.1:2855/copy;tcp"),
                           .types = {.accept_types = "message/cpim application/msrp-recording *"}},
                .connect_to = *base::parse_net_address("192.0.2.30:2855")});
    }
    static constexpr CopyKey kKey{.session = kRoom, .subscription = 1};
    base::Now now_{base::TimePoint{} + std::chrono::hours(1), base::wall_from_ns(0)};
    Wires wires_;
    base::SeededRandom random_{5};
    std::vector<std::string> told_;
    Desk desk_{
        wires_, random_, [](const SwitchEvent&) {},
        [this](const CopyEvent& event) { told_.push_back(event.reason.code); },
        [this](const RoomEvent& event) {
            if (event.kind == RoomEvent::Kind::Nickname)
                nicknames_.push_back((event.is_withheld ? "withheld " : "") + event.nickname);
        }};
    std::vector<std::string> nicknames_;
    ConnectionId server_ = 0;
};

TEST_F(RecordedRoomTest, EachMessageSaysWhoWroteItByWhichName) {
    come(kAna, "NICKNAME", "Use-Nickname: \"ana_r\"\r\n", {});
    come(kBen, "SEND", "Message-ID: msg00001\r\n", cpim(address(kBen), kRoomUri, "one"));
    come(kAna, "SEND", "Message-ID: msg00001\r\n", cpim(address(kAna), kRoomUri, "two"));
    const std::vector<std::string> all = messages(wires_.take(server_));
    ASSERT_EQ(all.size(), 5U);  // the first one binds
    EXPECT_THAT(all[1], HasSubstr("From: Ana <sip:m1@desk.example>\r\nTo: <" + kRoomUri + ">"));
    EXPECT_THAT(all[1], HasSubstr("rs.Content: msrp"));
    EXPECT_THAT(all[1], HasSubstr("MSRP abcd1234 NICKNAME\r\nUse-Nickname: \"ana_r\""));
    EXPECT_THAT(all[2], HasSubstr("MSRP abcd1234 200 OK"));
    EXPECT_THAT(all[3], HasSubstr("From: <sip:m2@desk.example>\r\nTo: <" + kRoomUri + ">"));
    EXPECT_THAT(all[3], Not(HasSubstr("rs.Nickname")));
    EXPECT_THAT(all[3], HasSubstr("rs.Message-ID: msg00001"));
    EXPECT_THAT(all[4], HasSubstr("From: Ana <sip:m1@desk.example>"));
    EXPECT_THAT(all[4], HasSubstr("rs.Nickname: ana_r"));
    EXPECT_THAT(all[4], HasSubstr(cpim(address(kAna), kRoomUri, "two")));
    EXPECT_THAT(all[1], Not(HasSubstr("msrp://")));
}

// A name may look like an address.
TEST_F(RecordedRoomTest, TheAuthorIsTheAddressWhateverItsNameIs) {
    for (const std::string name :
         {"Boss <sip:boss@x>", "Bo\\\"ss <sip:boss@x>", "\"<sip:boss@x>"}) {
        desk_.rooms().set_member(now_, kRoom, kAna,
                                 {.uris = {address(kAna)},
                                  .name = name,
                                  .own = uri(own(kAna)),
                                  .peer = {.path = {uri(theirs(kAna))}}});
        come(kAna, "SEND", "Message-ID: name" + std::to_string(name.size()) + "\r\n",
             cpim(address(kAna), kRoomUri, "hello"));
        const std::vector<std::string> all = messages(wires_.take(server_));
        ASSERT_FALSE(all.empty());
        const auto head = mime::parse_cpim(all.back());
        ASSERT_TRUE(head);
        EXPECT_EQ(head->from->uri, address(kAna));
        EXPECT_EQ(head->from->name, name);
    }
    // In a chat of two the parties are told so.
    const MessageFacts facts{.from = Side::A, .content_type = "text/plain"};
    const auto wrapping = wrap(facts, {.accept_types = "message/cpim", .accept_wrapped_types = "*"},
                               {name_addr("Boss <sip:boss@x>", "sip:m@x"), "<sip:z@x>"});
    ASSERT_TRUE(wrapping);
    EXPECT_EQ(mime::parse_cpim(wrapping->prefix)->from->uri, "sip:m@x");
    EXPECT_EQ(name_addr("Ana", "sip:a@x"), "Ana <sip:a@x>");
    EXPECT_EQ(name_addr("", "sip:a@x"), "<sip:a@x>");
}

// Where wrapper and CPIM name two recipients the message is taken for a private one.
TEST_F(RecordedRoomTest, TheRoomIsCalledAsTheMessageCallsIt) {
    desk_.rooms().add_alias(kRoom, "sip:conf-1@192.0.2.1:5062");
    const std::string text = cpim(address(kAna), "sip:conf-1@192.0.2.1:5062", "hello");
    come(kAna, "SEND", "Message-ID: msg00001\r\n", text);
    const std::vector<std::string> all = messages(wires_.take(server_));
    ASSERT_EQ(all.size(), 2U);
    EXPECT_THAT(all[1], HasSubstr("To: <sip:conf-1@192.0.2.1:5062>\r\nDateTime: "));
    EXPECT_THAT(all[1], Not(HasSubstr(kRoomUri)));
}

TEST_F(RecordedRoomTest, APrivateMessageIsBetweenTheRoomAndItsRecipient) {
    come(kAna, "SEND", "Message-ID: msg00001\r\n", cpim(address(kAna), address(kBen), "psst"));
    const std::vector<std::string> all = messages(wires_.take(server_));
    ASSERT_EQ(all.size(), 2U);
    EXPECT_THAT(all[1], HasSubstr("To: <" + kRoomUri + ">\r\n"));
    EXPECT_THAT(all[1], HasSubstr("To: <" + address(kBen) + ">\r\n"));
}

TEST_F(RecordedRoomTest, WherePrivateMessagesAreLeftOutThereIsANotice) {
    open_room(false);
    come(kAna, "SEND", "Message-ID: msg00001\r\n", cpim(address(kAna), address(kBen), "psst"));
    const std::string sent = wires_.take(server_);
    EXPECT_THAT(sent, HasSubstr("rs.Content: drop"));
    EXPECT_THAT(sent, HasSubstr("rs.Size: "));
    EXPECT_THAT(sent, Not(HasSubstr("psst")));
    EXPECT_THAT(sent, Not(HasSubstr(address(kBen))));
    EXPECT_THAT(messages(wires_.take(kBen)), testing::SizeIs(1));
    come(kAna, "SEND", "Message-ID: msg00002\r\n", cpim(address(kAna), kRoomUri, "all"));
    EXPECT_THAT(wires_.take(server_), HasSubstr("all"));
}

TEST_F(RecordedRoomTest, WhileRecordingIsPausedNothingIsCopied) {
    desk_.copies().pause(now_, kKey);
    come(kAna, "SEND", "Message-ID: msg00001\r\n", cpim(address(kAna), kRoomUri, "one"));
    EXPECT_THAT(wires_.take(server_), Not(HasSubstr("one")));
    EXPECT_THAT(messages(wires_.take(kBen)), testing::SizeIs(1));
}

// Whoever pauses: the client, or the server by its answer.
TEST_F(RecordedRoomTest, WhatBeginsInAPauseIsNotCopiedWheneverItEnds) {
    for (const bool is_ours : {true, false}) {
        const std::string id = is_ours ? "ours" : "theirs";
        is_ours ? desk_.copies().pause(now_, kKey) : desk_.copies().answer(now_, kKey, {});
        const std::string text = cpim(address(kAna), kRoomUri, "card 4111");
        const std::string first = std::to_string(text.size() - 3);
        const std::string head = "Message-ID: " + id + "\r\nByte-Range: ";
        come(kAna, "SEND", head + "1-" + first + "/*\r\n", text.substr(0, text.size() - 3), '+');
        const std::string taken_back = cpim(address(kAna), kRoomUri, "card 5222");
        come(kAna, "SEND", "Message-ID: back" + id + "\r\nByte-Range: 1-*/*\r\n", taken_back, '+');
        answer();
        come(kAna, "SEND", head + std::to_string(text.size() - 2) + "-*/*\r\n",
             text.substr(text.size() - 3));
        come(kAna, "SEND",
             "Message-ID: back" + id + "\r\nByte-Range: " + std::to_string(taken_back.size()) +
                 "-*/*\r\n",
             taken_back.substr(taken_back.size() - 1), '#');
        EXPECT_EQ(messages(wires_.take(kBen)).back(), text);
        come(kAna, "SEND", "Message-ID: next" + id + "\r\n", cpim(address(kAna), kRoomUri, "next"));
        const std::string sent = wires_.take(server_);
        EXPECT_THAT(sent, HasSubstr("next"));
        EXPECT_THAT(sent, Not(HasSubstr("card")));
    }
}

TEST_F(RecordedRoomTest, APauseCutsWhatIsComingInAndCopiesNoMoreOfIt) {
    for (const bool is_ours : {true, false}) {
        const std::string id = is_ours ? "ours" : "theirs";
        const std::string text = cpim(address(kAna), kRoomUri, "so far: secret");
        const std::size_t at = text.find("secret");
        come(kAna, "SEND", "Message-ID: " + id + "\r\nByte-Range: 1-*/*\r\n", text.substr(0, at),
             '+');
        EXPECT_THAT(wires_.take(server_), Not(HasSubstr("so far")));
        is_ours ? desk_.copies().pause(now_, kKey) : desk_.copies().answer(now_, kKey, {});
        const std::string cut = wires_.take(server_);
        EXPECT_THAT(cut, HasSubstr("so far: "));
        EXPECT_THAT(cut, HasSubstr("#\r\n"));
        answer();
        come(kAna, "SEND",
             "Message-ID: " + id + "\r\nByte-Range: " + std::to_string(at + 1) + "-*/*\r\n",
             text.substr(at));
        EXPECT_THAT(wires_.take(server_), Not(HasSubstr("secret")));
        EXPECT_THAT(messages(wires_.take(kBen)), ElementsAre(text));
    }
}

// Its metadata is not the place either.
TEST_F(RecordedRoomTest, ANicknameOfAPauseIsToldWhenTheRecordingGoesOn) {
    come(kAna, "NICKNAME", "Use-Nickname: \"first\"\r\n", {});
    desk_.copies().pause(now_, kKey);
    wires_.take(server_);
    come(kAna, "NICKNAME", "Use-Nickname: \"second\"\r\n", {});
    EXPECT_THAT(nicknames_, ElementsAre("first", "withheld second"));
    EXPECT_THAT(wires_.take(server_), Not(HasSubstr("second")));
    answer();
    EXPECT_THAT(nicknames_, ElementsAre("first", "withheld second", "second"));
}

TEST_F(RecordedRoomTest, ARecordingHasNothingOfWhatWasComingInWhenItBegan) {
    const std::string text = cpim(address(kAna), kRoomUri, "hello");
    come(kAna, "SEND", "Message-ID: msg00001\r\nByte-Range: 1-*/*\r\n",
         text.substr(0, text.size() - 1), '+');
    const CopyKey other{.session = kRoom, .subscription = 2};
    desk_.copies().open(now_, other, {});
    answer(other);
    const ConnectionId late = wires_.last;
    desk_.on_open(now_, late);
    come(kAna, "SEND",
         "Message-ID: msg00001\r\nByte-Range: " + std::to_string(text.size()) + "-*/*\r\n",
         text.substr(text.size() - 1));
    EXPECT_THAT(wires_.take(server_), HasSubstr("hello"));
    come(kAna, "SEND", "Message-ID: msg00002\r\n", cpim(address(kAna), kRoomUri, "more"));
    const std::string sent = wires_.take(late);
    EXPECT_THAT(sent, HasSubstr("more"));
    EXPECT_THAT(sent, Not(HasSubstr("hello")));
}

TEST_F(RecordedRoomTest, ACallsConnectionIsStillTheCalls) {
    desk_.chats().set_own(now_, 70, Side::A, uri("msrp://192.0.2.1:2855/facing-a;tcp"));
    desk_.chats().set_peer(now_, 70, Side::A, {.path = {uri("msrp://192.0.2.10:7000/a;tcp")}});
    desk_.on_open(now_, 40);
    const std::string text =
        "MSRP abcd1234 SEND\r\nTo-Path: msrp://192.0.2.1:2855/facing-a;tcp\r\n"
        "From-Path: msrp://192.0.2.10:7000/a;tcp\r\nMessage-ID: m001\r\n-------abcd1234$\r\n";
    desk_.on_bytes(now_, 40, base::as_bytes(std::string_view(text).substr(0, 50)));
    desk_.on_bytes(now_, 40, base::as_bytes(std::string_view(text).substr(50)));
    now_.steady += kPatience;
    desk_.on_time(now_);
    EXPECT_THAT(wires_.take(40), HasSubstr("408"));
    EXPECT_FALSE(desk_.rooms().owns(40));
}

TEST(Nickname, QuotesAndEscapesAreUndone) {
    EXPECT_EQ(parse_nickname(" \"Ana\" "), "Ana");
    EXPECT_EQ(parse_nickname(R"("a\"b\\c")"), "a\"b\\c");
    EXPECT_EQ(parse_nickname("\"\""), "");
    EXPECT_EQ(parse_nickname(R"("a\")"), std::nullopt);
    EXPECT_EQ(parse_nickname("\"a\tb\""), std::nullopt);
    EXPECT_EQ(parse_nickname("\""), std::nullopt);
    EXPECT_EQ(parse_nickname("\"a\\\x1b[31m\""), std::nullopt);
    EXPECT_EQ(parse_nickname("\"a\\\rb\""), std::nullopt);
    for (const std::string unseen : {"\xc2\x85", "\xc2\x9b", "\u200b", "\u200f", "\u2028", "\u202e",
                                     "\u2060", "\u2069", "\ufeff"})
        EXPECT_EQ(parse_nickname("\"a" + unseen + "b\""), std::nullopt) << unseen;
    for (const std::string seen : {"\u00e4", "\u20ac", "\u2010", "\u2070", "\uff32"})
        EXPECT_EQ(parse_nickname("\"" + seen + "\""), seen);
}

}  // namespace
}  // namespace earshot::chat
