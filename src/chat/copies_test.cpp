#include "chat/copies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "chat/chat_test_rig.h"
#include "chat/desk.h"
#include "chat/limits.h"
#include "mime/cpim.h"

namespace earshot::chat {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

const std::string kOursA = "msrp://192.0.2.1:2855/facing-a;tcp";
const std::string kOursB = "msrp://192.0.2.1:2855/facing-b;tcp";
const std::string kA = "msrp://192.0.2.10:7000/ana;tcp";
const std::string kB = "msrp://192.0.2.20:7000/ben;tcp";
const std::string kServer = "msrp://192.0.2.99:2855/rec;tcp";
const std::string kOwn = "msrp://192.0.2.1:2855/copy;tcp";
constexpr ConnectionId kConnectionA = 1;
constexpr ConnectionId kConnectionB = 2;
constexpr CopyKey kKey{.session = 7, .subscription = 1};

struct Sent {  // one chunk that a server got
    msrp::Head head;
    std::string body;
    char flag = '?';
};

class CopiesTest : public testing::Test {
protected:
    CopiesTest() {
        for (const auto& [side, own, peer] :
             {std::tuple{Side::A, kOursA, kA}, std::tuple{Side::B, kOursB, kB}}) {
            desk_.chats().set_own(now_, 7, side, uri(own));
            desk_.chats().set_peer(now_, 7, side, {.path = {uri(peer)}});
        }
        desk_.on_open(now_, kConnectionA);
        desk_.on_open(now_, kConnectionB);
        come(kConnectionA, head(kOursA, kA, "empty001") + "-------d93kswow$\r\n");
        come(kConnectionB, head(kOursB, kB, "empty002") + "-------d93kswow$\r\n");
        wires_.sent.clear();
        desk_.copies().open(now_, kKey,
                            {.parties = {"Ana Reis <sip:ana@a.example>", "<sip:ben@b.example>"},
                             .only = std::nullopt,
                             .counters = counters_});
    }
    static std::string head(const std::string& to, const std::string& from, const std::string& id,
                            const std::string& more = {}, const std::string& method = "SEND") {
        return "MSRP d93kswow " + method + "\r\nTo-Path: " + to + "\r\nFrom-Path: " + from +
               "\r\n" + (id.empty() ? "" : "Message-ID: " + id + "\r\n") + more;
    }
    static std::string chunk(const std::string& id, const std::string& body, char flag = '$',
                             const std::string& range = {},
                             const std::string& type = "text/plain") {
        return head(kOursA, kA, id, range.empty() ? "" : "Byte-Range: " + range + "\r\n") +
               "Content-Type: " + type + "\r\n\r\n" + body + "\r\n-------d93kswow" + flag + "\r\n";
    }
    // Octets are lent for the call alone, as by a loop that reads into one buffer.
    void come(ConnectionId connection, std::string text) {
        desk_.on_bytes(now_, connection, base::as_bytes(text));
        std::fill(text.begin(), text.end(), '!');
    }
    void answer(const std::string& types = "message/cpim *", const std::string& path = kServer,
                std::optional<std::uint64_t> max_bytes = std::nullopt) {
        desk_.copies().answer(
            now_, kKey,
            CopyAnswer{.server = {.path = {uri(path)},
                                  .own = uri(kOwn),
                                  .types = {.accept_types = types},
                                  .max_bytes = max_bytes},
                       .connect_to = *base::parse_net_address("192.0.2.99:2855")});
    }
    void answer_and_connect(const std::string& types = "message/cpim *") {
        answer(types);
        desk_.on_open(now_, wires_.last);
    }
    // What the server got since the last time, but for what binds; it is answered, and receipted.
    std::vector<Sent> serve(bool receipts = true, int status = 200) {
        std::vector<Sent> all;
        const ConnectionId connection = wires_.last;
        msrp::StreamParser parser;
        const std::string bytes = wires_.take(connection);
        parser.feed(base::as_bytes(bytes));
        Sent one;
        while (auto event = parser.poll_event()) {
            if (auto* begun = std::get_if<msrp::Head>(&*event)) one = {.head = *begun, .body = {}};
            if (const auto* piece = std::get_if<msrp::BodyPiece>(&*event))
                one.body += base::as_text(piece->bytes);
            const auto* end = std::get_if<msrp::MessageEnd>(&*event);
            if (end == nullptr) continue;
            one.flag = static_cast<char>(end->continuation);
            if (one.head.failure_report == msrp::FailureReport::Yes)
                come(connection, write_response(one.head, uri(kServer), status, "X"));
            if (one.head.content_type.empty()) continue;
            const std::uint64_t octets = one.head.byte_range->start - 1 + one.body.size();
            if (receipts && status == 200 && one.flag == '$')
                come(connection,
                     "MSRP report01 REPORT\r\nTo-Path: " + kOwn + "\r\nFrom-Path: " + kServer +
                         "\r\nMessage-ID: " + one.head.message_id + "\r\nByte-Range: 1-" +
                         std::to_string(octets) + "/" + std::to_string(octets) +
                         "\r\nStatus: 000 200 OK\r\n-------report01$\r\n");
            all.push_back(std::move(one));
        }
        return all;
    }
    void pass(std::chrono::milliseconds time) {
        now_.steady += time;
        desk_.on_time(now_);
    }

    base::Now now_{base::TimePoint{} + std::chrono::hours(1),
                   base::wall_from_ns(1'772'460'371'250'000'000)};
    Wires wires_;
    base::SeededRandom random_{5};
    std::vector<std::string> told_;
    std::vector<std::string> texts_;
    std::shared_ptr<CopyCounters> counters_ = std::make_shared<CopyCounters>();
    Desk desk_{wires_, random_, [](const SwitchEvent&) {},
               [this](const CopyEvent& event) {
                   using Kind = CopyEvent::Kind;
                   const bool is_of_people =
                       event.kind == Kind::Sender || event.kind == Kind::Nickname;
                   if (is_of_people) return events_.push_back(event);
                   told_.push_back(event.reason.code);
                   texts_.push_back(event.reason.text);
               }};
    std::vector<CopyEvent> events_;  // of who takes part
};

TEST_F(CopiesTest, ABareMessageIsToldWithWhoToWhomAndWhen) {
    answer_and_connect();
    EXPECT_THAT(wires_.sent[wires_.last], HasSubstr("Byte-Range: 1-0/0"));  // it speaks at once
    come(kConnectionA, chunk("msg00001", "Hello"));
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].flag, '$');
    EXPECT_EQ(to_string(sent[0].head.to_path), kServer);
    EXPECT_TRUE(sent[0].head.success_report);
    EXPECT_NE(sent[0].head.message_id, "msg00001");
    EXPECT_EQ(sent[0].head.content_type, "message/cpim");
    EXPECT_EQ(sent[0].body,
              "From: Ana Reis <sip:ana@a.example>\r\nTo: <sip:ben@b.example>\r\n"
              "DateTime: 2026-03-02T14:06:11.250Z\r\n\r\nContent-Type: text/plain\r\n\r\nHello");
    EXPECT_EQ(counters_->waiting, 0U);
    EXPECT_THAT(told_, IsEmpty());
}

