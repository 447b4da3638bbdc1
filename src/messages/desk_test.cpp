#include "messages/desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/bytes.h"
#include "journal/message_record.h"
#include "messages/audience.h"
#include "messages/limits.h"

namespace earshot::messages {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Wires : public Network {
public:
    void send(ConnectionId connection, std::string bytes) override { sent[connection] += bytes; }
    void close(ConnectionId connection) override { closed.push_back(connection); }
    void set_reading(ConnectionId connection, bool reading) override {
        is_read[connection] = reading;
    }
    std::size_t queued_bytes(ConnectionId connection) const override {
        const auto found = sent.find(connection);
        return found == sent.end() ? 0 : found->second.size();
    }
    ConnectionId connect(const base::NetAddress& to, const std::string&) override {
        connected_to = to;
        return 99;
    }
    std::optional<base::Reason> find_fault(
        ConnectionId, const std::vector<base::CertificateFingerprint>& told) override {
        ++asked_who;
        if (told.empty() || told.front().digest == shown) return std::nullopt;
        return base::Reason{"fingerprint_mismatch", "another one"};
    }
    std::string take(ConnectionId connection) { return std::exchange(sent[connection], {}); }

    std::map<ConnectionId, std::string> sent;
    std::map<ConnectionId, bool> is_read;
    std::vector<ConnectionId> closed;
    std::optional<base::NetAddress> connected_to;
    base::Bytes shown{1};  // by whoever is at the other end
    int asked_who = 0;
};

class Records : public Journal {
public:
    struct Entry {
        SessionKey key;
        journal::RecordType type;
        base::Bytes payload;
    };
    bool append(const SessionKey& key, journal::RecordType type, std::int64_t,
                base::Bytes& payload) override {
        if (is_full) return false;
        all.push_back({key, type, std::move(payload)});
        return true;
    }
    bool request_durable(const base::Uuid&, std::uint64_t token) override {
        if (is_full) return false;
        asked.push_back(token);
        return true;
    }
    std::string content() const {
        std::string text;
        for (const Entry& entry : all)
            if (entry.type == journal::RecordType::MessageContent)
                text += base::as_text(journal::parse_message_content(entry.payload)->octets);
        return text;
    }
    std::vector<journal::MessageOutcome> outcomes() const {
        std::vector<journal::MessageOutcome> found;
        for (const Entry& entry : all)
            if (entry.type == journal::RecordType::MessageEnd)
                found.push_back(journal::parse_message_end(entry.payload)->outcome);
        return found;
    }
    std::string events() const {
        std::string text;
        for (const Entry& entry : all)
            if (entry.type == journal::RecordType::Event) text += base::as_text(entry.payload);
        return text;
    }
    std::size_t count(journal::RecordType type) const {
        std::size_t number = 0;
        for (const Entry& entry : all) number += entry.type == type ? 1 : 0;
        return number;
    }

    bool is_full = false;
    std::vector<Entry> all;
    std::vector<std::uint64_t> asked;
};

class DeskTest : public testing::Test {
protected:
    void open(std::uint16_t stream, const std::string& id, bool secure = false,
              std::vector<base::CertificateFingerprint> fingerprints = {}) {
        SessionSetup setup;
        setup.key = {.recording = {}, .stream = stream};
        setup.own = {.is_secure = secure,
                     .host = "192.0.2.20",
                     .port = 2855,
                     .session_id = id,
                     .transport = "tcp"};
        setup.peer = *msrp::parse_path("msrp://192.0.2.10:7777/src;tcp");
        setup.max_bytes = 100U << 20;
        setup.fingerprints = std::move(fingerprints);
        setup.gate = gates_[stream] = std::make_shared<Gate>();
        desk_.open_session(now_, setup);
    }
    void connect(ConnectionId id, bool tls = false) {
        desk_.on_open(now_, id, *base::parse_net_address("192.0.2.10:40000"), tls);
    }
    static std::string chunk(const std::string& session, const std::string& content,
                             char flag = '$', const std::string& headers = {},
                             const std::string& id = "msg00001",
                             const std::string& scheme = "msrp") {
        std::string text =
            "MSRP abcd1234 SEND\r\nTo-Path: " + scheme + "://192.0.2.20:2855/" + session +
            ";tcp\r\nFrom-Path: msrp://192.0.2.10:7777/src;tcp\r\nMessage-ID: " + id + "\r\n" +
            headers;
        if (!content.empty()) text += "Content-Type: text/plain\r\n\r\n" + content + "\r\n";
        return text + "-------abcd1234" + flag + "\r\n";
    }
    void bytes(ConnectionId id, const std::string& text) {
        desk_.on_bytes(now_, id, base::as_bytes(text));
    }
    void pass(std::chrono::milliseconds time) {
        now_.steady += time;
        now_.wall += time;
        desk_.on_time(now_);
    }

