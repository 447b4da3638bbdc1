// What is kept of a call, and who gets it: through real sockets, by each engine.
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "relay/relay_test_rig.h"

namespace earshot::relay::test {
namespace {

using io::SocketKind;
using Numbers = std::multiset<int>;

constexpr std::chrono::milliseconds kKeep{60'000};  // a busy machine is the usual case

Numbers numbers(int from, int to) {
    Numbers all;
    for (int i = from; i <= to; ++i) all.insert(i);
    return all;
}

class Replay : public testing::TestWithParam<Engine> {
protected:
    void SetUp() override {
        if (!rig_.is_open()) GTEST_SKIP() << "io_uring is not permitted here";
        const auto to_b = rig_.offer(Leg::A, a_.sdp());
        ASSERT_TRUE(to_b) << to_b.error().text;
        const auto to_a = rig_.answer(Leg::B, b_.sdp());
        ASSERT_TRUE(to_a) << to_a.error().text;
        faces_a_ = *to_a;
        faces_b_ = *to_b;
    }
    std::string subscribe(std::chrono::milliseconds keep = kKeep, bool is_paused = false) {
        const auto made = rig_.subscribe(
            1, {.is_paused = is_paused, .only = Leg::A, .media = {}, .address = {}, .keep = keep});
        EXPECT_TRUE(made) << made.error().text;
        return made ? made->offer : "";
    }
    void answer(const std::string& offer, const Peer& server,
                std::string_view direction = "recvonly") {
        const auto done = rig_.answer_subscription(1, server_answer(offer, {&server}, direction));
        ASSERT_TRUE(done) << done.error().text;
    }
    void stop(Stop why) { rig_.relay().stop_subscription(kCall, 1, why); }
    // A says these; each has passed the relay before the next is said.
    void speak(int from, int to) {
        for (int i = from; i <= to; ++i) {
            a_.send(SocketKind::Rtp, rtp_packet(static_cast<std::uint16_t>(i)), rtp_of(faces_a_));
            ASSERT_TRUE(b_.receive(SocketKind::Rtp)) << i;
        }
    }
    // The sequence numbers of `count` packets.
    static Numbers heard(Peer& server, std::size_t count) {
        Numbers heard;
        while (heard.size() < count) {
            const auto got = server.receive(SocketKind::Rtp);
            if (!got) break;
            heard.insert(base::load_u16(got->bytes, 2));
        }
        return heard;
    }
    ForkMedia fork() {
        const auto media = rig_.relay().query(kCall);
        return media && !media->forks.empty() ? media->forks[0] : ForkMedia{};
    }

    RelayRig rig_{GetParam()};
    Peer a_{"127.0.0.2"};
    Peer b_{"127.0.0.3"};
    Peer first_{"127.0.0.4"};
    Peer second_{"127.0.0.5"};
    std::string faces_a_;
    std::string faces_b_;
};

TEST_P(Replay, GivesTheFirstServerWhatCameBeforeItsAnswer) {
    speak(1, 3);  // before anyone wanted it
    const std::string offer = subscribe();
    speak(4, 8);
    answer(offer, first_);
    speak(9, 10);
    EXPECT_EQ(heard(first_, 7), numbers(4, 10));
    EXPECT_EQ(fork().replayed.packets, 5U);
    EXPECT_EQ(fork().rtp.packets, 7U);
}

TEST_P(Replay, GivesNobodyAnythingWhereNothingIsKept) {
    const std::string offer = subscribe(std::chrono::milliseconds{0});
    speak(1, 5);
    answer(offer, first_);
    speak(6, 6);
    stop(Stop::ServerLost);
    speak(7, 7);
    answer(offer, second_);
    speak(8, 8);
    EXPECT_EQ(heard(first_, 1), numbers(6, 6));
    EXPECT_EQ(heard(second_, 1), numbers(8, 8));
    EXPECT_TRUE(second_.has_nothing(SocketKind::Rtp));
}

TEST_P(Replay, ClosesTheGapWhenAServerIsLost) {
    const std::string offer = subscribe();
    answer(offer, first_);
    speak(1, 20);
    stop(Stop::ServerLost);
    speak(21, 30);
    answer(offer, second_);
    speak(31, 40);
    // All of it: what the first one got as it died is not known.
    EXPECT_EQ(heard(second_, 40), numbers(1, 40));
    EXPECT_TRUE(second_.has_nothing(SocketKind::Rtp));
    EXPECT_EQ(heard(first_, 20), numbers(1, 20));
}

TEST_P(Replay, LivePacketsOvertakeTheOld) {
    const std::string offer = subscribe();
    speak(1, 200);
    answer(offer, first_);
    speak(201, 201);
    // 200 old ones take 800 ms; the live one came before all of them had left.
    std::vector<int> order;
    while (order.size() < 201) {
        const auto got = first_.receive(SocketKind::Rtp);
        ASSERT_TRUE(got);
        order.push_back(base::load_u16(got->bytes, 2));
    }
    EXPECT_NE(order.back(), 201);
}

TEST_P(Replay, TheSameServerGetsOnlyWhatItLacks) {
    const std::string offer = subscribe();
    answer(offer, first_);
    speak(1, 5);
    stop(Stop::ServerLost);
    speak(6, 10);
    answer(offer, first_);
    speak(11, 11);
    EXPECT_EQ(heard(first_, 11), numbers(1, 11));
    EXPECT_TRUE(first_.has_nothing(SocketKind::Rtp));
}

TEST_P(Replay, WhatCameInAPauseNeverLeaves) {
    const std::string offer = subscribe();
    answer(offer, first_);
    speak(1, 5);
    stop(Stop::Wanted);
    speak(6, 10);
    answer(offer, first_);  // resumed
    speak(11, 15);
    EXPECT_EQ(heard(first_, 10).count(7), 0U);
    stop(Stop::ServerLost);
    answer(offer, second_);
    speak(16, 16);
    EXPECT_EQ(heard(second_, 6), numbers(11, 16));
    EXPECT_TRUE(second_.has_nothing(SocketKind::Rtp));
}

TEST_P(Replay, APauseThatASecondServerIsToldOfHoldsForWhatIsKept) {
    const std::string offer = subscribe();
    answer(offer, first_);
    speak(1, 5);
    stop(Stop::Wanted);
    speak(6, 8);
    stop(Stop::ServerLost);
    answer(offer, second_, "inactive");
    speak(9, 10);
    answer(offer, second_);
    speak(11, 11);
    EXPECT_EQ(heard(second_, 1), numbers(11, 11));
    EXPECT_TRUE(second_.has_nothing(SocketKind::Rtp));
}

TEST_P(Replay, ASubscriptionThatBeginsPausedOwesNothing) {
    subscribe(kKeep, true);
    speak(1, 5);
    answer(subscribe(), first_);
    speak(6, 6);
    EXPECT_EQ(heard(first_, 1), numbers(6, 6));
    EXPECT_TRUE(first_.has_nothing(SocketKind::Rtp));
}

TEST_P(Replay, APauseEndsIt) {
    const std::string offer = subscribe();
    speak(1, 250);  // 1 s
    answer(offer, first_);
    stop(Stop::Wanted);
    speak(251, 251);  // the pause has been obeyed
    std::size_t came = 0;
    while (first_.receive(SocketKind::Rtp, 0)) ++came;
    speak(252, 260);
    EXPECT_LT(came, 250U);
    EXPECT_TRUE(first_.has_nothing(SocketKind::Rtp));
}

TEST_P(Replay, TheEndOfTheCallWaitsForNothingThatIsOwed) {
    const std::string offer = subscribe();
    speak(1, 100);
    answer(offer, first_);
    rig_.relay().remove(kCall);
    EXPECT_EQ(heard(first_, 100), numbers(1, 100));
}

TEST_P(Replay, WhatIsOwedAtTheEndLeavesNoFasterThanASocketTakesIt) {
    const std::string offer = subscribe();
    speak(1, 200);
    answer(offer, first_);
    speak(201, 201);
    const auto began = std::chrono::steady_clock::now();
    rig_.relay().remove(kCall);
    EXPECT_EQ(heard(first_, 201), numbers(1, 201));
    // A burst would have taken no time at all.
    EXPECT_GT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds{10});
}

TEST_P(Replay, TellsThatNothingIsOwedAnyMore) {
    const std::string offer = subscribe();
    speak(1, 100);
    answer(offer, first_);
    EXPECT_EQ(heard(first_, 100).size(), 100U);
    for (int i = 0; fork().is_replaying && i < 500; ++i) speak(101, 101);
    EXPECT_FALSE(fork().is_replaying);
}

TEST_P(Replay, EachSubscriberGetsWhatItLacks) {
    const std::string one = subscribe();
    answer(one, first_);
    speak(1, 5);
    const auto two = rig_.subscribe(
        2, {.is_paused = false, .only = Leg::A, .media = {}, .address = {}, .keep = kKeep});
    ASSERT_TRUE(two);
    speak(6, 7);
    ASSERT_TRUE(rig_.answer_subscription(2, server_answer(two->offer, {&second_})));
    speak(8, 8);
    EXPECT_EQ(heard(second_, 3), numbers(6, 8));
    EXPECT_EQ(heard(first_, 8), numbers(1, 8));
    EXPECT_TRUE(second_.has_nothing(SocketKind::Rtp));
}

// ---- a server that dies -------------------------------------------------------------------------

class DeadServer : public Replay {
protected:
    void SetUp() override {
        Replay::SetUp();
        if (!rig_.is_open()) return;
        rig_.relay().on_server_silent(
            [this](CallKey, std::uint32_t subscription, const base::Reason& why) {
                // A single refusal is for who can compare it with others.
                if (why.code == "media_refusal") {
                    ++refusals_;
                    return;
                }
                ++told_;
                subscription_ = subscription;
                why_ = why.code;
            });
    }
    // Until it is told, or all of these have been said; returns the last one.
    int speak_until_told(int from, int to) {
        for (int i = from; i <= to; ++i) {
            speak(i, i);
            rig_.run_posted();
            if (told_ > 0) return i;
        }
        return to;
    }
    int told_ = 0;
    int refusals_ = 0;
    std::uint32_t subscription_ = 0;
    std::string why_;
};

TEST_P(DeadServer, IsToldOnceForEachAnswer) {
    std::optional<Peer> dying("127.0.0.6");
    const std::string offer = subscribe();
    answer(offer, *dying);
    speak(1, 5);
    dying.reset();
    speak_until_told(6, 200);
    EXPECT_EQ(told_, 1);
    EXPECT_EQ(refusals_, 1);
    EXPECT_EQ(subscription_, 1U);
    EXPECT_EQ(why_, "media_refused");
    speak(201, 220);
    rig_.run_posted();
    EXPECT_EQ(told_, 1);
    stop(Stop::ServerLost);
    answer(offer, second_);
    speak(221, 221);
    EXPECT_EQ(heard(second_, 20).size(), 20U);
    rig_.run_posted();
    EXPECT_EQ(told_, 1);
}

TEST_P(DeadServer, LosesNoPacketOfTheNext) {
    std::optional<Peer> dying("127.0.0.6");
    const std::string offer = subscribe();
    answer(offer, *dying);
    dying.reset();
    const int last = speak_until_told(1, 200);
    ASSERT_EQ(told_, 1);
    stop(Stop::ServerLost);
    answer(offer, second_);
    speak(last + 1, last + 5);
    EXPECT_EQ(heard(second_, static_cast<std::size_t>(last) + 5), numbers(1, last + 5));
}

TEST_P(DeadServer, IsNotOneOfWhichAnotherStreamIsTaken) {
    const auto made = rig_.subscribe(2);
    ASSERT_TRUE(made);
    std::optional<Peer> closed("127.0.0.4");
    ASSERT_TRUE(rig_.answer_subscription(2, server_answer(made->offer, {&*closed, &first_})));
    closed.reset();
    for (int i = 1; i <= 50; ++i) {
        b_.send(SocketKind::Rtp, rtp_packet(static_cast<std::uint16_t>(i)), rtp_of(faces_b_));
        ASSERT_TRUE(a_.receive(SocketKind::Rtp));
        speak(i, i);
        rig_.run_posted();
    }
    EXPECT_EQ(told_, 0) << why_;
    EXPECT_EQ(refusals_, 1);
}

TEST_P(DeadServer, IsNotOneThatIsThere) {
    answer(subscribe(), first_);
    speak(1, 100);
    rig_.run_posted();
    EXPECT_EQ(told_, 0);
}

INSTANTIATE_TEST_SUITE_P(Engines, Replay, testing::Values(Engine::Sockets, Engine::IoUring),
                         [](const auto& of) {
                             return of.param == Engine::Sockets ? "Sockets" : "IoUring";
                         });
INSTANTIATE_TEST_SUITE_P(Engines, DeadServer, testing::Values(Engine::Sockets, Engine::IoUring),
                         [](const auto& of) {
                             return of.param == Engine::Sockets ? "Sockets" : "IoUring";
                         });

}  // namespace
}  // namespace earshot::relay::test