TEST_F(CopiesTest, CpimGoesAsItIsAndAServerOfBareTypesGetsThemBare) {
    answer_and_connect();
    const std::string cpim = "From: <sip:x@x.example>\r\n\r\nContent-Type: text/plain\r\n\r\nHello";
    come(kConnectionA, chunk("msg00001", cpim, '$', {}, "message/cpim"));
    desk_.copies().told(now_, kKey, 1);
    EXPECT_EQ(serve()[0].body, cpim);
    answer("text/plain", "msrp://192.0.2.98:2855/bare;tcp");
    desk_.on_open(now_, wires_.last);
    come(kConnectionA, chunk("msg00002", "Hello"));
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].head.content_type, "text/plain");
    EXPECT_EQ(sent[0].body, "Hello");
}

TEST_F(CopiesTest, AServerThatListsTheWrapperGetsItWithWhatBelongsToTheChat) {
    answer_and_connect("message/cpim application/msrp-recording *");
    come(kConnectionA,
         head(kOursA, kA, "", "Use-Nickname: \"ana_r\"\r\n", "NICKNAME") + "-------d93kswow$\r\n");
    come(kConnectionB, "MSRP d93kswow 200 OK\r\nTo-Path: " + kOursB + "\r\nFrom-Path: " + kB +
                           "\r\n-------d93kswow$\r\n");
    come(kConnectionA, chunk("8cT91kQz", "Hello"));
    come(kConnectionB, "MSRP d93kswow 413 Stop\r\nTo-Path: " + kOursB + "\r\nFrom-Path: " + kB +
                           "\r\n-------d93kswow$\r\n");
    desk_.copies().told(now_, kKey, 1);  // of the nickname
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 4U);
    for (const Sent& one : sent) EXPECT_EQ(one.head.content_type, kWrapperType);
    EXPECT_THAT(sent[0].body, HasSubstr("rs.Content: msrp\r\n"));
    EXPECT_THAT(sent[0].body, HasSubstr("Use-Nickname: \"ana_r\"\r\n"));
    EXPECT_THAT(sent[0].body, Not(HasSubstr(kOursA)));  // URIs are secrets
    EXPECT_THAT(sent[1].body, HasSubstr("MSRP d93kswow 200 OK\r\n"));
    const auto wrapper = mime::parse_cpim(sent[2].body);
    ASSERT_TRUE(wrapper);
    EXPECT_EQ(wrapper->from->uri, "sip:ana@a.example");
    EXPECT_EQ(wrapper->find(kWrapperNamespace, "Content"), "send");
    EXPECT_EQ(wrapper->find(kWrapperNamespace, "Message-ID"), "8cT91kQz");
    EXPECT_EQ(wrapper->find(kWrapperNamespace, "Nickname"), "ana_r");
    EXPECT_EQ(wrapper->content_type, "text/plain");
    EXPECT_THAT(sent[2].body, EndsWith("\r\n\r\nHello"));
    EXPECT_THAT(sent[1].body, Not(HasSubstr("rs.Message-ID")));  // no message's
    EXPECT_THAT(sent[3].body, HasSubstr("MSRP d93kswow 413 Stop\r\n"));
    // Which message that was the answer itself does not say.
    const auto refusal = mime::parse_cpim(sent[3].body);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->find(kWrapperNamespace, "Message-ID"), "8cT91kQz");
    EXPECT_EQ(refusal->from->uri, "sip:ben@b.example");
}

// RFC 5547 section 8.2: of a file that a server takes on no line the chat beside it tells.
TEST_F(CopiesTest, AFileThatIsLeftOutIsToldOfInTheFirstChatThatTakesNotices) {
    const MessageFacts file{.from = Side::B, .file_selector = "name:\"plan.pdf\" size:5"};
    const CopyKey unknown{.session = 99, .subscription = 1};
    answer_and_connect("message/cpim *");
    serve();
    desk_.copies().on_file_left_out(now_, {unknown, kKey}, file, 5);  // it takes none
    desk_.copies().work(now_);
    EXPECT_THAT(serve(), IsEmpty());
    answer("message/cpim application/msrp-recording *", "msrp://192.0.2.98:2855/other;tcp");
    desk_.on_open(now_, wires_.last);
    serve();
    desk_.copies().on_file_left_out(now_, {unknown, kKey}, file, 5);
    desk_.copies().work(now_);
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 2U);  // one notice
    EXPECT_EQ(sent[1].flag, '#');
    const auto wrapper = mime::parse_cpim(sent[0].body);
    ASSERT_TRUE(wrapper);
    EXPECT_EQ(wrapper->from->uri, "sip:ben@b.example");
    EXPECT_EQ(wrapper->find(kWrapperNamespace, "Content"), "drop");
    EXPECT_EQ(wrapper->find(kWrapperNamespace, "Size"), "5");
    EXPECT_EQ(wrapper->find(kWrapperNamespace, "File-Selector"), "name:\"plan.pdf\" size:5");
}

// That a message did not arrive is as much a fact of the chat as that it did (RFC 4975 section
// 7.1.2); a server without the wrapper has no place for it.
TEST_F(CopiesTest, AFailureReportGoesAlongInTheWrapper) {
    const std::string report =
        head(kOursB, kB, "8cT91kQz", "Byte-Range: 1-5/5\r\nStatus: 000 408 No answer\r\n",
             "REPORT") +
        "-------d93kswow$\r\n";
    answer_and_connect("message/cpim application/msrp-recording *");
    come(kConnectionA, chunk("8cT91kQz", "Hello"));
    come(kConnectionB, report);
    auto sent = serve();
    ASSERT_EQ(sent.size(), 2U);
    const auto wrapper = mime::parse_cpim(sent[1].body);
    ASSERT_TRUE(wrapper);
    EXPECT_EQ(wrapper->find(kWrapperNamespace, "Content"), "msrp");
    EXPECT_EQ(wrapper->find(kWrapperNamespace, "Message-ID"), "");
    EXPECT_EQ(wrapper->from->uri, "sip:ben@b.example");
    EXPECT_EQ(wrapper->content_type, "message/msrp");
    EXPECT_EQ(sent[1].body.substr(wrapper->content_at),
              "MSRP d93kswow REPORT\r\nMessage-ID: 8cT91kQz\r\nByte-Range: 1-5/5\r\n"
              "Status: 000 408 No answer\r\n-------d93kswow$\r\n");

    answer("message/cpim *", "msrp://192.0.2.98:2855/native;tcp");
    desk_.on_open(now_, wires_.last);
    come(kConnectionB, report);
    EXPECT_THAT(serve(), IsEmpty());
}

TEST_F(CopiesTest, WhatIsSaidBeforeTheServerAnswersComesFirst) {
    come(kConnectionA, chunk("msg00001", "one"));
    come(kConnectionA, chunk("msg00002", "two"));
    EXPECT_EQ(counters_->waiting, 2U);
    answer("text/plain");
    desk_.on_open(now_, wires_.last);
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[0].body, "one");
    EXPECT_EQ(sent[1].body, "two");
}

TEST_F(CopiesTest, ChunksOfAnyOrderBecomeOneMessage) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "world", '$', "7-11/11"));
    come(kConnectionA, chunk("msg00001", "Hel", '+', "1-*/11"));
    come(kConnectionA, chunk("msg00001", "llo ", '+', "3-6/11"));
    std::string text;
    char last = '?';
    for (const Sent& one : serve()) {
        EXPECT_EQ(one.head.byte_range->start, text.size() + 1);
        text += one.body;
        last = one.flag;
    }
    EXPECT_EQ(text, "Hello world");
    EXPECT_EQ(last, '$');
}