    base::Now now_{.steady = base::TimePoint{std::chrono::hours{1}},
                   .wall = base::wall_from_ns(1'770'000'000'000'000'000)};
    Wires wires_;
    Records records_;
    base::SeededRandom random_{1};
    base::NullLog log_;
    std::map<std::uint16_t, std::shared_ptr<Gate>> gates_;
    Desk desk_{wires_, records_, random_, log_};
};

TEST_F(DeskTest, AMessageIsStoredAnsweredAndReceiptedOnceItIsDurable) {
    open(0, "secret00");
    connect(1);
    bytes(1, chunk("secret00", "hello", '$', "Success-Report: yes\r\n"));
    EXPECT_THAT(wires_.take(1), HasSubstr("MSRP abcd1234 200 OK"));
    EXPECT_EQ(records_.content(), "hello");
    EXPECT_THAT(records_.outcomes(), testing::ElementsAre(journal::MessageOutcome::Complete));
    ASSERT_EQ(records_.asked.size(), 1U);
    desk_.on_durable(now_, records_.asked[0]);
    EXPECT_THAT(wires_.take(1), HasSubstr("Status: 000 200"));
}

TEST_F(DeskTest, WhatPeopleAreShownIsCountedAtOnce) {
    open(0, "secret00");
    connect(1);
    bytes(1, chunk("secret00", ""));  // binds
    bytes(1, chunk("secret00", "hello", '$', {}, "msg00002"));
    EXPECT_EQ(gates_[0]->messages, 1U);
    bytes(1, chunk("secret00", "hello", '$', {}, "msg00002"));  // again
    EXPECT_EQ(gates_[0]->messages, 1U);
    bytes(1, chunk("secret00", "given up", '#', {}, "msg00003"));
    EXPECT_EQ(gates_[0]->messages, 2U);
}

TEST(Audience, IsNotThatOfReportsOrOfWhoIsTyping) {
    const std::string wrapped = "application/msrp-recording";
    const std::string head = "From: <sip:a@x>\r\nNS: rs <urn:x>\r\nrs.Content: ";
    EXPECT_TRUE(is_for_people("text/plain;charset=utf-8", ""));
    EXPECT_TRUE(is_for_people("", "?"));
    EXPECT_TRUE(is_for_people(wrapped, head + "send\r\n\r\nContent-Type: text/plain\r\n\r\na"));
    EXPECT_FALSE(is_for_people(wrapped, head + "MSRP\r\n\r\n\r\nMSRP a REPORT\r\n"));
    EXPECT_TRUE(is_for_people(wrapped, head + "drop\r\n\r\n\r\n"));
    EXPECT_FALSE(is_for_people("Application/im-isComposing+xml", "<isComposing/>"));
    EXPECT_FALSE(is_for_people("message/imdn+xml", "<imdn/>"));
    const std::string cpim = "From: <sip:a@x>\r\n\r\nContent-Type: ";
    EXPECT_FALSE(is_for_people("message/cpim", cpim + "message/imdn+xml\r\n\r\n<imdn/>"));
    EXPECT_TRUE(is_for_people("message/cpim", cpim + "text/plain\r\n\r\na"));
    EXPECT_FALSE(is_for_people(wrapped, head + "send\r\n\r\nContent-Type: message/cpim\r\n\r\n" +
                                            cpim + "message/imdn+xml\r\n\r\n<imdn/>"));
    EXPECT_TRUE(is_for_people("message/cpim", "no end of its headers"));
}

TEST_F(DeskTest, NoReceiptLeavesBeforeTheDiskHasTheMessage) {
    open(0, "secret00");
    connect(1);
    bytes(1, chunk("secret00", "one", '$', "Success-Report: yes\r\n"));
    bytes(1, chunk("secret00", "two", '$', "Success-Report: yes\r\n", "msg00002"));
    EXPECT_THAT(wires_.take(1), testing::Not(HasSubstr("REPORT")));
    // The first question was asked before the second message was there.
    ASSERT_EQ(records_.asked.size(), 1U);
    desk_.on_durable(now_, records_.asked[0]);
    const std::string first = wires_.take(1);
    EXPECT_THAT(first, HasSubstr("msg00001"));
    EXPECT_THAT(first, testing::Not(HasSubstr("msg00002")));
    ASSERT_EQ(records_.asked.size(), 2U);
    desk_.on_durable(now_, records_.asked[1]);
    EXPECT_THAT(wires_.take(1), HasSubstr("msg00002"));
}

TEST_F(DeskTest, WhoseUriWasNotGivenOutIsRefused) {
    open(0, "secret00");
    connect(1);
    bytes(1, chunk("secret01", "hello"));
    EXPECT_THAT(wires_.take(1), HasSubstr(" 481 "));
    bytes(1, chunk("SECRET00", "hello"));  // session-ids are compared with case
    EXPECT_THAT(wires_.take(1), HasSubstr(" 481 "));
    EXPECT_THAT(records_.all, IsEmpty());
}

TEST_F(DeskTest, ASessionBelongsToOneConnectionWhileThatLives) {
    open(0, "secret00");
    connect(1);
    connect(2);
    bytes(1, chunk("secret00", "mine"));
    wires_.take(1);
    bytes(2, chunk("secret00", "stolen"));
    EXPECT_THAT(wires_.take(2), HasSubstr(" 506 "));
    desk_.on_closed(now_, 1);
    bytes(2, chunk("secret00", " again", '$', {}, "msg00002"));
    EXPECT_THAT(wires_.take(2), HasSubstr(" 200 "));
    EXPECT_EQ(records_.content(), "mine again");
}

TEST_F(DeskTest, ASessionThatWasAgreedOverTlsIsTakenOverNothingElse) {
    open(0, "secret00", true);
    connect(1);
    bytes(1, chunk("secret00", "clear", '$', {}, "msg00001", "msrps"));
    EXPECT_THAT(wires_.take(1), HasSubstr(" 481 "));
    EXPECT_THAT(records_.events(), HasSubstr("\"reason\":\"tls_missing\""));
    bytes(1, chunk("secret00", "clear", '$', {}, "msg00001", "msrps"));
    EXPECT_EQ(records_.count(journal::RecordType::Event), 1U);  // said once
    connect(2, true);
    bytes(2, chunk("secret00", "sealed", '$', {}, "msg00001", "msrps"));
    EXPECT_THAT(wires_.take(2), HasSubstr(" 200 "));
}

// RFC 8122 section 6, RFC 4975 section 14.4: dropped at once, and nothing of it is stored.
TEST_F(DeskTest, WhoseCertificateWasNotToldIsDroppedAndSaidSo) {
    open(0, "secret00", true, {{.function = base::HashFunction::Sha256, .digest = {2}}});
    connect(1, true);
    bytes(1, chunk("secret00", "stolen", '$', "Failure-Report: no\r\n", "msg00001", "msrps"));
    EXPECT_THAT(wires_.closed, testing::ElementsAre(1U));
    EXPECT_EQ(records_.content(), "");
    EXPECT_THAT(records_.events(), HasSubstr("\"reason\":\"fingerprint_mismatch\""));
    bytes(1, chunk("secret00", "more", '$', {}, "msg00002", "msrps"));
    EXPECT_EQ(records_.content(), "");
    wires_.shown = {2};
    connect(2, true);
    bytes(2, chunk("secret00", "mine", '$', {}, "msg00001", "msrps"));
    EXPECT_EQ(records_.content(), "mine");
    wires_.asked_who = 0;
    bytes(2, chunk("secret00", " too", '$', {}, "msg00002", "msrps"));
    EXPECT_EQ(wires_.asked_who, 0);  // known by now
}

TEST_F(DeskTest, ItsOtherSessionsEndWithAConnectionThatIsDropped) {
    open(0, "secret00", true, {{.function = base::HashFunction::Sha256, .digest = {1}}});
    open(1, "secret01", true, {{.function = base::HashFunction::Sha256, .digest = {2}}});
    connect(1, true);
    bytes(1, chunk("secret00", "half", '+', "Byte-Range: 1-*/*\r\n", "msg00001", "msrps"));
    bytes(1, chunk("secret01", "stolen", '$', {}, "msg00001", "msrps"));
    EXPECT_THAT(records_.outcomes(), testing::ElementsAre(journal::MessageOutcome::Lost));
    EXPECT_EQ(records_.content(), "half");
    EXPECT_THAT(wires_.closed, testing::ElementsAre(1U));
}

TEST_F(DeskTest, SeveralSessionsShareAConnection) {
    open(0, "secret00");
    open(1, "secret01");
    connect(1);
    bytes(1, chunk("secret00", "a"));
    bytes(1, chunk("secret01", "b"));
    EXPECT_EQ(records_.content(), "ab");
    desk_.close_session(now_, {.recording = {}, .stream = 0}, [] {});
    bytes(1, chunk("secret01", "c", '$', {}, "msg00002"));
    EXPECT_EQ(records_.content(), "abc");
    pass(kUnboundTime * 2);
    EXPECT_THAT(wires_.closed, IsEmpty());
    desk_.close_session(now_, {.recording = {}, .stream = 1}, [] {});
    pass(kUnboundTime);
    EXPECT_THAT(wires_.closed, testing::ElementsAre(1U));
}

TEST_F(DeskTest, AConnectionOfNobodyIsClosedInTime) {
    connect(1);
    pass(kUnboundTime - std::chrono::milliseconds{1});
    EXPECT_THAT(wires_.closed, IsEmpty());
    pass(std::chrono::milliseconds{1});
    EXPECT_THAT(wires_.closed, testing::ElementsAre(1U));
}

TEST_F(DeskTest, NothingIsStoredBehindAClosedGate) {
    open(0, "secret00");
    connect(1);
    bytes(1, chunk("secret00", "before", '+', "Byte-Range: 1-*/*\r\n"));
    gates_[0]->is_open = false;  // by signalling; the desk has not been told yet
    bytes(1, chunk("secret00", "after", '+', "Byte-Range: 7-*/*\r\n"));
    desk_.on_paused(now_, {.recording = {}, .stream = 0});
    bytes(1, chunk("secret00", "late", '$', "Byte-Range: 12-*/*\r\n"));
    EXPECT_EQ(records_.content(), "before");
    EXPECT_THAT(records_.outcomes(), testing::ElementsAre(journal::MessageOutcome::Cut));
    EXPECT_EQ(records_.count(journal::RecordType::MessageHead), 1U);
}

TEST_F(DeskTest, WhatEndsBehindAClosedGateGetsNoReceipt) {
    open(0, "secret00");
    connect(1);
    bytes(1, chunk("secret00", "before", '+', "Byte-Range: 1-*/11\r\nSuccess-Report: yes\r\n"));
    gates_[0]->is_open = false;
    bytes(1, chunk("secret00", "after", '$', "Byte-Range: 7-11/11\r\nSuccess-Report: yes\r\n"));
    desk_.on_paused(now_, {.recording = {}, .stream = 0});
    EXPECT_EQ(records_.content(), "before");
    EXPECT_THAT(records_.outcomes(), testing::ElementsAre(journal::MessageOutcome::Cut));
    EXPECT_TRUE(records_.asked.empty());
}

TEST_F(DeskTest, AnOpenMessageOfALostConnectionIsLost) {
    open(0, "secret00");
    connect(1);
    bytes(1, chunk("secret00", "half", '+', "Byte-Range: 1-*/*\r\n"));
    desk_.on_closed(now_, 1);
    EXPECT_THAT(records_.outcomes(), testing::ElementsAre(journal::MessageOutcome::Lost));
}

TEST_F(DeskTest, AFileWaitsForTheDiskAndNeverFillsTheMemory) {
    open(0, "secret00");
    connect(1);
    std::string head = chunk("secret00", "x", '+', "Byte-Range: 1-*/*\r\n");
    head.resize(head.find("x\r\n"));
    bytes(1, head);
    const std::string piece(64U << 10, 'f');
    std::size_t given = 0;
    while (wires_.is_read.empty() || wires_.is_read[1]) {
        bytes(1, piece);
        given += piece.size();
        ASSERT_LE(given, kMaxUndurableBytes + piece.size());
    }
    ASSERT_FALSE(records_.asked.empty());
    // What came between the questions is asked for next.
    for (std::size_t i = 0; i < records_.asked.size(); ++i)
        desk_.on_durable(now_, records_.asked[i]);
    EXPECT_TRUE(wires_.is_read[1]);
    EXPECT_LT(desk_.undurable_bytes(), kMaxUndurableBytes);
}

TEST_F(DeskTest, TheDiskIsAskedForTheNextPartWhileItWritesTheLast) {
    open(0, "secret00");
    connect(1);
    std::string head = chunk("secret00", "x", '+', "Byte-Range: 1-*/*\r\n");
    head.resize(head.find("x\r\n"));
    bytes(1, head);
    const std::string part(kAskAfterBytes, 'f');
    bytes(1, part);
    bytes(1, part);
    ASSERT_EQ(records_.asked.size(), 2U);
    bytes(1, part.substr(0, 1000));  // too little for a question of its own
    desk_.on_durable(now_, records_.asked[0]);
    EXPECT_LT(desk_.undurable_bytes(), 2 * kAskAfterBytes);
    EXPECT_GT(desk_.undurable_bytes(), kAskAfterBytes);
    desk_.on_durable(now_, records_.asked[1]);
    ASSERT_EQ(records_.asked.size(), 3U);
    desk_.on_durable(now_, records_.asked[2]);
    EXPECT_EQ(desk_.undurable_bytes(), 0U);
}

TEST_F(DeskTest, AFullQueueStopsReadingAndLosesNothing) {
    open(0, "secret00");
    connect(1);
    records_.is_full = true;
    bytes(1, chunk("secret00", "hello", '$', "Success-Report: yes\r\n"));
    EXPECT_FALSE(wires_.is_read[1]);
    bool is_closed = false;
    desk_.close_session(now_, {.recording = {}, .stream = 0}, [&] { is_closed = true; });
    EXPECT_FALSE(is_closed);
    records_.is_full = false;
    pass(std::chrono::milliseconds{250});
    EXPECT_TRUE(is_closed);
    EXPECT_EQ(records_.content(), "hello");
    ASSERT_EQ(records_.asked.size(), 1U);
    desk_.on_durable(now_, records_.asked[0]);
    EXPECT_THAT(wires_.take(1), HasSubstr("REPORT"));
    EXPECT_EQ(desk_.undurable_bytes(), 0U);
}

TEST_F(DeskTest, WhoDoesNotTakeItsAnswersIsNotReadUntilItDoes) {
    open(0, "secret00");
    connect(1);
    std::size_t messages = 0;
    while (!wires_.is_read.contains(1) && messages < 10'000) {
        bytes(1, chunk("secret00", "", '$', {}, "msg" + std::to_string(++messages)));
        for (const std::uint64_t token : std::exchange(records_.asked, {}))
            desk_.on_durable(now_, token);
    }
    ASSERT_TRUE(wires_.is_read.contains(1));
    EXPECT_FALSE(wires_.is_read[1]);
    EXPECT_GE(wires_.sent[1].size(), kMaxUnreadAnswerBytes);
    EXPECT_LT(wires_.sent[1].size(), kMaxUnreadAnswerBytes + 1024);
    pass(std::chrono::milliseconds{250});
    EXPECT_FALSE(wires_.is_read[1]);
    wires_.take(1);
    pass(std::chrono::milliseconds{250});
    EXPECT_TRUE(wires_.is_read[1]);
    EXPECT_THAT(wires_.closed, IsEmpty());
}

TEST_F(DeskTest, WhereWeConnectAnEmptySendBindsTheSession) {
    SessionSetup setup;
    setup.key = {.recording = {}, .stream = 3};
    setup.own = {.is_secure = false,
                 .host = "192.0.2.20",
                 .port = 2855,
                 .session_id = "ours0000",
                 .transport = "tcp"};
    setup.peer = *msrp::parse_path("msrp://192.0.2.10:7777/src;tcp");
    setup.max_bytes = 1000;
    setup.are_we_active = true;
    setup.connect_to = base::parse_net_address("192.0.2.10:7777");
    setup.gate = std::make_shared<Gate>();
    desk_.open_session(now_, setup);
    EXPECT_EQ(wires_.connected_to, base::parse_net_address("192.0.2.10:7777"));
    desk_.on_open(now_, 99, *setup.connect_to, false);
    const std::string sent = wires_.take(99);
    EXPECT_THAT(sent, HasSubstr("To-Path: msrp://192.0.2.10:7777/src;tcp\r\n"));
    EXPECT_THAT(sent, HasSubstr("Byte-Range: 1-0/0\r\n"));
    bytes(99, chunk("ours0000", "hi"));
    EXPECT_EQ(records_.content(), "hi");
}

TEST_F(DeskTest, OctetsThatAreNoMsrpEndTheConnectionAndFreeItsSessions) {
    open(0, "secret00");
    connect(1);
    bytes(1, chunk("secret00", "ok"));
    bytes(1, "GET / HTTP/1.1\r\n\r\n");
    EXPECT_THAT(wires_.closed, testing::ElementsAre(1U));
    connect(2);
    bytes(2, chunk("secret00", "!", '$', {}, "msg00002"));
    EXPECT_EQ(records_.content(), "ok!");
}

TEST_F(DeskTest, WhereWeConnectTheOtherEndHasToBeWhoWasTold) {
    SessionSetup setup;
    setup.key = {.recording = {}, .stream = 3};
    setup.own = {.is_secure = true,
                 .host = "192.0.2.20",
                 .port = 2855,
                 .session_id = "ours0000",
                 .transport = "tcp"};
    setup.peer = *msrp::parse_path("msrps://chat.example:7777/src;tcp");
    setup.are_we_active = true;
    setup.tls_name = "chat.example";
    setup.fingerprints = {{.function = base::HashFunction::Sha256, .digest = {2}}};
    setup.gate = std::make_shared<Gate>();
    desk_.open_session(now_, setup);  // its name was not found
    EXPECT_FALSE(wires_.connected_to);
    EXPECT_THAT(records_.events(), HasSubstr("\"reason\":\"host_not_found\""));
    setup.key.stream = 4;
    setup.own.session_id = "ours0001";
    setup.connect_to = base::parse_net_address("192.0.2.10:7777");
    desk_.open_session(now_, setup);
    desk_.on_open(now_, 99, *setup.connect_to, true);
    EXPECT_EQ(wires_.take(99), "");
    EXPECT_THAT(wires_.closed, testing::ElementsAre(99U));
    EXPECT_THAT(records_.events(), HasSubstr("\"reason\":\"fingerprint_mismatch\""));
}

// NICKNAME, REPORT and what nobody knows are facts of the chat: stored as they came, with their
// answer of RFC 4975 (a REPORT has none), and not in a pause.
TEST_F(DeskTest, RequestsThatAreNoMessagesAreStoredAsTheyCame) {
    open(0, "secret00");
    connect(1);
    bytes(1, chunk("secret00", "hello"));
    wires_.take(1);
    const auto request = [](const std::string& method, const std::string& more) {
        return "MSRP abcd1234 " + method +
               "\r\nTo-Path: msrp://192.0.2.20:2855/secret00;tcp\r\nFrom-Path: "
               "msrp://192.0.2.10:7777/src;tcp\r\n" +
               more + "-------abcd1234$\r\n";
    };
    bytes(1, request("NICKNAME", "Use-Nickname: \"ana_r\"\r\n"));
    EXPECT_THAT(wires_.take(1), HasSubstr("MSRP abcd1234 501 "));
    bytes(1, request("REPORT",
                     "Message-ID: msg00001\r\nByte-Range: 1-5/5\r\nStatus: 000 408 Late\r\n"));
    EXPECT_EQ(wires_.take(1), "");
    gates_[0]->is_open = false;
    bytes(1, request("NICKNAME", "Use-Nickname: \"hidden\"\r\n"));
    std::vector<std::string> heads;
    for (const auto& entry : records_.all)
        if (entry.type == journal::RecordType::MessageRequest) {
            const auto read = journal::parse_message_request(entry.payload);
            ASSERT_TRUE(read);
            EXPECT_EQ(base::to_string(read->source), "192.0.2.10:40000");
            heads.push_back(std::string(read->head));
        }
    ASSERT_EQ(heads.size(), 2U);
    EXPECT_THAT(heads[0], HasSubstr("MSRP abcd1234 NICKNAME\r\n"));
    EXPECT_THAT(heads[0], HasSubstr("Use-Nickname: \"ana_r\"\r\n"));
    EXPECT_THAT(heads[1], HasSubstr("Status: 000 408 Late\r\n"));
}

// Of a URI that a middlebox rewrote only the session-id is left, which is the secret of it.
TEST_F(DeskTest, WherePathsAreRewrittenTheSessionIdAloneIsLookedAt) {
    const std::string rewritten =
        "MSRP abcd1234 SEND\r\nTo-Path: msrp://203.0.113.9:9000/secret00;tcp\r\nFrom-Path: "
        "msrp://192.0.2.10:7777/src;tcp\r\nMessage-ID: msg00001\r\nContent-Type: "
        "text/plain\r\n\r\nhello\r\n-------abcd1234$\r\n";
    open(0, "secret00");
    connect(1);
    bytes(1, rewritten);
    EXPECT_THAT(wires_.take(1), HasSubstr(" 481 "));
    EXPECT_THAT(records_.all, IsEmpty());

    Desk lenient{wires_, records_, random_, log_, /*match_session_id_only=*/true};
    SessionSetup setup;
    setup.key = {.recording = {}, .stream = 1};
    setup.own = *msrp::parse_uri("msrp://192.0.2.20:2855/secret00;tcp");
    setup.peer = *msrp::parse_path("msrp://192.0.2.10:7777/src;tcp");
    setup.max_bytes = 1000;
    setup.gate = std::make_shared<Gate>();
    lenient.open_session(now_, setup);
    lenient.on_open(now_, 2, *base::parse_net_address("192.0.2.10:40000"), false);
    lenient.on_bytes(now_, 2, base::as_bytes(rewritten));
    EXPECT_THAT(wires_.take(2), HasSubstr(" 200 "));
    EXPECT_EQ(records_.content(), "hello");
    std::string guessed = rewritten;
    guessed.replace(guessed.find("secret00"), 8, "secret01");
    lenient.on_bytes(now_, 2, base::as_bytes(guessed));
    EXPECT_THAT(wires_.take(2), HasSubstr(" 481 "));
}

}  // namespace
}  // namespace earshot::messages
