#include "relay/ng_client.h"

#include <gtest/gtest.h>

#include "relay/limits.h"
#include "relay/ng_test_link.h"

namespace earshot::relay {
namespace {

using std::chrono::milliseconds;

class NgClientTest : public testing::Test {
protected:
    // Sends a command and remembers what became of it.
    void send(std::size_t instance = 0) {
        client_.send(now_, instance, {{"command", "query"}, {"call-id", "x"}},
                     [this](base::TimePoint, const NgClient::Answer& answer) {
                         results_.push_back(answer ? std::string(answer->text("result"))
                                                   : answer.error().code);
                     });
    }
    void answer(const SentCommand& to, const NgDictionary& with) {
        client_.on_datagram(now_, to.instance, write_ng(to.cookie, with));
    }
    void answer(const SentCommand& to, std::string_view text) {
        client_.on_datagram(now_, to.instance, base::as_bytes(text));
    }
    void wait(milliseconds time) {
        now_ += time;
        client_.on_time(now_);
    }
    std::vector<SentCommand> take() { return link_.take(); }

    NgTestLink link_;
    base::SeededRandom random_{1};
    base::TimePoint now_{std::chrono::hours{1}};
    NgClient client_{{"192.0.2.1:2223", "192.0.2.2:2223"}, link_, random_};
    std::vector<std::string> results_;
};

TEST_F(NgClientTest, GivesTheAnswerToWhoAsked) {
    send();
    const auto sent = take();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].command.text("call-id"), "x");
    now_ += milliseconds{3};
    answer(sent[0], {{"result", "ok"}});
    EXPECT_EQ(results_, std::vector<std::string>{"ok"});
    EXPECT_EQ(client_.instance(0).round_trip, milliseconds{3});
    EXPECT_EQ(client_.pending(0), 0U);
}