// Who reads it sees the last ones; the server may have the first ones by then.
TEST_F(CopiesTest, WhatIsSaidTwiceAndDifferentlyIsNotToldAsWhole) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "I refuse it", '+', "1-*/11"));
    come(kConnectionA, chunk("msg00001", "Buy 100 MSF", '$', "1-11/11"));
    auto sent = serve();
    ASSERT_FALSE(sent.empty());
    EXPECT_EQ(sent.back().flag, '#');
    EXPECT_THAT(told_, ElementsAre("message_rewritten"));
    come(kConnectionA, chunk("msg00002", "tail", '+', "7-*/10"));  // the same behind a hole
    come(kConnectionA, chunk("msg00002", "TAIL", '+', "7-*/10"));
    come(kConnectionA, chunk("msg00002", "a head", '$', "1-6/10"));
    for (const Sent& one : serve()) EXPECT_NE(one.flag, '$');
    EXPECT_THAT(told_, ElementsAre("message_rewritten", "message_rewritten"));
    come(kConnectionA, chunk("msg00003", "whole", '$', "1-5/5"));
    EXPECT_EQ(serve().back().flag, '$');
}

TEST_F(CopiesTest, WhatIsGivenUpOrLosesItsConnectionEndsAsCut) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "I take this ", '+', "1-*/*"));
    come(kConnectionA, chunk("msg00001", "back", '#', "13-*/*"));
    auto sent = serve();
    ASSERT_FALSE(sent.empty());
    EXPECT_EQ(sent.back().flag, '#');
    come(kConnectionA, chunk("msg00002", "half", '+', "1-*/*"));
    desk_.on_closed(now_, kConnectionA);
    sent = serve();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[0].body, "half");
    EXPECT_EQ(sent[1].flag, '#');
    EXPECT_EQ(counters_->waiting, 0U);
}

TEST_F(CopiesTest, APauseCutsWhatIsBeingSaidAndNothingOfItFollows) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "before ", '+', "1-*/*"));
    desk_.copies().pause(now_, kKey);
    come(kConnectionA, chunk("msg00001", "SECRET", '$', "8-*/*"));
    come(kConnectionA, chunk("msg00002", "SECRET"));
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[0].body, "before ");
    EXPECT_EQ(sent[1].flag, '#');
    answer("text/plain");  // it records again
    come(kConnectionA, chunk("msg00003", "after"));
    const auto after = serve();
    ASSERT_EQ(after.size(), 1U);
    EXPECT_EQ(after[0].body, "after");
}

TEST_F(CopiesTest, WhatALostServerHasNotReceiptedGoesToTheNextUnderItsName) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "receipted"));
    serve();
    come(kConnectionA, chunk("msg00002", "not receipted"));
    const auto first = serve(false);
    desk_.copies().lose_server(now_, kKey);
    come(kConnectionA, chunk("msg00003", "meanwhile"));
    answer("text/plain", "msrp://192.0.2.98:2855/next;tcp");
    desk_.on_open(now_, wires_.last);
    const auto next = serve();
    ASSERT_EQ(next.size(), 2U);
    EXPECT_EQ(next[0].body, "not receipted");
    EXPECT_EQ(next[0].head.message_id, first[0].head.message_id);
    EXPECT_EQ(next[1].body, "meanwhile");
    EXPECT_EQ(counters_->waiting, 0U);
}

TEST_F(CopiesTest, ALostConnectionIsMadeAnewAndThenTheServerCountsAsLost) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "one"));
    wires_.take(wires_.last);
    const ConnectionId first = wires_.last;
    desk_.on_closed(now_, first);
    pass(kReconnectAfter);
    ASSERT_NE(wires_.last, first);
    desk_.on_open(now_, wires_.last);
    EXPECT_EQ(serve().size(), 1U);
    for (int i = 0; i < kReconnects; ++i) {
        EXPECT_THAT(told_, IsEmpty());
        desk_.on_closed(now_, wires_.last);
        pass(kReconnectAfter);
    }
    EXPECT_THAT(told_, ElementsAre("chat_server_lost"));
}

TEST_F(CopiesTest, NothingIsSaidToAServerThatShowsAnotherCertificate) {
    const base::CertificateFingerprint right{.digest = base::Bytes(32, 1)};
    come(kConnectionA, chunk("msg00001", "Hello"));
    const CopyAnswer answered{.server = {.path = {uri("msrps://rec.example:2855/rec;tcp")},
                                         .own = uri("msrps://192.0.2.1:2855/copy;tcp"),
                                         .types = {.accept_types = "message/cpim *"},
                                         .max_bytes = std::nullopt},
                              .connect_to = *base::parse_net_address("192.0.2.99:2855"),
                              .fingerprints = {right}};
    desk_.copies().answer(now_, kKey, answered);
    EXPECT_THAT(wires_.connected_to.back(), EndsWith(" rec.example"));
    desk_.on_open(now_, wires_.last, true);  // it shows none
    EXPECT_THAT(wires_.take(wires_.last), IsEmpty());
    EXPECT_TRUE(wires_.closed.contains(wires_.last));
    EXPECT_THAT(told_, ElementsAre("fingerprint_mismatch"));
    wires_.all_show = {right};
    pass(kReconnectLater);
    desk_.on_open(now_, wires_.last, true);
    EXPECT_THAT(wires_.take(wires_.last), HasSubstr("Hello"));
}

// RFC 4976 section 3: requests take the whole path, answers come from the first relay, and receipts
// from behind all of them.
TEST_F(CopiesTest, AServerBehindRelaysIsSpokenToThroughThem) {
    const std::string relays = "msrp://192.0.2.50:2855/r1;tcp msrp://192.0.2.51:2855/r2;tcp";
    desk_.copies().answer(now_, kKey,
                          CopyAnswer{.server = {.path = *msrp::parse_path(relays + " " + kServer),
                                                .own = uri(kOwn),
                                                .types = {.accept_types = "text/plain"},
                                                .max_bytes = std::nullopt},
                                     .connect_to = *base::parse_net_address("192.0.2.50:2855")});
    EXPECT_THAT(wires_.connected_to, ElementsAre("192.0.2.50:2855"));
    const ConnectionId relay = wires_.last;
    desk_.on_open(now_, relay);
    come(kConnectionA, chunk("msg00001", "Hello"));
    const std::string sent = wires_.take(relay);
    msrp::StreamParser parser;
    parser.feed(base::as_bytes(sent));
    std::size_t requests = 0;
    msrp::Head last;
    while (auto event = parser.poll_event()) {
        const auto* request = std::get_if<msrp::Head>(&*event);
        if (request == nullptr) continue;
        ++requests;
        EXPECT_EQ(to_string(request->to_path), relays + " " + kServer);
        EXPECT_EQ(to_string(request->from_path), kOwn);
        come(relay, "MSRP " + request->transaction + " 200 OK\r\nTo-Path: " + kOwn +
                        "\r\nFrom-Path: msrp://192.0.2.50:2855/r1;tcp\r\n-------" +
                        request->transaction + "$\r\n");
        last = *request;
    }
    EXPECT_EQ(requests, 2U);  // the one that binds, and the message
    EXPECT_EQ(counters_->waiting, 1U);
    come(relay, "MSRP report01 REPORT\r\nTo-Path: " + kOwn + "\r\nFrom-Path: " + relays + " " +
                    kServer + "\r\nMessage-ID: " + last.message_id +
                    "\r\nByte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n-------report01$\r\n");
    EXPECT_EQ(counters_->waiting, 0U);
    EXPECT_THAT(told_, IsEmpty());
}

