#include "chat/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "chat/chat_test_rig.h"
#include "chat/desk.h"
#include "mime/cpim.h"

namespace earshot::chat {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr SessionId kRoom = 9;
constexpr MemberId kAna = 1;
constexpr MemberId kBen = 2;
constexpr ConnectionId kWire = 50;  // by which Ana's file comes
constexpr FileKey kFile{.room = kRoom, .member = kAna, .line = 1};
const std::string kRoomUri = "sip:conf-1@conf.example";
const std::string kOwn = "msrp://192.0.2.1:2855/file;tcp";
const std::string kTheirs = "msrp://192.0.2.9:7000/push;tcp";

// Whole messages that went out, by what they hold.
std::vector<std::string> messages(const std::string& octets) {
    msrp::StreamParser parser;
    parser.feed(base::as_bytes(octets));
    std::vector<std::string> found;
    std::map<std::string, std::string> open;
    std::string id;
    while (auto event = parser.poll_event()) {
        if (const auto* head = std::get_if<msrp::Head>(&*event)) id = head->message_id;
        if (const auto* piece = std::get_if<msrp::BodyPiece>(&*event))
            open[id] += base::as_text(piece->bytes);
        const auto* end = std::get_if<msrp::MessageEnd>(&*event);
        if (end != nullptr && !open[id].empty() &&
            end->continuation == msrp::Continuation::Complete)
            found.push_back(open[id]);
    }
    return found;
}

struct Chunk {
    std::string body{"%PDF-1.7"};
    std::string range{};
    std::string more{};
    char flag = '$';
    std::string id{"file0001"};
    std::string type{"application/pdf"};
};

class FilesTest : public testing::Test {
protected:
    FilesTest() {
        desk_.rooms().open(kRoom, {.uri = kRoomUri});
        desk_.copies().open(now_, kCopy, {});
        CopyAnswer server = any_server("message/cpim application/msrp-recording *");
        server.server.max_bytes.reset();
        desk_.copies().answer(now_, kCopy, server);
        server_ = wires_.last;
        desk_.on_open(now_, server_);
        desk_.rooms().set_member(now_, kRoom, kBen,
                                 {.uris = {"sip:ben@desk.example"},
                                  .own = uri("msrp://192.0.2.1:2855/ben;tcp"),
                                  .peer = {.path = {uri("msrp://192.0.2.9:7000/ben;tcp")}}});
        desk_.on_open(now_, kBen);
        come(
            "MSRP bind0001 SEND\r\nTo-Path: msrp://192.0.2.1:2855/ben;tcp\r\nFrom-Path: "
            "msrp://192.0.2.9:7000/ben;tcp\r\nMessage-ID: empty001\r\n-------bind0001$\r\n",
            kBen);
        told_.clear();
        wires_.take(kBen);
        set();
        desk_.on_open(now_, kWire);
    }
    void set(const std::string& name = "floor plan.pdf", const FileKey& key = kFile,
             const std::string& own = kOwn) {
        desk_.files().set(now_, key,
                          {.own = uri(own),
                           .peer = {.path = {uri(kTheirs)}},
                           .sender_uri = "sip:ana@desk.example",
                           .sender_name = "Ana",
                           .name = name});
    }
    void come(const std::string& text, ConnectionId connection = kWire) {
        desk_.on_bytes(now_, connection, base::as_bytes(text));
    }
    static std::string request(const Chunk& chunk, const std::string& own = kOwn) {
        std::string text = "MSRP tid1abcd SEND\r\nTo-Path: " + own + "\r\nFrom-Path: " + kTheirs +
                           "\r\nMessage-ID: " + chunk.id + "\r\n";
        if (!chunk.range.empty()) text += "Byte-Range: " + chunk.range + "\r\n";
        text += chunk.more + "Content-Type: " + chunk.type + "\r\n\r\n" + chunk.body + "\r\n";
        return text + "-------tid1abcd" + chunk.flag + "\r\n";
    }
    // The status of the answer; 0: none.
    int status_of(const Chunk& chunk, ConnectionId connection = kWire) {
        wires_.take(connection);
        come(request(chunk), connection);
        const std::string answer = wires_.sent[connection];
        const std::size_t at = answer.find("MSRP tid1abcd ");
        return at == std::string::npos ? 0 : std::stoi(answer.substr(at + 14, 3));
    }
    void pass(std::chrono::milliseconds time) {
        now_.steady += time;
        desk_.on_time(now_);
    }