TEST_F(NgClientTest, SendsTheSameDatagramAgainUntilItGivesUp) {
    send();
    const auto first = take();
    std::vector<int> at;
    for (int ms = 10; ms <= 2'000; ms += 10) {
        wait(milliseconds{10});
        for (const SentCommand& again : take()) {
            EXPECT_EQ(again.cookie, first[0].cookie);
            at.push_back(ms);
        }
    }
    EXPECT_EQ(at, (std::vector<int>{150, 450, 1'050}));
    EXPECT_EQ(results_, std::vector<std::string>{"media_server_silent"});
    EXPECT_FALSE(client_.instance(0).is_usable);
    EXPECT_TRUE(client_.instance(1).is_usable);
    EXPECT_EQ(client_.instance(0).fault, "RTPEngine at 192.0.2.1:2223 does not answer (query).");
}

TEST_F(NgClientTest, TakesTheFirstAnswerAndCountsTheOthers) {
    send();
    wait(milliseconds{150});
    const auto sent = take();
    ASSERT_EQ(sent.size(), 2U);
    answer(sent[0], {{"result", "ok"}});
    answer(sent[1], {{"result", "error"}});
    EXPECT_EQ(results_, std::vector<std::string>{"ok"});
    EXPECT_EQ(client_.instance(0).late, 1U);
    EXPECT_EQ(client_.instance(0).resent, 1U);
}

TEST_F(NgClientTest, PassesOverAnAnswerThatComesAfterItGaveUp) {
    send();
    const auto sent = take();
    for (int i = 0; i < 4; ++i) wait(milliseconds{600});
    ASSERT_EQ(results_, std::vector<std::string>{"media_server_silent"});
    answer(sent[0], {{"result", "ok"}});
    EXPECT_EQ(results_.size(), 1U);
    EXPECT_EQ(client_.instance(0).late, 1U);
}

TEST_F(NgClientTest, PassesOverTheAnswerOfAnotherInstance) {
    send(0);
    SentCommand forged = take().at(0);
    forged.instance = 1;
    answer(forged, {{"result", "ok"}});
    EXPECT_TRUE(results_.empty());
    EXPECT_TRUE(client_.instance(1).is_usable);
}

TEST_F(NgClientTest, TellsWhatAnInstanceRefuses) {
    const auto refused = [&](const NgDictionary& with) {
        send();
        answer(take().at(0), with);
        return results_.back();
    };
    EXPECT_EQ(refused({{"result", "error"}, {"error-reason", "Unknown call-id"}}),
              "media_server_unknown_call");
    EXPECT_EQ(refused({{"result", "error"}, {"error-reason", "No SDP"}}), "media_server_refused");
    EXPECT_EQ(refused({{"result", "load limit"}}), "media_server_overloaded");
    EXPECT_EQ(refused({{"result", "perhaps"}}), "media_server_refused");
    EXPECT_TRUE(client_.instance(0).is_usable);
    EXPECT_EQ(client_.instance(0).refused, 4U);
}

TEST_F(NgClientTest, UsesNoInstanceThatAnswersNonsenseUntilItAnswersWell) {
    send();
    answer(take().at(0), "no cookie of ours");
    EXPECT_TRUE(results_.empty());
    EXPECT_EQ(client_.instance(0).nonsense, 1U);

    send();
    const auto sent = take();
    answer(sent.at(0), sent[0].cookie + " d6:result2:ok");
    EXPECT_EQ(results_, std::vector<std::string>{"media_server_nonsense"});
    EXPECT_FALSE(client_.instance(0).is_usable);

    send();
    answer(take().at(0), {{"sdp", "v=0"}});
    EXPECT_EQ(results_.back(), "media_server_nonsense");
    send();
    answer(take().at(0), {{"result", "ok"}});
    EXPECT_EQ(results_.back(), "ok");
    EXPECT_TRUE(client_.instance(0).is_usable);
}

TEST_F(NgClientTest, FailsAllThatIsUnderWayWhenNobodyListens) {
    std::vector<std::size_t> changed;
    client_.when_changed(
        [&](base::TimePoint, std::size_t instance) { changed.push_back(instance); });
    send(0);
    send(0);
    send(1);
    client_.on_refused(now_, 0);
    EXPECT_EQ(results_,
              (std::vector<std::string>{"media_server_unreachable", "media_server_unreachable"}));
    EXPECT_EQ(client_.pending(1), 1U);
    client_.on_refused(now_, 0);
    EXPECT_EQ(changed, std::vector<std::size_t>{0});
}

TEST_F(NgClientTest, PingsAtOnceAndThenWhoHasBeenSilent) {
    client_.on_time(now_);
    auto pings = link_.take(true);
    ASSERT_EQ(pings.size(), 2U);
    for (const SentCommand& ping : pings) {
        EXPECT_EQ(ping.command.text("command"), "ping");
        answer(ping, {{"result", "pong"}});
    }
    wait(kNgPingEvery / 2);
    send(0);
    answer(take().at(0), {{"result", "ok"}});
    wait(kNgPingEvery / 2);
    pings = link_.take(true);
    ASSERT_EQ(pings.size(), 1U);
    EXPECT_EQ(pings[0].instance, 1U);
}

TEST_F(NgClientTest, FindsAnInstanceAgainByItsPong) {
    client_.on_refused(now_, 0);
    EXPECT_FALSE(client_.instance(0).is_usable);
    for (int i = 0; i < 100 && !client_.instance(0).is_usable; ++i) {
        wait(milliseconds{100});
        for (const SentCommand& ping : link_.take(true)) answer(ping, {{"result", "pong"}});
    }
    EXPECT_TRUE(client_.instance(0).is_usable);
    EXPECT_EQ(client_.instance(0).fault, "");
}

TEST_F(NgClientTest, LetsAResultSendTheNextCommand) {
    client_.send(now_, 0, {{"command", "offer"}},
                 [this](base::TimePoint, const NgClient::Answer&) { send(1); });
    client_.on_refused(now_, 0);
    const auto sent = take();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[1].instance, 1U);
    EXPECT_NE(sent[0].cookie, sent[1].cookie);
}

TEST_F(NgClientTest, TakesNoMoreCommandsThanItMayKeep) {
    for (std::size_t i = 0; i < kMaxNgPending; ++i) send();
    EXPECT_TRUE(results_.empty());
    send();
    EXPECT_EQ(results_, std::vector<std::string>{"media_server_overloaded"});
}

TEST_F(NgClientTest, SaysWhenItIsNextDue) {
    client_.on_time(now_);
    for (const SentCommand& ping : link_.take(true)) answer(ping, {{"result", "pong"}});
    EXPECT_EQ(client_.deadline(), now_ + kNgPingEvery);
    send();
    EXPECT_EQ(client_.deadline(), now_ + kNgFirstWait);
}

}  // namespace
}  // namespace earshot::relay