// The fingerprint is of the server's certificate, and what we see is the relay's.
TEST_F(CopiesTest, ARelayInFrontOfAServerIsKnownByItsName) {
    const base::CertificateFingerprint servers{.digest = base::Bytes(32, 1)};
    come(kConnectionA, chunk("msg00001", "Hello"));
    const auto answer_by = [&](const std::string& path) {
        desk_.copies().answer(now_, kKey,
                              CopyAnswer{.server = {.path = *msrp::parse_path(path),
                                                    .own = uri("msrps://192.0.2.1:2855/copy;tcp"),
                                                    .types = {.accept_types = "*"},
                                                    .max_bytes = std::nullopt},
                                         .connect_to = *base::parse_net_address("192.0.2.50:2855"),
                                         .fingerprints = {servers}});
    };
    answer_by("msrps://relay.example:2855/r;tcp msrps://rec.example:2855/rec;tcp");
    EXPECT_THAT(wires_.connected_to.back(), EndsWith(" relay.example"));
    desk_.on_open(now_, wires_.last, true);  // by its name it is who it is: no fingerprint is asked
    EXPECT_THAT(wires_.take(wires_.last), HasSubstr("Hello"));
    EXPECT_THAT(told_, IsEmpty());
    answer_by("msrps://relay.example:2855/r;tcp");
    desk_.on_open(now_, wires_.last, true);
    EXPECT_THAT(told_, ElementsAre("fingerprint_mismatch"));
}

TEST_F(CopiesTest, AServerWithoutTheSessionCountsAsLost) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "one"));
    serve(false, 481);
    EXPECT_THAT(told_, ElementsAre("chat_server_lost"));
    EXPECT_EQ(counters_->waiting, 1U);  // for the next one
}

TEST_F(CopiesTest, EachRefusalOfTheSessionIsFollowedByAnotherTryAndToldOnce) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "one"));
    for (int i = 0; i < 3; ++i) {
        const ConnectionId last = wires_.last;
        serve(false, 481);
        EXPECT_TRUE(wires_.closed.contains(last));
        pass(kReconnectLater);
        ASSERT_NE(wires_.last, last);
        desk_.on_open(now_, wires_.last);
    }
    EXPECT_THAT(told_, ElementsAre("chat_server_lost"));
    EXPECT_EQ(serve().back().body, "one");
    EXPECT_EQ(counters_->waiting, 0U);
}

TEST_F(CopiesTest, MessagesThatNeverEndKeepNoOtherFromBeingCopied) {
    answer_and_connect("text/plain");
    for (std::size_t i = 0; i < kMaxOpenMessages; ++i)
        come(kConnectionA, chunk("open" + std::to_string(1000 + i), "half", '+', "1-*/*"));
    serve();
    EXPECT_THAT(told_, IsEmpty());
    come(kConnectionA, chunk("msg00001", "whole"));
    const auto sent = serve();
    EXPECT_TRUE(std::any_of(sent.begin(), sent.end(), [](const Sent& one) {
        return one.body == "whole" && one.flag == '$';
    }));
    EXPECT_EQ(std::count_if(sent.begin(), sent.end(), [](auto& one) { return one.flag == '#'; }),
              1);
    EXPECT_THAT(told_, ElementsAre("too_many_open"));
    for (std::size_t i = 0; i < 3 * kMaxNotices; ++i)
        come(kConnectionA, chunk("more" + std::to_string(1000 + i), "half", '+', "1-*/*"));
    EXPECT_EQ(told_.size(), kMaxNotices);
}

TEST_F(CopiesTest, WhatIsForgottenToMakeRoomCountsAsNotReceipted) {
    answer_and_connect("text/plain");
    for (std::size_t i = 0; i <= kMaxCopiedMessages; ++i) {
        come(kConnectionA, chunk("msg" + std::to_string(10000 + i), "x"));
        for (const Sent& one : serve(false)) ASSERT_EQ(one.flag, '$');
    }
    EXPECT_EQ(counters_->waiting, kMaxCopiedMessages);
    desk_.close(now_, 7);
    pass(kLastWords);
    EXPECT_THAT(texts_, ElementsAre(HasSubstr(std::to_string(kMaxCopiedMessages + 1))));
}

TEST_F(CopiesTest, ACopyThatIsOpenedAgainDoesNotEndWithTheOldOne) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "one"));
    serve(false);
    desk_.copies().close(now_, kKey);
    desk_.copies().open(now_, kKey, {.parties = {}, .only = std::nullopt, .counters = counters_});
    pass(kLastWords);
    EXPECT_EQ(desk_.copies().size(), 1U);
    EXPECT_THAT(told_, IsEmpty());
}

TEST_F(CopiesTest, WhatTheServerDoesNotTakeIsLeftOutWithItsReason) {
    answer("message/cpim application/msrp-recording text/plain", kServer, 400);
    desk_.on_open(now_, wires_.last);
    come(kConnectionA, chunk("msg00001", "<p>", '$', {}, "text/html"));
    come(kConnectionA, chunk("msg00002", std::string(500, 'x')));
    const auto sent = serve();
    EXPECT_THAT(told_, ElementsAre("type_not_taken", "message_too_large"));
    ASSERT_EQ(sent.size(), 4U);  // two notices, each ends by '#'
    EXPECT_THAT(sent[0].body, HasSubstr("rs.Content: drop\r\n"));
    EXPECT_THAT(sent[0].body, HasSubstr("rs.Message-ID: msg00001\r\n"));
    EXPECT_THAT(sent[0].body, HasSubstr("rs.Unsupported-Type: text/html\r\n"));
    EXPECT_EQ(sent[3].flag, '#');
    const std::string all = sent[0].body + sent[1].body + sent[2].body + sent[3].body;
    EXPECT_THAT(all, HasSubstr("rs.Size: 500\r\n"));
    EXPECT_THAT(all, Not(HasSubstr("xxx")));
}

TEST_F(CopiesTest, ARefusedMessageIsToldAndTheRestGoesOn) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "one"));
    serve(false, 415);
    EXPECT_THAT(told_, ElementsAre("message_refused"));
    come(kConnectionA, chunk("msg00002", "two"));
    EXPECT_EQ(serve()[0].body, "two");
}