    static constexpr CopyKey kCopy{.session = kRoom, .subscription = 1};
    base::Now now_ = first_now();
    Wires wires_;
    base::SeededRandom random_{5};
    std::vector<std::string> told_;
    Desk desk_{wires_, random_, [](const SwitchEvent&) {}, [](const CopyEvent&) {},
               [this](const RoomEvent& event) { told_.push_back(event.reason.code); }};
    ConnectionId server_ = 0;
};

TEST_F(FilesTest, AFileIsSaidInTheRoomAndRecordedAsWhatItsSenderWrote) {
    EXPECT_EQ(status_of({.more = "Success-Report: yes\r\n"}), 200);
    EXPECT_THAT(wires_.sent[kWire], HasSubstr("Status: 000 200"));
    const auto read = messages(wires_.take(kBen));
    ASSERT_EQ(read.size(), 1U);
    const auto head = mime::parse_cpim(read[0]);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->from->uri, "sip:ana@desk.example");
    ASSERT_EQ(head->to.size(), 1U);
    EXPECT_EQ(head->to[0].uri, kRoomUri);
    EXPECT_EQ(head->content_type, "application/pdf");
    EXPECT_EQ(head->content_disposition, "attachment; filename=\"floor plan.pdf\"");
    EXPECT_EQ(read[0].substr(head->content_at), "%PDF-1.7");
    const auto recorded = messages(wires_.take(server_));
    ASSERT_THAT(recorded, testing::SizeIs(1));
    EXPECT_THAT(recorded[0], HasSubstr("From: Ana <sip:ana@desk.example>\r\nTo: <" + kRoomUri));
    EXPECT_THAT(recorded[0], HasSubstr("rs.Message-ID: file0001"));
    EXPECT_THAT(recorded[0], HasSubstr(read[0]));
    EXPECT_THAT(told_, ElementsAre("file"));
    EXPECT_EQ(desk_.files().kept_bytes(), 0U);
}

TEST_F(FilesTest, ChunksArePutTogetherInWhateverOrderTheyCome) {
    EXPECT_EQ(status_of({.body = "-1.7", .range = "5-8/8", .flag = '+'}), 200);
    EXPECT_EQ(desk_.files().kept_bytes(), kMaxRoomFileBytes);
    EXPECT_THAT(messages(wires_.take(kBen)), IsEmpty());
    EXPECT_EQ(status_of({.body = "%PDF", .range = "1-4/8", .flag = '+'}), 200);
    EXPECT_EQ(status_of({.body = "7", .range = "8-8/8"}), 200);
    const auto read = messages(wires_.take(kBen));
    ASSERT_EQ(read.size(), 1U);
    EXPECT_TRUE(read[0].ends_with("\r\n\r\n%PDF-1.7")) << read[0];
}

TEST_F(FilesTest, WhatBreaksOffReachesNobodyAndIsRecordedAsCut) {
    EXPECT_EQ(status_of({.body = "%PDF", .range = "1-*/8", .flag = '+'}), 200);
    desk_.on_closed(now_, kWire);
    EXPECT_THAT(told_, ElementsAre("file_lost"));
    EXPECT_THAT(messages(wires_.take(kBen)), IsEmpty());
    EXPECT_THAT(wires_.take(server_), testing::AllOf(HasSubstr("%PDF"), HasSubstr("#\r\n")));
    EXPECT_EQ(desk_.files().kept_bytes(), 0U);
    // Its sender may come back.
    desk_.on_open(now_, 51);
    EXPECT_EQ(status_of({.id = "file0002"}, 51), 200);
    pass(std::chrono::milliseconds(200));
    EXPECT_THAT(messages(wires_.take(kBen)), testing::SizeIs(1));
}

