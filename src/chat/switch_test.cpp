#include "chat/switch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "chat/chat_test_rig.h"
#include "chat/limits.h"

namespace earshot::chat {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

std::vector<msrp::Uri> path(const std::string& text) { return *msrp::parse_path(text); }

const std::string kOursA = "msrp://192.0.2.1:2855/facing-a;tcp";
const std::string kOursB = "msrp://192.0.2.1:2855/facing-b;tcp";
const std::string kA = "msrp://192.0.2.10:7000/ana;tcp";
const std::string kB = "msrp://192.0.2.20:7000/ben;tcp";

constexpr ConnectionId kConnectionA = 1;
constexpr ConnectionId kConnectionB = 2;

std::string request(const std::string& to, const std::string& from, const std::string& more,
                    const std::string& body, const std::string& method = "SEND",
                    const std::string& tid = "d93kswow", char flag = '$') {
    std::string text = "MSRP " + tid + " " + method + "\r\nTo-Path: " + to +
                       "\r\nFrom-Path: " + from + "\r\n" + more;
    if (!body.empty()) text += "Content-Type: text/plain\r\n\r\n" + body + "\r\n";
    return text + "-------" + tid + flag + "\r\n";
}

std::string ok(const std::string& to, const std::string& from,
               const std::string& tid = "d93kswow") {
    return "MSRP " + tid + " 200 OK\r\nTo-Path: " + to + "\r\nFrom-Path: " + from + "\r\n-------" +
           tid + "$\r\n";
}

class SwitchTest : public testing::Test {
protected:
    void open(bool connect_to_b = false) {
        switch_.set_own(now_, 7, Side::A, uri(kOursA));
        switch_.set_own(now_, 7, Side::B, uri(kOursB));
        switch_.set_peer(now_, 7, Side::A,
                         {.path = path(kA), .accept_types = "text/plain message/cpim"});
        Peer b{.path = path(kB), .accept_types = "message/cpim", .address = "sip:ben@b.example"};
        if (connect_to_b) b.connect_to = base::parse_net_address("192.0.2.20:7000");
        switch_.set_peer(now_, 7, Side::B, b);
    }
    // Octets are lent for the call alone, as by a loop that reads into one buffer.
    void come(ConnectionId connection, std::string text) {
        switch_.on_bytes(now_, connection, base::as_bytes(text));
        std::fill(text.begin(), text.end(), '!');
    }
    void connect_both() {
        open();
        switch_.on_open(now_, kConnectionA);
        switch_.on_open(now_, kConnectionB);
        come(kConnectionA, request(kOursA, kA, "Message-ID: empty001\r\n", ""));
        come(kConnectionB, request(kOursB, kB, "Message-ID: empty002\r\n", ""));
        wires_.sent.clear();
        told_.clear();
    }
    void pass(std::chrono::seconds time) {
        now_.steady += time;
        switch_.on_time(now_);
    }