// What is told makes up exactly what is missing, however much that is.
TEST_F(CopiesTest, AllThatIsLeftOutIsToldOneByOneOrAsASum) {
    constexpr std::size_t kMessages = 40'000;
    constexpr std::size_t kReceipted = 10;
    answer_and_connect("message/cpim application/msrp-recording *");
    for (std::size_t i = 0; i < kReceipted; ++i)
        come(kConnectionA, chunk("first" + std::to_string(i), "x"));
    ASSERT_EQ(serve().size(), kReceipted);
    wires_.is_stuck.insert(wires_.last);
    wires_.queued[wires_.last] = kMaxQueuedBytes;  // it does not read
    for (std::size_t i = 0; i < kMessages; ++i) {
        come(kConnectionA, chunk("msg" + std::to_string(100'000 + i), "x"));
        if (i % 15'000 == 14'999) pass(kNoticeTime);  // sums of a minute, and one of the rest
        wires_.sent[kConnectionB].clear();
        wires_.sent[kConnectionA].clear();
    }
    desk_.close(now_, 7);
    pass(kLastWords);
    EXPECT_EQ(desk_.copies().size(), 0U);
    std::size_t told = 0;
    std::size_t sums = 0;
    for (std::size_t i = 0; i < told_.size(); ++i) {
        if (told_[i] == "copy_too_slow") ++told;
        if (told_[i] == "more_not_recorded") {
            ++sums;
            told += std::stoul(texts_[i]);
        }
        if (told_[i] == "not_receipted")
            told += std::stoul(texts_[i].substr(texts_[i].find_first_of("123456789")));
    }
    EXPECT_EQ(told, kMessages);
    EXPECT_EQ(sums, 3U);
    EXPECT_LE(told_.size(), 3 * (kMaxNotices + 1) + 1);
}

// The recording itself says so, too: by a bounded number of notices.
TEST_F(CopiesTest, AServerThatTakesNoticesGetsThemOfMessagesForWhichThereWasNoRoom) {
    answer_and_connect("message/cpim application/msrp-recording *");
    serve();
    wires_.queued[wires_.last] = kMaxQueuedBytes;
    constexpr std::size_t kMessages = kMaxCopiedMessages + 2 * kMaxNotices;
    for (std::size_t i = 0; i < kMessages; ++i)
        come(kConnectionA, chunk("msg" + std::to_string(100'000 + i), "x"));
    wires_.queued.clear();
    desk_.on_writable(now_, wires_.last);
    std::size_t notices = 0;
    std::size_t messages = 0;
    for (std::vector<Sent> sent = serve(); !sent.empty(); sent = serve())
        for (const Sent& one : sent) {
            const bool is_notice = one.body.find("rs.Content: drop\r\n") != std::string::npos;
            if (is_notice) ++notices;
            if (one.flag == '$') ++messages;
        }
    EXPECT_LE(messages, kMaxCopiedMessages);
    EXPECT_LE(messages, kMessages - 2 * kMaxNotices);
    EXPECT_GT(messages, kMaxCopiedMessages / 2);
    EXPECT_EQ(notices, kMaxNotices);
}

// The parties go on as if there were no server, and memory stays within its limit.
TEST_F(CopiesTest, AServerThatDoesNotReadLosesMessagesAndDelaysNobody) {
    answer_and_connect("message/cpim application/msrp-recording *");
    wires_.is_stuck.insert(wires_.last);
    const std::string big(256 << 10, 'y');
    std::size_t arrived = 0;
    for (int i = 0; i < 40; ++i) {  // 10 MiB
        come(kConnectionA, chunk("msg" + std::to_string(10'000 + i), big));
        EXPECT_FALSE(wires_.unread.contains(kConnectionA));
        arrived += wires_.take(kConnectionB).size();
    }
    EXPECT_GT(arrived, 40 * big.size());
    EXPECT_LE(wires_.queued[wires_.last], kMaxQueuedBytes + (128 << 10));
    EXPECT_THAT(told_, Not(IsEmpty()));
    EXPECT_THAT(told_, testing::Each("copy_too_slow"));
    // Once it reads again it gets what was kept, and a notice of each that was not.
    wires_.is_stuck.clear();
    wires_.queued.clear();
    std::size_t whole = 0;
    std::size_t notices = 0;
    for (int i = 0; i < 200; ++i) {
        desk_.on_writable(now_, wires_.last);
        for (const Sent& one : serve()) {
            whole += one.flag == '$' ? 1 : 0;
            notices += one.body.find("rs.Content: drop") != std::string::npos ? 1 : 0;
        }
    }
    EXPECT_EQ(notices, told_.size());
    EXPECT_EQ(whole + told_.size(), 40U);
    EXPECT_EQ(counters_->waiting, 0U);
}

TEST_F(CopiesTest, AFileOfAnySizePassesThroughAsTheServerTakesIt) {
    answer_and_connect("*");
    std::string text = chunk("msg00001", "", '+', "1-*/*", "application/pdf");
    come(kConnectionA, text.substr(0, text.find("\r\n\r\n") + 4));
    std::size_t octets = 0;
    for (int i = 0; i < 400; ++i) {  // 25 MiB
        come(kConnectionA, std::string(64 << 10, static_cast<char>('a' + i % 26)));
        for (const Sent& one : serve(false)) octets += one.body.size();
    }
    come(kConnectionA, "\r\n-------d93kswow$\r\n");
    for (const Sent& one : serve(true)) octets += one.body.size();
    EXPECT_GT(octets, std::size_t{400} * (64 << 10));
    EXPECT_THAT(told_, IsEmpty());
    EXPECT_EQ(counters_->waiting, 0U);
}

TEST_F(CopiesTest, WhatIsLeftWhenAChatEndsGoesOutAndWhatIsNotReceiptedIsTold) {
    answer("text/plain");
    come(kConnectionA, chunk("msg00001", "last words"));
    desk_.close(now_, 7);
    EXPECT_EQ(desk_.copies().size(), 1U);
    desk_.on_open(now_, wires_.last);
    EXPECT_EQ(serve(false).size(), 1U);
    pass(kLastWords - std::chrono::milliseconds(1));
    EXPECT_EQ(desk_.copies().size(), 1U);
    pass(std::chrono::milliseconds(1));
    EXPECT_EQ(desk_.copies().size(), 0U);
    EXPECT_THAT(told_, ElementsAre("not_receipted"));
    EXPECT_TRUE(wires_.closed.contains(wires_.last));
}

// A server that several chats share answers later than a short one lasts.
TEST_F(CopiesTest, WhatIsLeftOfAChatIsKeptForAServerThatHasYetToAnswer) {
    come(kConnectionA, chunk("msg00001", "last words"));
    desk_.close(now_, 7);
    pass(kMaxAnswerTime);
    EXPECT_EQ(desk_.copies().size(), 1U);
    EXPECT_EQ(counters_->waiting, 1U);
    answer_and_connect("text/plain");
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].body, "last words");
    pass(std::chrono::milliseconds(1));
    EXPECT_EQ(desk_.copies().size(), 0U);
    EXPECT_THAT(told_, IsEmpty());
}

TEST_F(CopiesTest, WhereNoServerAnswersWhatIsLeftOfAChatIsTold) {
    come(kConnectionA, chunk("msg00001", "last words"));
    desk_.close(now_, 7);
    pass(kMaxAnswerTime + kLastWords);
    EXPECT_EQ(desk_.copies().size(), 0U);
    EXPECT_THAT(told_, ElementsAre("not_receipted"));
}

TEST_F(CopiesTest, WhatIsHeldGoesByTheNextAnswerAlone) {
    answer_and_connect("text/plain");
    desk_.copies().await_answer(now_, kKey);
    come(kConnectionA, chunk("msg00001", "held"));
    EXPECT_THAT(serve(), IsEmpty());
    pass(kMaxAnswerTime - std::chrono::milliseconds(1));
    answer_and_connect("text/plain");
    ASSERT_EQ(serve().size(), 1U);
    pass(kMaxAnswerTime);
    EXPECT_THAT(told_, IsEmpty());
}

TEST_F(CopiesTest, WhatIsHeldInVainIsToldAndNothingFollowsIt) {
    answer_and_connect("text/plain");
    desk_.copies().await_answer(now_, kKey);
    come(kConnectionA, chunk("msg00001", "held"));
    pass(kMaxAnswerTime);
    EXPECT_THAT(told_, ElementsAre("chat_not_encrypted"));
    EXPECT_EQ(counters_->waiting, 0U);
    come(kConnectionA, chunk("msg00002", "later"));
    EXPECT_EQ(counters_->waiting, 0U);
    EXPECT_THAT(serve(), IsEmpty());
}

TEST_F(CopiesTest, WhatIsHeldForAServerThatIsLostWaitsForTheNextOne) {
    answer_and_connect("text/plain");
    desk_.copies().await_answer(now_, kKey);
    desk_.copies().lose_server(now_, kKey);
    come(kConnectionA, chunk("msg00001", "held"));
    pass(kMaxAnswerTime);
    EXPECT_THAT(told_, IsEmpty());
    answer_and_connect("text/plain");
    EXPECT_EQ(serve().size(), 1U);
}

TEST_F(CopiesTest, AServerThatRefusesTheLineByTlsIsToldAsSuch) {
    answer_and_connect("text/plain");
    desk_.copies().await_answer(now_, kKey);
    come(kConnectionA, chunk("msg00001", "held"));
    desk_.copies().answer(now_, kKey, std::nullopt);
    EXPECT_THAT(told_, ElementsAre("chat_not_encrypted"));
}

// Parties write as soon as they have the answer: before who records them has opened its copy.
TEST_F(CopiesTest, WhatIsSaidBeforeACopyIsOpenedIsKeptForIt) {
    constexpr CopyKey kSecond{.session = 7, .subscription = 2};
    desk_.copies().close(now_, kKey);
    ASSERT_EQ(desk_.copies().size(), 0U);
    come(kConnectionA, chunk("msg00001", "nobody has begun"));
    desk_.copies().keep_early(7);
    come(kConnectionA, chunk("msg00002", "first"));
    come(kConnectionA, chunk("msg00003", "sec", '+', "1-*/6"));
    for (const CopyKey& key : {kKey, kSecond})
        desk_.copies().open(now_, key,
                            {.parties = {},
                             .only = std::nullopt,
                             .counters = key == kKey ? counters_ : nullptr,
                             .takes_early = key == kKey});
    EXPECT_EQ(counters_->waiting, 2U);
    come(kConnectionA, chunk("msg00003", "ond", '$', "4-6/6"));
    desk_.copies().drop_early(7);
    answer_and_connect("text/plain");
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[0].body, "first");
    EXPECT_EQ(sent[1].body, "second");
    // Another one that is opened now begins with what is said from now on.
    desk_.copies().close(now_, kSecond);
    EXPECT_THAT(told_, IsEmpty());
}

TEST_F(CopiesTest, WhatNobodyOpensACopyForInTimeIsForgotten) {
    desk_.copies().close(now_, kKey);
    desk_.copies().keep_early(7);
    desk_.copies().keep_early(7);
    come(kConnectionA, chunk("msg00001", "SECRET"));
    desk_.copies().drop_early(7);
    desk_.copies().drop_early(7);
    desk_.copies().drop_early(7);
    desk_.copies().open(now_, kKey, {.parties = {}, .only = std::nullopt, .counters = counters_});
    answer_and_connect("text/plain");
    EXPECT_THAT(serve(), IsEmpty());
}

TEST_F(CopiesTest, OneSideAloneMayBeCopied) {
    desk_.copies().open(now_, kKey, {.parties = {}, .only = Side::B, .counters = counters_});
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "of A"));
    come(kConnectionB, head(kOursB, kB, "msg00002") +
                           "Content-Type: text/plain\r\n\r\nof B\r\n-------d93kswow$\r\n");
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].body, "of B");
}

TEST_F(CopiesTest, WhatIsSaidBeforeAnAnswerThatTakesNothingIsNeverSent) {
    come(kConnectionA, chunk("msg00001", "SECRET"));
    desk_.copies().answer(now_, kKey, std::nullopt);
    EXPECT_EQ(counters_->waiting, 0U);
    EXPECT_THAT(told_, ElementsAre("chat_not_taken"));
    come(kConnectionA, chunk("msg00002", "SECRET"));
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00003", "after"));
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].body, "after");
}