TEST_F(FilesTest, WhatIsGivenUpIsTold) {
    EXPECT_EQ(status_of({.body = "%PDF", .range = "1-*/8", .flag = '#'}), 200);
    EXPECT_THAT(told_, ElementsAre("file_aborted"));
    EXPECT_THAT(messages(wires_.take(kBen)), IsEmpty());
}

TEST_F(FilesTest, ALineThatGoesEndsItsFile) {
    EXPECT_EQ(status_of({.body = "%PDF", .range = "1-*/8", .flag = '+'}), 200);
    desk_.files().remove(now_, kFile);
    EXPECT_THAT(told_, ElementsAre("file_lost"));
    EXPECT_TRUE(wires_.closed.contains(kWire));
    EXPECT_EQ(desk_.files().sessions(), 0U);
    EXPECT_EQ(desk_.files().kept_bytes(), 0U);
}

TEST_F(FilesTest, OneOfTheLimitPassesAndALargerOneDoesNot) {
    EXPECT_EQ(status_of({.body = std::string(kMaxRoomFileBytes, 'x')}), 200);
    EXPECT_THAT(told_, ElementsAre("file"));
    set("large", {.room = kRoom, .member = kAna, .line = 2}, "msrp://192.0.2.1:2855/large;tcp");
    wires_.take(kWire);
    come(request({.body = std::string(kMaxRoomFileBytes + 1, 'x')},
                 "msrp://192.0.2.1:2855/large;tcp"));
    EXPECT_THAT(wires_.take(kWire), HasSubstr(" 413 "));
    EXPECT_EQ(told_.back(), "file_too_large");
    pass(std::chrono::milliseconds(200));
    EXPECT_EQ(desk_.files().kept_bytes(), 0U);
}

TEST_F(FilesTest, AFurtherMessageIsNoFile) {
    EXPECT_EQ(status_of({}), 200);
    EXPECT_EQ(status_of({.id = "file0002"}), 413);
    EXPECT_EQ(status_of({.id = "file0003"}), 413);
    EXPECT_THAT(told_, ElementsAre("file", "file_extra"));  // once
    EXPECT_THAT(messages(wires_.take(kBen)), testing::SizeIs(1));
}

TEST_F(FilesTest, OneThatBreaksOffAgainAndAgainIsTakenNoMore) {
    for (int i = 0; i < kMaxFileTries; ++i)
        EXPECT_EQ(status_of({.body = "%PDF",
                             .range = "1-*/8",
                             .flag = '#',
                             .id = "file01" + std::to_string(i)}),
                  200);
    EXPECT_EQ(status_of({.id = "file0200"}), 413);
    EXPECT_EQ(told_.back(), "file_extra");
    EXPECT_THAT(told_, testing::SizeIs(kMaxFileTries + 1));
}

// Three at once are more than waits for a member, or for a server.
TEST_F(FilesTest, ThoseThatEndAtOnceAreSaidOneAfterTheOther) {
    const auto own = [](std::size_t i) {
        return "msrp://192.0.2.1:2855/f" + std::to_string(i) + ";tcp";
    };
    for (std::size_t i = 0; i < 3; ++i) {
        set("f", {.room = kRoom, .member = kAna, .line = 10 + i}, own(i));
        come(request({.body = std::string(kMaxRoomFileBytes, static_cast<char>('a' + i))}, own(i)));
    }
    EXPECT_THAT(told_, ElementsAre("file", "file", "file"));
    EXPECT_EQ(desk_.files().kept_bytes(), 2 * kMaxRoomFileBytes);
    const auto said = [&](ConnectionId to) {
        std::string octets;
        for (std::string more = wires_.take(to); !more.empty(); more = wires_.take(to)) {
            octets += more;
            desk_.on_writable(now_, to);
        }
        return messages(octets).size();
    };
    std::size_t recorded = said(server_);
    EXPECT_EQ(said(kBen), 1U);
    pass(std::chrono::milliseconds(200));
    recorded += said(server_);
    EXPECT_EQ(said(kBen), 1U);
    // Its line goes: what has come is said all the same.
    desk_.files().remove(now_, {.room = kRoom, .member = kAna, .line = 12});
    desk_.on_time(now_);
    recorded += said(server_);
    EXPECT_EQ(said(kBen), 1U);
    EXPECT_EQ(recorded, 3U);
    EXPECT_EQ(desk_.files().kept_bytes(), 0U);
    EXPECT_THAT(told_, testing::SizeIs(3));
}