    base::Now now_{base::TimePoint{} + std::chrono::hours(1), base::wall_from_ns(0)};
    Wires wires_;
    base::SeededRandom random_{5};
    std::vector<std::string> told_;
    Switch switch_{wires_, random_, nullptr, [this](const SwitchEvent& event) {
                       told_.push_back(event.kind == SwitchEvent::Kind::Connected
                                           ? "connected"
                                           : event.reason.code);
                   }};
};

TEST_F(SwitchTest, AMessageAndItsAnswerPassWithThePathsOfTheOtherSide) {
    connect_both();
    come(kConnectionA,
         request(kOursA, kA, "Message-ID: msg00001\r\nByte-Range: 1-5/5\r\nX-Own: kept\r\n",
                 "Hello"));
    EXPECT_EQ(wires_.take(kConnectionB),
              "MSRP d93kswow SEND\r\nTo-Path: " + kB + "\r\nFrom-Path: " + kOursB +
                  "\r\nMessage-ID: msg00001\r\nByte-Range: 1-5/5\r\nX-Own: kept\r\n"
                  "Content-Type: text/plain\r\n\r\nHello\r\n-------d93kswow$\r\n");
    EXPECT_THAT(wires_.take(kConnectionA), IsEmpty());  // nothing is answered for B
    come(kConnectionB, ok(kOursB, kB));
    EXPECT_EQ(wires_.take(kConnectionA), ok(kA, kOursA));
}

TEST_F(SwitchTest, ErrorsReportsAndOtherMethodsPassAsTheyAre) {
    connect_both();
    come(kConnectionA, request(kOursA, kA, "Use-Nickname: \"ana\"\r\n", "", "NICKNAME"));
    EXPECT_THAT(wires_.take(kConnectionB), HasSubstr("NICKNAME\r\nTo-Path: " + kB));
    come(kConnectionB, "MSRP d93kswow 425 Taken\r\nTo-Path: " + kOursB + "\r\nFrom-Path: " + kB +
                           "\r\n-------d93kswow$\r\n");
    EXPECT_THAT(wires_.take(kConnectionA), StartsWith("MSRP d93kswow 425 Taken\r\nTo-Path: " + kA));
    come(kConnectionB,
         request(kOursB, kB, "Message-ID: msg00001\r\nByte-Range: 1-5/5\r\nStatus: 000 200 OK\r\n",
                 "", "REPORT"));
    const std::string report = wires_.take(kConnectionA);
    EXPECT_THAT(report, HasSubstr("REPORT\r\nTo-Path: " + kA + "\r\nFrom-Path: " + kOursA));
    EXPECT_THAT(report, HasSubstr("Status: 000 200 OK\r\n"));
    EXPECT_THAT(wires_.take(kConnectionB), IsEmpty());
}

TEST_F(SwitchTest, AChunkLeavesAsItComesWhereverTcpCutIt) {
    connect_both();
    const std::string text = request(kOursA, kA, "Message-ID: msg00001\r\nByte-Range: 1-*/*\r\n",
                                     "Hel\r\n-------d93kswo", "SEND", "d93kswow", '+');
    for (const char c : text) come(kConnectionA, std::string(1, c));
    EXPECT_THAT(wires_.take(kConnectionB),
                HasSubstr("\r\n\r\nHel\r\n-------d93kswo\r\n-------d93kswow+\r\n"));
}

TEST_F(SwitchTest, WeConnectToWhoIsPassiveAndSpeakFirst) {
    open(true);
    ASSERT_THAT(wires_.connected_to, ElementsAre("192.0.2.20:7000"));
    switch_.on_open(now_, kConnectionA);
    come(kConnectionA, request(kOursA, kA, "Message-ID: msg00001\r\n", "early"));
    EXPECT_TRUE(wires_.unread.contains(kConnectionA));  // it waits for B
    switch_.on_open(now_, 101);
    const std::string sent = wires_.take(101);
    EXPECT_THAT(sent, HasSubstr("Byte-Range: 1-0/0\r\n-------earshot."));
    EXPECT_THAT(sent, HasSubstr("early"));
    EXPECT_FALSE(wires_.unread.contains(kConnectionA));
    EXPECT_THAT(told_, ElementsAre("connected"));
    // The answer to what we said ourselves is ours.
    const std::string tid = sent.substr(5, sent.find(' ', 5) - 5);
    come(101, ok(kOursB, kB, tid));
    EXPECT_THAT(wires_.take(kConnectionA), IsEmpty());
}

TEST_F(SwitchTest, StrangersGet481AndASecondConnection506) {
    connect_both();
    switch_.on_open(now_, 3);
    come(3, request("msrp://192.0.2.1:2855/guess;tcp", kA, "Message-ID: msg00001\r\n", "x"));
    EXPECT_THAT(wires_.take(3), StartsWith("MSRP d93kswow 481 "));
    come(3, request(kOursA, kA, "Message-ID: msg00001\r\n", "x"));
    EXPECT_THAT(wires_.take(3), StartsWith("MSRP d93kswow 506 "));
    come(3, request("msrps://192.0.2.1:2855/facing-a;tcp", kA, "Message-ID: msg00001\r\n", "x"));
    EXPECT_THAT(wires_.take(3), StartsWith("MSRP d93kswow 481 "));
    come(3, request("msrp://192.0.2.1:2855/guess;tcp", kA,
                    "Message-ID: msg00001\r\nFailure-Report: no\r\n", "x"));
    EXPECT_THAT(wires_.take(3), IsEmpty());
    EXPECT_THAT(wires_.take(kConnectionB), IsEmpty());
    pass(kUnboundTime);
    EXPECT_TRUE(wires_.closed.contains(3));
    EXPECT_FALSE(wires_.closed.contains(kConnectionA));
}

TEST_F(SwitchTest, ALostConnectionEndsTheSessionAndCutsWhatWasBeingSaid) {
    connect_both();
    std::string half = request(kOursA, kA, "Message-ID: msg00001\r\nByte-Range: 1-*/*\r\n", "half");
    half.resize(half.size() - 5);
    come(kConnectionA, half);
    switch_.on_closed(now_, kConnectionA);
    EXPECT_THAT(wires_.take(kConnectionB), testing::EndsWith("half\r\n-------d93kswow#\r\n"));
    EXPECT_THAT(told_, ElementsAre("chat_connection_lost"));
    EXPECT_TRUE(wires_.closed.contains(kConnectionB));
    EXPECT_EQ(switch_.connections(), 0U);
    switch_.on_open(now_, 4);
    come(4, request(kOursB, kB, "Message-ID: msg00002\r\n", "x"));
    EXPECT_THAT(wires_.take(4), StartsWith("MSRP d93kswow 481 "));
}

TEST_F(SwitchTest, WhoBringsMoreThanTheOtherTakesIsNotReadUntilThereIsRoom) {
    connect_both();
    wires_.is_stuck.insert(kConnectionB);
    std::string text = request(kOursA, kA, "Message-ID: msg00001\r\nByte-Range: 1-*/*\r\n", "x");
    text.resize(text.find("\r\n\r\n") + 4);
    come(kConnectionA, text);
    const std::string piece(64 << 10, 'y');
    int pieces = 0;
    while (!wires_.unread.contains(kConnectionA) && pieces < 100) {
        come(kConnectionA, piece);
        ++pieces;
    }
    EXPECT_LE(wires_.queued[kConnectionB], kMaxQueuedBytes + piece.size() + 1024);
    EXPECT_LT(pieces, 6);
    wires_.queued[kConnectionB] = 0;
    switch_.on_writable(now_, kConnectionB);
    EXPECT_FALSE(wires_.unread.contains(kConnectionA));
    come(kConnectionA, "\r\n-------d93kswow$\r\n");
    EXPECT_THAT(wires_.take(kConnectionB), testing::EndsWith("y\r\n-------d93kswow$\r\n"));
}

// Two sessions of B's come over one connection: their chunks are never mixed.
TEST_F(SwitchTest, ChunksOfSeveralSessionsToOneConnectionDoNotMix) {
    connect_both();
    const std::string second_a = "msrp://192.0.2.1:2855/second-a;tcp";
    const std::string second_b = "msrp://192.0.2.1:2855/second-b;tcp";
    switch_.set_own(now_, 8, Side::A, uri(second_a));
    switch_.set_own(now_, 8, Side::B, uri(second_b));
    switch_.set_peer(now_, 8, Side::A, {.path = path("msrp://192.0.2.30:7000/cid;tcp")});
    switch_.set_peer(now_, 8, Side::B, {.path = path("msrp://192.0.2.20:7000/ben2;tcp")});
    switch_.on_open(now_, 3);
    come(3, request(second_a, "msrp://192.0.2.30:7000/cid;tcp", "Message-ID: empty003\r\n", ""));
    come(kConnectionB, request(second_b, "msrp://192.0.2.20:7000/ben2;tcp",
                               "Message-ID: empty004\r\n", "", "SEND", "tid00001"));
    wires_.sent.clear();
    std::string first = request(kOursA, kA, "Message-ID: msg00001\r\n", "first");
    const std::string rest = first.substr(first.size() - 8);
    first.resize(first.size() - 8);
    come(kConnectionA, first);
    come(3, request(second_a, "msrp://192.0.2.30:7000/cid;tcp", "Message-ID: msg00002\r\n",
                    "second", "SEND", "tid00002"));
    come(3, ok(second_a, "msrp://192.0.2.30:7000/cid;tcp", "tid00001"));
    EXPECT_THAT(wires_.sent[kConnectionB], Not(HasSubstr("second")));
    EXPECT_TRUE(wires_.unread.contains(3));
    come(kConnectionA, rest);
    const std::string sent = wires_.take(kConnectionB);
    EXPECT_LT(sent.find("-------d93kswow$"), sent.find("second"));
    EXPECT_THAT(sent, HasSubstr("MSRP tid00001 200 OK"));
    EXPECT_FALSE(wires_.unread.contains(3));
}

TEST_F(SwitchTest, WhoWaitsForAPartyThatNeverConnectsGets408) {
    open();
    switch_.on_open(now_, kConnectionA);
    come(kConnectionA, request(kOursA, kA, "Message-ID: msg00001\r\n", "anybody?"));
    pass(kPatience - std::chrono::seconds(1));
    EXPECT_THAT(wires_.take(kConnectionA), IsEmpty());
    pass(std::chrono::seconds(1));
    EXPECT_THAT(wires_.take(kConnectionA), StartsWith("MSRP d93kswow 408 "));
    EXPECT_FALSE(wires_.unread.contains(kConnectionA));
}

TEST_F(SwitchTest, APartyThatCannotBeReachedEndsTheSession) {
    wires_.can_connect = false;
    open(true);
    EXPECT_THAT(told_, ElementsAre("chat_no_connection"));
    told_.clear();
    wires_.can_connect = true;
    switch_.close(now_, 7);
    open(true);
    switch_.on_closed(now_, 101);
    EXPECT_THAT(told_, ElementsAre("chat_no_connection"));
}

TEST_F(SwitchTest, AnotherPathIsAnotherEnd) {
    connect_both();
    switch_.set_peer(now_, 7, Side::B, {.path = path("msrp://192.0.2.21:7000/next;tcp")});
    EXPECT_TRUE(wires_.closed.contains(kConnectionB));
    EXPECT_THAT(told_, IsEmpty());
    switch_.on_open(now_, 5);
    come(5, request(kOursB, "msrp://192.0.2.21:7000/next;tcp", "Message-ID: empty003\r\n", ""));
    come(kConnectionA, request(kOursA, kA, "Message-ID: msg00001\r\n", "still here"));
    EXPECT_THAT(wires_.take(5), HasSubstr("To-Path: msrp://192.0.2.21:7000/next;tcp\r\n"));
}

// ---- TLS

const base::CertificateFingerprint kOfA{.digest = base::Bytes(32, 0x0a)};
const base::CertificateFingerprint kOfB{.digest = base::Bytes(32, 0x0b)};

class TlsSwitch : public SwitchTest {
protected:
    TlsSwitch() {
        switch_.set_own(now_, 7, Side::A, uri(kSecureA));
        switch_.set_own(now_, 7, Side::B, uri(kSecureB));
        switch_.set_peer(now_, 7, Side::A,
                         {.path = path("msrps://192.0.2.10:7000/ana;tcp"), .fingerprints = {kOfA}});
    }
    void answer_of_b(std::optional<base::NetAddress> connect_to = std::nullopt) {
        switch_.set_peer(now_, 7, Side::B,
                         {.path = path("msrps://b.example:7000/ben;tcp"),
                          .connect_to = std::move(connect_to),
                          .fingerprints = {kOfB}});
    }
    void bind_a() {
        wires_.shows[kConnectionA] = {kOfA};
        switch_.on_open(now_, kConnectionA, true);
        come(kConnectionA, request(kSecureA, kA, "Message-ID: empty001\r\n", ""));
    }
    const std::string kSecureA = "msrps://192.0.2.1:2855/facing-a;tcp";
    const std::string kSecureB = "msrps://192.0.2.1:2855/facing-b;tcp";
};

TEST_F(TlsSwitch, WhoShowsAnotherCertificateThanWasToldIsDroppedAndTheChatGoesOn) {
    answer_of_b();
    wires_.shows[3] = {kOfB};
    switch_.on_open(now_, 3, true);
    come(3, request(kSecureA, kA, "Message-ID: msg00001\r\n", "stolen"));
    EXPECT_TRUE(wires_.closed.contains(3));
    EXPECT_THAT(told_, ElementsAre("fingerprint_mismatch"));
    bind_a();
    wires_.shows[kConnectionB] = {kOfB};
    switch_.on_open(now_, kConnectionB, true);
    come(kConnectionB, request(kSecureB, kB, "Message-ID: empty002\r\n", ""));
    EXPECT_THAT(told_, ElementsAre("fingerprint_mismatch", "connected"));
    EXPECT_THAT(wires_.sent[kConnectionB], Not(HasSubstr("stolen")));
}

TEST_F(TlsSwitch, PlainTcpAndTlsDoNotTakeEachOthersSessions) {
    answer_of_b();
    switch_.on_open(now_, 3);
    come(3, request(kSecureA, kA, "Message-ID: msg00001\r\n", "clear"));
    EXPECT_THAT(wires_.take(3), StartsWith("MSRP d93kswow 481 "));
    switch_.set_own(now_, 8, Side::A, uri("msrp://192.0.2.1:2855/plain-a;tcp"));
    switch_.set_peer(now_, 8, Side::A, {.path = path(kA)});
    switch_.on_open(now_, 4, true);
    come(4, request("msrp://192.0.2.1:2855/plain-a;tcp", kA, "Message-ID: msg00001\r\n", "x"));
    EXPECT_THAT(wires_.take(4), StartsWith("MSRP d93kswow 481 "));
}

TEST_F(TlsSwitch, WhoComesBeforeItsAnswerWaitsUntilItIsKnownWhoItHasToBe) {
    bind_a();
    wires_.shows[kConnectionB] = {kOfB};
    switch_.on_open(now_, kConnectionB, true);
    come(kConnectionB, request(kSecureB, kB, "Message-ID: msg00001\r\n", "early"));
    EXPECT_TRUE(wires_.unread.contains(kConnectionB));
    EXPECT_THAT(wires_.sent[kConnectionA], IsEmpty());
    answer_of_b();
    EXPECT_THAT(wires_.take(kConnectionA), HasSubstr("early"));
    EXPECT_THAT(told_, ElementsAre("connected"));
}

TEST_F(TlsSwitch, WhereWeConnectNothingIsSaidToWhoIsNotTheParty) {
    answer_of_b(base::parse_net_address("192.0.2.20:7000"));
    EXPECT_THAT(wires_.connected_to.back(), testing::EndsWith(" b.example"));
    wires_.shows[101] = {kOfA};
    switch_.on_open(now_, 101, true);
    EXPECT_THAT(wires_.take(101), IsEmpty());
    EXPECT_TRUE(wires_.closed.contains(101));
    EXPECT_THAT(told_, ElementsAre("fingerprint_mismatch"));
}

TEST_F(SwitchTest, ALineOfOursIsTextOrCpimAsThePartyTakesItAndWantsNoAnswer) {
    connect_both();
    switch_.say(now_, 7, Side::A, "This chat is recorded.");
    const std::string to_a = wires_.take(kConnectionA);
    EXPECT_THAT(to_a, HasSubstr("Failure-Report: no\r\n"));
    EXPECT_THAT(to_a, HasSubstr("Content-Type: text/plain;charset=utf-8\r\n\r\nThis chat is "
                                "recorded.\r\n-------earshot."));
    switch_.say(now_, 7, Side::B, "This chat is recorded.");
    const std::string to_b = wires_.take(kConnectionB);
    EXPECT_THAT(to_b, HasSubstr("Content-Type: message/cpim\r\n\r\nFrom: Recorder <"));
    EXPECT_THAT(to_b, HasSubstr("To: <sip:ben@b.example>\r\n"));
    EXPECT_THAT(wires_.take(kConnectionA), IsEmpty());
}

TEST_F(SwitchTest, ALineWaitsForTheConnectionAndForTheEndOfAChunk) {
    open();
    switch_.say(now_, 7, Side::B, "early");
    switch_.on_open(now_, kConnectionB);
    come(kConnectionB, request(kOursB, kB, "Message-ID: empty002\r\n", ""));
    EXPECT_THAT(wires_.take(kConnectionB), HasSubstr("early"));
    switch_.on_open(now_, kConnectionA);
    std::string first = request(kOursA, kA, "Message-ID: msg00001\r\n", "long message");
    const std::string rest = first.substr(first.size() - 8);
    come(kConnectionA, first.substr(0, first.size() - 8));
    switch_.say(now_, 7, Side::B, "a line");
    EXPECT_THAT(wires_.sent[kConnectionB], Not(HasSubstr("a line")));
    come(kConnectionA, rest);
    EXPECT_THAT(wires_.take(kConnectionB), HasSubstr("a line"));
}

TEST_F(SwitchTest, ALineWaitsUntilThereIsRoomForIt) {
    connect_both();
    wires_.queued[kConnectionB] = kMaxQueuedBytes;
    switch_.say(now_, 7, Side::B, "This chat is recorded.");
    EXPECT_THAT(wires_.take(kConnectionB), IsEmpty());
    wires_.queued[kConnectionB] = 0;
    switch_.on_writable(now_, kConnectionB);
    EXPECT_THAT(wires_.take(kConnectionB), HasSubstr("This chat is recorded."));
}

TEST_F(SwitchTest, WhoReadsNoAnswersIsNotReadEither) {
    connect_both();
    const std::string stray =
        request("msrp://192.0.2.1:2855/nobody;tcp", kA, "Message-ID: msg00001\r\n", "where to?");
    wires_.queued[kConnectionA] = kMaxQueuedBytes;
    come(kConnectionA, stray + stray);
    EXPECT_THAT(wires_.take(kConnectionA), IsEmpty());
    EXPECT_TRUE(wires_.unread.contains(kConnectionA));
    wires_.queued[kConnectionA] = 0;
    switch_.on_writable(now_, kConnectionA);
    EXPECT_THAT(wires_.take(kConnectionA), HasSubstr(" 481 "));
    EXPECT_FALSE(wires_.unread.contains(kConnectionA));
    EXPECT_THAT(told_, IsEmpty());
}

TEST_F(SwitchTest, AConnectionThatIsNeverMadeEndsTheChatInTime) {
    open(true);
    pass(kUnboundTime);
    EXPECT_TRUE(wires_.closed.contains(101));
    EXPECT_THAT(told_, ElementsAre("chat_no_connection"));
}

// RFC 4975 section 7.1: its content could not be recorded.
TEST_F(SwitchTest, AMethodThatNobodyKnowsGoesNoFurther) {
    connect_both();
    come(kConnectionA, request(kOursA, kA, "Message-ID: msg00001\r\n", "secret", "WHISPER"));
    EXPECT_THAT(wires_.take(kConnectionA), HasSubstr(" 501 "));
    EXPECT_THAT(wires_.take(kConnectionB), IsEmpty());
    come(kConnectionA, request(kOursA, kA, "Message-ID: msg00002\r\n", "goes on"));
    EXPECT_THAT(wires_.take(kConnectionB), HasSubstr("goes on"));
}

// Of a connection that several chats share one must not stop the others.
TEST_F(SwitchTest, AChunkThatStandsStillEndsForThoseWhoWait) {
    connect_both();
    const std::string first = request(kOursA, kA, "Message-ID: msg00001\r\n", "long message");
    come(kConnectionA, first.substr(0, first.size() - 30));
    pass(kStallTime);
    EXPECT_THAT(wires_.take(kConnectionB), Not(HasSubstr("-------d93kswow#")));  // nobody waits
    switch_.say(now_, 7, Side::B, "a line");
    pass(std::chrono::seconds{1});
    const std::string told = wires_.take(kConnectionB);
    EXPECT_THAT(told, HasSubstr("\r\n-------d93kswow#\r\n"));
    EXPECT_THAT(told, HasSubstr("a line"));
    come(kConnectionA, first.substr(first.size() - 30));  // goes nowhere
    EXPECT_THAT(wires_.take(kConnectionB), IsEmpty());
    come(kConnectionA, request(kOursA, kA, "Message-ID: msg00002\r\n", "goes on"));
    EXPECT_THAT(wires_.take(kConnectionB), HasSubstr("goes on"));
    EXPECT_THAT(told_, IsEmpty());
}

TEST_F(SwitchTest, PathsThatLeadBackEndTheChat) {
    open();
    const std::string other_a = "msrp://192.0.2.1:2855/other-a;tcp";
    const std::string other_b = "msrp://192.0.2.1:2855/other-b;tcp";
    switch_.set_own(now_, 8, Side::A, uri(other_a));
    switch_.set_own(now_, 8, Side::B, uri(other_b));
    switch_.set_peer(now_, 8, Side::A, {.path = path(kOursB)});  // a call that passes twice
    switch_.set_peer(now_, 7, Side::B, {.path = path(other_a)});
    EXPECT_THAT(told_, IsEmpty());
    switch_.set_peer(now_, 8, Side::B, {.path = path(kOursA)});
    EXPECT_THAT(told_, ElementsAre("chat_loop"));
}

TEST_F(SwitchTest, WhatIsNoMsrpEndsItsConnectionAlone) {
    connect_both();
    switch_.on_open(now_, 3);
    come(3, "GET / HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(wires_.closed.contains(3));
    EXPECT_THAT(told_, IsEmpty());
    come(kConnectionA, "nonsense");
    EXPECT_THAT(told_, ElementsAre("chat_connection_lost"));
}

TEST_F(SwitchTest, ABodyWithoutATypeIsBounded) {
    connect_both();
    std::string text = "MSRP d93kswow SEND\r\nTo-Path: " + kOursA + "\r\nFrom-Path: " + kA +
                       "\r\nMessage-ID: msg00001\r\n\r\n" + std::string(20 << 10, 'z');
    come(kConnectionA, text);
    come(kConnectionA, "\r\n-------d93kswow$\r\n");
    EXPECT_THAT(wires_.take(kConnectionB), IsEmpty());
    EXPECT_THAT(wires_.take(kConnectionA), StartsWith("MSRP d93kswow 400 "));
    come(kConnectionA, request(kOursA, kA, "Message-ID: msg00002\r\n", "goes on"));
    EXPECT_THAT(wires_.take(kConnectionB), HasSubstr("goes on"));
}

}  // namespace
}  // namespace earshot::chat
