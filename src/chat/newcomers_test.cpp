#include "chat/newcomers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chat/chat_test_rig.h"
#include "chat/desk.h"

namespace earshot::chat {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

base::NetAddress host(std::size_t number, std::uint16_t port = 4000) {
    const std::string text = fmt::format("10.0.{}.{}", number / 250, 1 + number % 250);
    return *base::parse_host(text, port);
}

const std::string kOursA = "msrp://192.0.2.1:2855/facing-a;tcp";
const std::string kOursB = "msrp://192.0.2.1:2855/facing-b;tcp";
const std::string kA = "msrp://192.0.2.10:7000/ana;tcp";
const std::string kB = "msrp://192.0.2.20:7000/ben;tcp";

// At the desk, as they come from the network.
class NewcomersTest : public testing::Test {
protected:
    NewcomersTest() {
        for (const auto& [side, own, peer] :
             {std::tuple{Side::A, kOursA, kA}, std::tuple{Side::B, kOursB, kB}}) {
            desk_.chats().set_own(now_, 7, side, uri(own));
            desk_.chats().set_peer(now_, 7, side, {.path = {uri(peer)}});
        }
    }
    ConnectionId open(const base::NetAddress& from) {
        desk_.on_open(now_, ++last_, false, from);
        return last_;
    }
    void send(ConnectionId connection, const std::string& to, const std::string& from) {
        const std::string text = "MSRP d93kswow SEND\r\nTo-Path: " + to + "\r\nFrom-Path: " + from +
                                 "\r\nMessage-ID: empty001\r\n-------d93kswow$\r\n";
        desk_.on_bytes(now_, connection, base::as_bytes(text));
    }
    void pass(std::chrono::milliseconds time) {
        now_.steady += time;
        desk_.on_time(now_);
    }

    base::Now now_ = first_now();
    Wires wires_;
    base::SeededRandom random_{5};
    ConnectionId last_ = 0;
    Desk desk_{wires_, random_, [](const SwitchEvent&) {}, [](const CopyEvent&) {}};
};

TEST_F(NewcomersTest, OfOneHostAFewMayWaitAndThenTheOldestMakesWay) {
    for (std::size_t i = 0; i < kMaxUnboundOfHost; ++i)
        open(host(1, static_cast<std::uint16_t>(4000 + i)));
    EXPECT_THAT(wires_.closed, IsEmpty());
    open(host(2));
    EXPECT_THAT(wires_.closed, IsEmpty());
    open(host(1));
    EXPECT_THAT(wires_.closed, ElementsAre(1));
    EXPECT_EQ(desk_.chats().connections(), kMaxUnboundOfHost + 1);
}

TEST_F(NewcomersTest, OfAllTogetherAFewMayWaitAndTheHostWithMostMakesWay) {
    const ConnectionId single = open(host(999));
    open(host(1));
    open(host(1));
    for (std::size_t i = 3; i < kMaxUnbound; ++i) open(host(1000 + i));
    EXPECT_THAT(wires_.closed, IsEmpty());
    open(host(2));
    EXPECT_THAT(wires_.closed, ElementsAre(2));  // the first one of host 1
    open(host(3));
    EXPECT_THAT(wires_.closed, ElementsAre(single, 2));  // none has more than one: the oldest
    EXPECT_EQ(desk_.chats().connections(), kMaxUnbound);
}

// A host that floods has chats, too: theirs stay, and new ones can be bound at any time.
TEST_F(NewcomersTest, BoundOnesDoNotCountAndAreNeverClosedForOthers) {
    const ConnectionId ana = open(host(1));
    send(ana, kOursA, kA);
    for (std::size_t i = 0; i < 2 * kMaxUnbound; ++i) open(host(1));
    const ConnectionId ben = open(host(1));
    send(ben, kOursB, kB);
    for (std::size_t i = 0; i < 2 * kMaxUnbound; ++i) open(host(1));
    pass(kBindTime);
    EXPECT_FALSE(wires_.closed.contains(ana));
    EXPECT_FALSE(wires_.closed.contains(ben));
    EXPECT_EQ(desk_.chats().connections(), 2U);
    wires_.sent.clear();
    send(ana, kOursA, kA);
    EXPECT_THAT(wires_.take(ben), HasSubstr("SEND\r\nTo-Path: " + kB));
}

TEST_F(NewcomersTest, TheFirstRequestHasToBindItInTime) {
    const ConnectionId silent = open(host(1));
    const ConnectionId wrong = open(host(1));
    const ConnectionId half = open(host(1));
    const ConnectionId bound = open(host(1));
    pass(kBindTime - std::chrono::milliseconds(1));
    send(wrong, "msrp://192.0.2.1:2855/unknown;tcp", kA);
    EXPECT_THAT(wires_.take(wrong), HasSubstr(" 481 "));
    desk_.on_bytes(now_, half, base::as_bytes(std::string_view("MSRP d93kswow SEND\r\nTo-P")));
    send(bound, kOursA, kA);
    EXPECT_THAT(wires_.closed, IsEmpty());
    pass(std::chrono::milliseconds(1));
    EXPECT_THAT(wires_.closed, ElementsAre(silent, wrong, half));
    EXPECT_EQ(desk_.chats().connections(), 1U);
}

// Of TLS the party's certificate is told by its answer: it has named a URI that nobody can guess.
TEST_F(NewcomersTest, OneThatWaitsForTheAnswerOfItsCallIsNone) {
    desk_.chats().set_own(now_, 8, Side::A, uri("msrps://192.0.2.1:2855/secure;tcp"));
    desk_.on_open(now_, ++last_, true, host(1));
    send(last_, "msrps://192.0.2.1:2855/secure;tcp", "msrps://192.0.2.10:7000/s;tcp");
    pass(kBindTime);
    EXPECT_THAT(wires_.closed, IsEmpty());
    pass(kPatience - kBindTime);
    EXPECT_THAT(wires_.take(last_), HasSubstr(" 481 "));
    pass(kUnboundTime - kPatience);
    EXPECT_THAT(wires_.closed, SizeIs(1));
}

}  // namespace
}  // namespace earshot::chat