TEST_F(FilesTest, WhoComesWhileWeConnectHasTheFileAlone) {
    const std::string own = "msrp://192.0.2.1:2855/made;tcp";
    desk_.files().set(
        now_, {.room = kRoom, .member = kAna, .line = 2},
        {.own = uri(own),
         .peer = {.path = {uri(kTheirs)}, .connect_to = base::parse_net_address("192.0.2.9:7000")},
         .sender_uri = "sip:ana@desk.example"});
    const ConnectionId made = wires_.last;
    come(request({.body = "%PDF", .range = "1-4/8", .flag = '+'}, own));
    EXPECT_TRUE(wires_.closed.contains(made));
    desk_.on_closed(now_, made);
    come(request({.body = "-1.7", .range = "5-8/8"}, own));
    EXPECT_THAT(told_, ElementsAre("file"));
    EXPECT_THAT(messages(wires_.take(kBen)), testing::SizeIs(1));
    EXPECT_EQ(desk_.files().kept_bytes(), 0U);
}

TEST_F(FilesTest, ManyAtOnceAreRefusedAndMakeRoomAgain) {
    const std::size_t most = kMaxRoomFilesBytes / kMaxRoomFileBytes;
    const auto own = [](std::size_t i) {
        return "msrp://192.0.2.1:2855/f" + std::to_string(i) + ";tcp";
    };
    for (std::size_t i = 0; i <= most; ++i) {
        set("f", {.room = kRoom + i / kMaxFilesOfRoom, .member = kAna, .line = 10 + i}, own(i));
        come(request({.body = "x", .range = "1-*/9", .flag = '+'}, own(i)));
    }
    EXPECT_THAT(told_, ElementsAre("file_no_room"));
    EXPECT_EQ(desk_.files().kept_bytes(), kMaxRoomFilesBytes);
    EXPECT_THAT(wires_.take(kWire), HasSubstr(" 413 "));
    desk_.files().remove(now_, {.room = kRoom, .member = kAna, .line = 10});
    EXPECT_EQ(status_of({}), 200);
}

TEST_F(FilesTest, OneRoomTakesNotTheWholeOfIt) {
    const auto own = [](std::size_t i) {
        return "msrp://192.0.2.1:2855/f" + std::to_string(i) + ";tcp";
    };
    for (std::size_t i = 0; i <= kMaxFilesOfRoom; ++i) {
        set("f", {.room = kRoom + 1, .member = kAna, .line = 10 + i}, own(i));
        come(request({.body = "x", .range = "1-*/9", .flag = '+'}, own(i)));
    }
    EXPECT_THAT(told_, ElementsAre("file_no_room"));
    EXPECT_EQ(status_of({}), 200);
}

TEST_F(FilesTest, WhoSendsWithoutEndIsCutOff) {
    EXPECT_EQ(status_of({.body = "%", .range = "1-*/99", .flag = '+'}), 200);
    for (std::uint64_t at = 2; told_.empty() && at < 99; ++at) {
        pass(kMaxRoomSilence - std::chrono::seconds(1));
        const std::string octet = std::to_string(at);
        if (told_.empty()) status_of({.body = "x", .range = octet + "-*/99", .flag = '+'});
    }
    EXPECT_THAT(told_, ElementsAre("file_lost"));
}

TEST_F(FilesTest, AConnectionThatHasNoSessionIsClosedAfterAWhile) {
    EXPECT_EQ(status_of({}), 200);
    desk_.on_open(now_, 51);
    EXPECT_EQ(status_of({.id = "file0002"}, 51), 506);
    EXPECT_FALSE(wires_.closed.contains(51));
    pass(kUnboundTime);
    EXPECT_TRUE(wires_.closed.contains(51));
    EXPECT_FALSE(wires_.closed.contains(kWire));
    EXPECT_EQ(desk_.files().connections(), 1U);
}