TEST_F(CopiesTest, ARecordingThatEndsWaitsForItsReceipts) {
    answer_and_connect("text/plain");
    come(kConnectionA, chunk("msg00001", "one"));
    desk_.copies().close(now_, kKey);
    EXPECT_EQ(desk_.copies().size(), 1U);
    come(kConnectionA, chunk("msg00002", "SECRET"));
    EXPECT_EQ(serve().size(), 1U);
    pass(std::chrono::milliseconds(250));
    EXPECT_EQ(desk_.copies().size(), 0U);
    EXPECT_THAT(told_, IsEmpty());
}

// ---- who writes

std::string cpim_of(const std::string& from, const std::string& text) {
    return "From: " + from +
           "\r\nTo: <sip:room@b.example>\r\n\r\nContent-Type: text/plain\r\n\r\n" + text;
}

class Senders : public CopiesTest {
protected:
    void cpim(const std::string& id, const std::string& from, const std::string& text) {
        come(kConnectionA, chunk(id, cpim_of(from, text), '$', {}, "message/cpim"));
    }
};

TEST_F(Senders, AMessageOfWhoIsNotKnownWaitsUntilTheServerHasBeenTold) {
    answer_and_connect();
    serve();
    cpim("msg00001", "Ana Reis <sip:ana@a.example>", "of a party");
    EXPECT_EQ(serve().size(), 1U);
    EXPECT_THAT(told_, IsEmpty());
    cpim("msg00002", "Cid <sip:cid@c.example>", "of a third");
    come(kConnectionA, chunk("msg00003", "behind it"));
    EXPECT_THAT(serve(), IsEmpty());
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_EQ(events_[0].kind, CopyEvent::Kind::Sender);
    EXPECT_EQ(events_[0].uri, "sip:cid@c.example");
    EXPECT_EQ(events_[0].name, "Cid");
    EXPECT_EQ(events_[0].from, Side::A);
    desk_.copies().told(now_, kKey, events_[0].serial);
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_THAT(sent[0].body, EndsWith("of a third"));
    EXPECT_THAT(sent[1].body, EndsWith("behind it"));
    cpim("msg00004", "Cid <sip:cid@c.example>", "again");
    EXPECT_EQ(serve().size(), 1U);
    EXPECT_EQ(events_.size(), 1U);
}

// Who writes through a party is who the server is told as the author, and not the party.
TEST_F(Senders, WhoIsNeitherPartyIsTheAuthorOfWhatItWrites) {
    answer_and_connect("message/cpim application/msrp-recording *");
    serve();
    cpim("msg00001", "Cid \"C\" <sip:cid@c.example>", "of a third");
    ASSERT_EQ(events_.size(), 1U);
    desk_.copies().told(now_, kKey, events_[0].serial);
    cpim("msg00002", "Ana Reis <sip:ana@a.example>", "of a party");
    cpim("msg00003", "<sip:anonymous@anonymous.invalid>", "of nobody");
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 3U);
    const auto envelope = [&](std::size_t i) {
        return sent[i].body.substr(0, sent[i].body.find("DateTime:"));
    };
    EXPECT_THAT(envelope(0), HasSubstr("<sip:cid@c.example>\r\nTo: <sip:ben@b.example>\r\n"));
    EXPECT_THAT(envelope(0), Not(HasSubstr("ana@a.example")));
    EXPECT_EQ(envelope(1), "From: Ana Reis <sip:ana@a.example>\r\nTo: <sip:ben@b.example>\r\n");
    EXPECT_EQ(envelope(2), envelope(1));  // an address that many have is nobody's
}

// A nickname that the party was granted is the party's (RFC 7701 section 7).
TEST_F(Senders, TheNicknameOfAPartyIsNotThatOfWhoWritesThroughIt) {
    answer_and_connect("message/cpim application/msrp-recording *");
    serve();
    come(kConnectionA,
         head(kOursA, kA, {}, "Use-Nickname: \"ana_r\"\r\n", "NICKNAME") + "-------d93kswow$\r\n");
    come(kConnectionB, "MSRP d93kswow 200 OK\r\nTo-Path: " + kOursB + "\r\nFrom-Path: " + kB +
                           "\r\n-------d93kswow$\r\n");
    serve();
    cpim("msg00001", "<sip:cid@c.example>", "of a third");
    ASSERT_EQ(events_.size(), 2U);
    desk_.copies().told(now_, kKey, events_.back().serial);
    cpim("msg00002", "<sip:ana@a.example>", "of the party");
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_THAT(sent[0].body, Not(HasSubstr("rs.Nickname")));
    EXPECT_THAT(sent[1].body, HasSubstr("rs.Nickname: ana_r\r\n"));
}

TEST_F(Senders, TheWaitEndsAndThatIsTold) {
    answer_and_connect();
    serve();
    cpim("msg00001", "<sip:cid@c.example>", "nobody confirms");
    pass(kMaxHold - std::chrono::seconds(1));
    EXPECT_THAT(serve(), IsEmpty());
    told_.clear();
    pass(std::chrono::seconds(1));
    EXPECT_EQ(serve().size(), 1U);
    EXPECT_THAT(told_, ElementsAre("metadata_not_confirmed"));
}

TEST_F(Senders, HeadersMayComeInPiecesAndWhatHasNoneWaitsForNothing) {
    answer_and_connect();
    serve();
    const std::string text =
        chunk("msg00001", cpim_of("<sip:cid@c.example>", "x"), '$', {}, "message/cpim");
    for (const char c : text) come(kConnectionA, std::string(1, c));
    EXPECT_EQ(events_.size(), 1U);
    EXPECT_THAT(serve(), IsEmpty());
    desk_.copies().told(now_, kKey, events_[0].serial);
    EXPECT_EQ(serve().size(), 1U);
    come(kConnectionA, chunk("msg00002", "no cpim at all", '$', {}, "message/cpim"));
    EXPECT_EQ(serve().size(), 1U);
    EXPECT_EQ(events_.size(), 1U);
}

TEST_F(Senders, ThereAreSoManyOfThemAndNoMore) {
    answer_and_connect();
    serve();
    for (std::size_t i = 0; i < kMaxSenders; ++i) {
        cpim("msg" + std::to_string(10000 + i), "<sip:p" + std::to_string(i) + "@c.example>", "x");
        ASSERT_EQ(events_.size(), i + 1);
        desk_.copies().told(now_, kKey, events_.back().serial);
        ASSERT_EQ(serve().size(), 1U);
    }
    cpim("msg00001", "<sip:one-more@c.example>", "at once");
    EXPECT_EQ(serve().size(), 1U);
    EXPECT_EQ(events_.size(), kMaxSenders);
    EXPECT_THAT(told_, IsEmpty());
}

// What waits when the chat ends goes out: a server that does not know yet who wrote it still gets
// it.
TEST_F(Senders, NothingWaitsPastTheEndOfTheChat) {
    answer_and_connect();
    serve();
    cpim("msg00001", "<sip:cid@c.example>", "the last word");
    EXPECT_THAT(serve(), IsEmpty());
    desk_.close(now_, 7);
    EXPECT_EQ(serve().size(), 1U);
    EXPECT_THAT(told_, ElementsAre("metadata_not_confirmed"));
}

// One whose head never comes makes way, and holds nothing up after that.
TEST_F(Senders, AHeadThatNeverEndsDelaysOthersForAsLongAtMost) {
    answer_and_connect();
    serve();
    come(kConnectionA, chunk("msg00001", "From: <sip:cid@c.exam", '+', {}, "message/cpim"));
    come(kConnectionA, chunk("msg00002", "behind it"));
    EXPECT_THAT(serve(), IsEmpty());
    pass(kMaxHold);
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_THAT(sent[0].body + sent[1].body, HasSubstr("behind it"));
}

TEST_F(Senders, WhoHasTakenANicknameIsKnownByItBeforeItsNextMessage) {
    answer_and_connect("message/cpim text/plain");
    serve();
    come(kConnectionA,
         head(kOursA, kA, "", "Use-Nickname: \"ana_r\"\r\n", "NICKNAME") + "-------d93kswow$\r\n");
    come(kConnectionB, "MSRP d93kswow 200 OK\r\nTo-Path: " + kOursB + "\r\nFrom-Path: " + kB +
                           "\r\n-------d93kswow$\r\n");
    ASSERT_EQ(events_.size(), 1U);
    come(kConnectionA, chunk("msg00001", "by that name"));
    EXPECT_THAT(serve(), IsEmpty());
    desk_.copies().told(now_, kKey, events_[0].serial);
    EXPECT_EQ(serve().size(), 1U);
}

TEST_F(Senders, ANicknameThatIsTakenIsTold) {
    come(kConnectionA,
         head(kOursA, kA, "", "Use-Nickname: \"ana_r\"\r\n", "NICKNAME") + "-------d93kswow$\r\n");
    EXPECT_THAT(events_, IsEmpty());
    come(kConnectionB, "MSRP d93kswow 200 OK\r\nTo-Path: " + kOursB + "\r\nFrom-Path: " + kB +
                           "\r\n-------d93kswow$\r\n");
    ASSERT_EQ(events_.size(), 1U);
    EXPECT_EQ(events_[0].kind, CopyEvent::Kind::Nickname);
    EXPECT_EQ(events_[0].name, "ana_r");
    EXPECT_EQ(events_[0].from, Side::A);
}

// ---- lines that chats share

class Shared : public CopiesTest {
protected:
    static constexpr CopyKey kSecond{.session = 8, .subscription = 1};
    const std::string kSecondA = "msrp://192.0.2.1:2855/second-a;tcp";
    const std::string kSecondB = "msrp://192.0.2.1:2855/second-b;tcp";
    const std::string kCid = "msrp://192.0.2.30:7000/cid;tcp";
    const std::string kTypes = "message/cpim application/msrp-recording *";