TEST_F(FilesTest, WhatSaysNothingMoreIsGivenUp) {
    EXPECT_EQ(status_of({.body = "%PDF", .range = "1-*/8", .flag = '+'}), 200);
    pass(kMaxRoomSilence - std::chrono::milliseconds(1));
    EXPECT_THAT(told_, IsEmpty());
    pass(std::chrono::milliseconds(1));
    EXPECT_THAT(told_, ElementsAre("file_lost"));
    EXPECT_EQ(desk_.files().kept_bytes(), 0U);
}

TEST_F(FilesTest, NamesAndTypesOfStrangersEndNoLine) {
    set("../a\\b/\"x\"\r\nFrom: <sip:boss@desk.example>\r\n.pdf");
    EXPECT_EQ(status_of({.type = "message/cpim"}), 200);
    const auto read = messages(wires_.take(kBen));
    ASSERT_EQ(read.size(), 1U);
    const auto head = mime::parse_cpim(read[0]);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->from->uri, "sip:ana@desk.example");
    EXPECT_FALSE(head->is_ambiguous);
    // Else it would be taken off as another layer, which names its own author.
    EXPECT_EQ(head->content_type, "application/octet-stream");
    EXPECT_EQ(head->content_disposition,
              "attachment; filename=\"'x'__From: <sip:boss@desk.example>__.pdf\"");
}

TEST_F(FilesTest, WhoShowsAnotherCertificateIsDroppedUnheard) {
    const std::string own = "msrps://192.0.2.1:2855/sealed;tcp";
    const auto fingerprint = [](std::uint8_t octet) {
        return base::CertificateFingerprint{.digest = base::Bytes(32, octet)};
    };
    desk_.files().set(now_, {.room = kRoom, .member = kAna, .line = 2},
                      {.own = uri(own),
                       .peer = {.path = {uri("msrps://192.0.2.9:7000/push;tcp")},
                                .fingerprints = {fingerprint(1)}},
                       .sender_uri = "sip:ana@desk.example"});
    wires_.shows[60] = {fingerprint(2)};
    desk_.on_open(now_, 60, true);
    come(request({}, own), 60);
    EXPECT_TRUE(wires_.closed.contains(60));
    EXPECT_THAT(told_, ElementsAre("fingerprint_mismatch"));
    EXPECT_THAT(messages(wires_.take(kBen)), IsEmpty());
    come(request({}, own));  // in the clear
    EXPECT_THAT(wires_.take(kWire), HasSubstr(" 481 "));
    wires_.shows[61] = {fingerprint(1)};
    desk_.on_open(now_, 61, true);
    come(request({}, own), 61);
    EXPECT_EQ(told_.back(), "file");
    EXPECT_THAT(messages(wires_.take(kBen)), testing::SizeIs(1));
}

TEST_F(FilesTest, WhereItsSenderListensWeConnectAndSpeakAtOnce) {
    desk_.files().set(
        now_, {.room = kRoom, .member = kAna, .line = 2},
        {.own = uri("msrp://192.0.2.1:2855/made;tcp"),
         .peer = {.path = {uri(kTheirs)}, .connect_to = base::parse_net_address("192.0.2.9:7000")},
         .sender_uri = "sip:ana@desk.example"});
    const ConnectionId made = wires_.last;
    desk_.on_open(now_, made);
    EXPECT_THAT(wires_.take(made), HasSubstr("To-Path: " + kTheirs));
    come(request({}, "msrp://192.0.2.1:2855/made;tcp"), made);
    EXPECT_THAT(told_, ElementsAre("file"));
}

TEST_F(FilesTest, NothingOfAPauseIsRecorded) {
    desk_.copies().pause(now_, kCopy);
    wires_.take(server_);
    EXPECT_EQ(status_of({.body = "PLANTED"}), 200);
    EXPECT_THAT(messages(wires_.take(kBen)), testing::SizeIs(1));
    EXPECT_THAT(wires_.take(server_), Not(HasSubstr("PLANTED")));
}

TEST_F(FilesTest, TheEndOfTheRoomIsTheEndOfItsFiles) {
    desk_.close(now_, kRoom);
    EXPECT_EQ(desk_.files().sessions(), 0U);
    EXPECT_EQ(status_of({}), 481);
}

}  // namespace
}  // namespace earshot::chat