    Shared() {
        desk_.chats().set_own(now_, 8, Side::A, uri(kSecondA));
        desk_.chats().set_own(now_, 8, Side::B, uri(kSecondB));
        desk_.chats().set_peer(now_, 8, Side::A, {.path = {uri(kCid)}});
        desk_.chats().set_peer(now_, 8, Side::B, {.path = {uri(kB)}});
        desk_.on_open(now_, 3);
        come(3, head(kSecondA, kCid, "empty003") + "-------d93kswow$\r\n");
        come(kConnectionB, head(kSecondB, kB, "empty004") + "-------d93kswow$\r\n");
        desk_.copies().open(now_, kKey, setup("stream-1"));
        desk_.copies().open(now_, kSecond, setup("stream-2"));
        wires_.sent.clear();
    }
    static CopySetup setup(const std::string& stream) {
        return {.parties = {"<sip:ana@a.example>", "<sip:ben@b.example>"},
                .only = std::nullopt,
                .counters = nullptr,
                .stream_id = stream,
                .waits_to_be_told = true};
    }
    void answer_to(const CopyKey& key) {
        desk_.copies().answer(now_, key,
                              CopyAnswer{.server = {.path = {uri(kServer)},
                                                    .own = uri(kOwn),
                                                    .types = {.accept_types = kTypes},
                                                    .max_bytes = std::nullopt},
                                         .connect_to = *base::parse_net_address("192.0.2.99:2855"),
                                         .fingerprints = {}});
    }
    void say_in_second(const std::string& id, const std::string& text) {
        come(3, head(kSecondA, kCid, id) + "Content-Type: text/plain\r\n\r\n" + text +
                    "\r\n-------d93kswow$\r\n");
    }
};

TEST_F(Shared, ChatsOfOneLineAreToldApartByTheWrapperAndWaitForTheMetadata) {
    answer_to(kKey);
    desk_.on_open(now_, wires_.last);
    answer_to(kSecond);
    EXPECT_EQ(desk_.copies().trunks(), 1U);
    serve();
    come(kConnectionA, chunk("msg00001", "in the first"));
    say_in_second("msg00001", "in the second");
    desk_.copies().told(now_, kKey, 0);
    auto sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_THAT(sent[0].body, HasSubstr("rs.Stream-ID: stream-1\r\n"));
    EXPECT_THAT(sent[0].body, EndsWith("in the first"));
    desk_.copies().told(now_, kSecond, 0);
    sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_THAT(sent[0].body, HasSubstr("rs.Stream-ID: stream-2\r\n"));
    EXPECT_THAT(sent[0].body, EndsWith("in the second"));
    EXPECT_THAT(told_, IsEmpty());
}

// The next chat on the line of one that is over: late reports are those of the old one.
TEST_F(Shared, ALineIsGivenToTheNextChatAndLateReportsBelongToTheOld) {
    answer_to(kKey);
    desk_.on_open(now_, wires_.last);
    desk_.copies().told(now_, kKey, 0);
    serve();
    const ConnectionId connection = wires_.last;
    come(kConnectionA, chunk("msg00001", "the last of the first"));
    const auto first = serve(false);  // no receipt yet
    ASSERT_EQ(first.size(), 1U);
    desk_.close(now_, 7);
    answer_to(kSecond);
    EXPECT_EQ(wires_.last, connection);  // the same
    say_in_second("msg00001", "the first of the second");
    EXPECT_THAT(serve(), IsEmpty());
    desk_.copies().told(now_, kSecond, 0);
    come(connection, "MSRP report09 REPORT\r\nTo-Path: " + kOwn + "\r\nFrom-Path: " + kServer +
                         "\r\nMessage-ID: " + first[0].head.message_id + "\r\nByte-Range: 1-" +
                         std::to_string(first[0].body.size()) + "/" +
                         std::to_string(first[0].body.size()) +
                         "\r\nStatus: 000 200 OK\r\n-------report09$\r\n");
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_THAT(sent[0].body, HasSubstr("rs.Stream-ID: stream-2\r\n"));
    pass(kLastWords);
    EXPECT_EQ(desk_.copies().size(), 1U);  // the first is receipted and gone
    EXPECT_THAT(told_, IsEmpty());
    EXPECT_FALSE(wires_.closed.contains(connection));
    desk_.close(now_, 8);
    pass(std::chrono::milliseconds(0));
    EXPECT_FALSE(wires_.closed.contains(connection));  // it waits for another one
    pass(kIdleTrunk);
    EXPECT_TRUE(wires_.closed.contains(connection));
    EXPECT_EQ(desk_.copies().trunks(), 0U);
}

TEST_F(Shared, APauseOfOneIsNoneOfTheOthers) {
    answer_to(kKey);
    desk_.on_open(now_, wires_.last);
    answer_to(kSecond);
    desk_.copies().told(now_, kKey, 0);
    desk_.copies().told(now_, kSecond, 0);
    serve();
    desk_.copies().pause(now_, kKey);
    come(kConnectionA, chunk("msg00001", "not this"));
    say_in_second("msg00001", "but this");
    auto sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_THAT(sent[0].body, EndsWith("but this"));
    answer_to(kKey);
    come(kConnectionA, chunk("msg00002", "and this"));
    sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_THAT(sent[0].body, EndsWith("and this"));
    EXPECT_EQ(desk_.copies().trunks(), 1U);
}

TEST_F(Shared, ALongMessageOfOneDoesNotKeepTheOthersWaiting) {
    answer_to(kKey);
    desk_.on_open(now_, wires_.last);
    answer_to(kSecond);
    desk_.copies().told(now_, kKey, 0);
    desk_.copies().told(now_, kSecond, 0);
    serve();
    wires_.is_stuck.insert(wires_.last);
    come(kConnectionA, chunk("msg00001", std::string(2 << 20, 'x')));
    say_in_second("msg00001", "short");
    std::string read = wires_.take(wires_.last);
    int rounds = 0;
    for (; rounds < 20 && read.find("short") == std::string::npos; ++rounds) {
        wires_.queued.clear();  // all that was there has left
        desk_.on_writable(now_, wires_.last);
        read += wires_.take(wires_.last);
    }
    EXPECT_LE(rounds, 2);
    EXPECT_LT(read.size(), std::size_t{1} << 20);
}

// What the server says of the session is about all chats in it, and each is told to look for
// another server.
TEST_F(Shared, AServerThatHasNoSessionAnyMoreIsLostForAllOfThem) {
    answer_to(kKey);
    desk_.on_open(now_, wires_.last);
    answer_to(kSecond);
    desk_.copies().told(now_, kKey, 0);
    desk_.copies().told(now_, kSecond, 0);
    serve();
    come(kConnectionA, chunk("msg00001", "one"));
    serve(false, 481);
    EXPECT_THAT(told_, ElementsAre("chat_server_lost", "chat_server_lost"));
    desk_.copies().lose_server(now_, kKey);
    desk_.copies().lose_server(now_, kSecond);
    answer_to(kKey);
    answer_to(kSecond);
    desk_.on_open(now_, wires_.last);
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_THAT(sent[0].body, EndsWith("one"));
}

TEST_F(Shared, ALostConnectionIsMadeAnewForAllOfThem) {
    answer_to(kKey);
    desk_.on_open(now_, wires_.last);
    answer_to(kSecond);
    desk_.copies().told(now_, kKey, 0);
    desk_.copies().told(now_, kSecond, 0);
    serve();
    come(kConnectionA, chunk("msg00001", "one"));
    say_in_second("msg00001", "two");
    wires_.take(wires_.last);
    desk_.on_closed(now_, wires_.last);
    pass(kReconnectAfter);
    desk_.on_open(now_, wires_.last);
    const auto sent = serve();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_THAT(sent[0].body + sent[1].body, HasSubstr("one"));
    EXPECT_THAT(sent[0].body + sent[1].body, HasSubstr("two"));
}

}  // namespace
}  // namespace earshot::chat
