#include "client/server_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "client/limits.h"
#include "sip/builder.h"
#include "sip/parser.h"
#include "siprec/limits.h"

namespace earshot::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

const std::string kA = "sip:a@192.0.2.30";
const std::string kB = "sip:b@192.0.2.31";

ServerEntry entry(std::string_view text) { return *parse_server(text); }

TEST(ServerEntry, HasItsUriWithoutTheWeight) {
    EXPECT_EQ(entry("sip:a@h").uri, "sip:a@h");
    EXPECT_FALSE(entry("sip:a@h").weight);
    EXPECT_EQ(entry("sip:a@h;weight=3").uri, "sip:a@h");
    EXPECT_EQ(entry("sip:a@h;weight=3").weight, 3);
    EXPECT_EQ(entry("sip:a@h:5070;transport=tcp;Weight=0;lr").uri, "sip:a@h:5070;transport=tcp;lr");
    EXPECT_EQ(entry("sip:a@h:5070;transport=tcp;Weight=0;lr").weight, 0);
    EXPECT_EQ(entry("sip:a@h;weight=65535?x=y").uri, "sip:a@h?x=y");
}

TEST(ServerEntry, RefusesWhatIsNone) {
    EXPECT_EQ(parse_server("").error().code, "bad_uri");
    EXPECT_EQ(parse_server("tel:+1").error().code, "bad_uri");
    for (const char* weight : {"", "=", "=x", "=-1", "=65536", "=1.5"})
        EXPECT_EQ(parse_server("sip:a@h;weight" + std::string(weight)).error().code, "bad_weight")
            << weight;
}

class Pool : public testing::Test {
protected:
    Pool()
        : pool_(random_, {.ask =
                              [this](const std::string& uri) {
                                  if (cannot_send_) return sip::TransactionId{};
                                  asked_.push_back(uri);
                                  return sip::TransactionId{++last_};
                              },
                          .on_silent =
                              [this](base::Now, const std::string& server) {
                                  silent_.push_back(server);
                                  if (when_silent_) when_silent_(server);
                              },
                          .tell =
                              [this](RecordingEvent event) {
                                  events_.push_back(event.kind + " " + event.server);
                              }}) {
        configure(milliseconds{0});
    }
    void configure(milliseconds interval) {
        pool_.configure(now_, {.servers = {kA, kB}, .interval = interval});
    }
    std::string choose(const std::vector<std::string>& texts) {
        std::vector<ServerEntry> entries;
        for (const std::string& text : texts) entries.push_back(entry(text));
        return pool_.choose(now_, entries);
    }
    void refuse(const std::string& server, int status,
                std::optional<seconds> retry_after = std::nullopt) {
        pool_.on_refused(now_, server, status, {"refused", "It said no."}, retry_after);
    }
    void wait(milliseconds time) {
        now_.steady += time;
        now_.wall += time;
        for (int rounds = 0; pool_.deadline() && *pool_.deadline() <= now_.steady; ++rounds) {
            ASSERT_LT(rounds, 100);
            pool_.on_time(now_);
        }
    }
    void answer(int status, const std::string& more = {}) {
        const std::string text = "SIP/2.0 " + std::to_string(status) +
                                 " X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1"
                                 "\r\nTo: <sip:a@h>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n" +
                                 more + "Content-Length: 0\r\n\r\n";
        sip::ParsedMessage parsed = sip::parse_message(std::string_view{text});
        ASSERT_EQ(parsed.verdict, sip::Verdict::Good);
        EXPECT_TRUE(pool_.take(now_, sip::ResponseArrived{.transaction = {last_},
                                                          .message = std::move(parsed.message),
                                                          .is_final = status >= 200}));
    }
    ServerView view(const std::string& server) const {
        for (const ServerView& view : pool_.views(now_))
            if (view.server == server) return view;
        return {};
    }

    base::SeededRandom random_{7};
    base::Now now_{base::TimePoint{} + std::chrono::hours{1}, base::WallTime{}};
    std::vector<std::string> asked_;
    std::vector<std::string> silent_;
    std::function<void(const std::string&)> when_silent_;
    std::vector<std::string> events_;
    std::uint64_t last_ = 0;
    bool cannot_send_ = false;
    ServerPool pool_;
};

TEST_F(Pool, InOrderIsTheDefault) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(choose({kA, kB}), kA);
    EXPECT_EQ(choose({kB, kA}), kB);
}

TEST_F(Pool, SharesByWeight) {
    std::map<std::string, int> counts;
    for (int i = 0; i < 4000; ++i) ++counts[choose({kA + ";weight=3", kB + ";weight=1"})];
    EXPECT_NEAR(counts[kA], 3000, 150);
    EXPECT_NEAR(counts[kB], 1000, 150);
}

TEST_F(Pool, AServerWithoutAWeightAmongOthersHasOne) {
    std::map<std::string, int> counts;
    for (int i = 0; i < 2000; ++i) ++counts[choose({kA + ";weight=1", kB})];
    EXPECT_NEAR(counts[kA], 1000, 150);
}

TEST_F(Pool, WeightZeroIsForWhenNoOtherIsLeft) {
    for (int i = 0; i < 100; ++i) EXPECT_EQ(choose({kA + ";weight=0", kB + ";weight=1"}), kB);
    EXPECT_EQ(choose({kA + ";weight=0"}), kA);
    refuse(kB, 503);
    EXPECT_EQ(choose({kA + ";weight=0", kB + ";weight=1"}), kA);
}

TEST_F(Pool, AServerInQuarantineIsTheLastAndNotNever) {
    refuse(kA, 408);
    EXPECT_EQ(choose({kA, kB}), kB);
    EXPECT_EQ(choose({kA}), kA);
    EXPECT_EQ(view(kA).state, "down");
    EXPECT_EQ(view(kA).reason.code, "refused");
    EXPECT_THAT(events_, ElementsAre("server_down " + kA));
    now_.steady += milliseconds{1};
    refuse(kB, 500);
    EXPECT_EQ(choose({kB, kA}), kB);  // A was tried just now, and is waited for
}

TEST_F(Pool, OneCallTriesWhetherItLivesAgain) {
    refuse(kA, 503);
    wait(kFirstQuarantine - milliseconds{1});
    EXPECT_EQ(choose({kA, kB}), kB);
    wait(milliseconds{1});
    EXPECT_EQ(choose({kA, kB}), kA);
    EXPECT_EQ(choose({kA, kB}), kB);
    pool_.on_accepted(now_, kA);
    EXPECT_EQ(choose({kA, kB}), kA);
    EXPECT_THAT(events_, ElementsAre("server_down " + kA, "server_up " + kA));
}

TEST_F(Pool, EachFailureDoublesTheQuarantineUpToItsLimit) {
    seconds expected = kFirstQuarantine;
    for (int i = 0; i < 10; ++i) {
        refuse(kA, 503);
        refuse(kA, 503);  // twenty calls at once are one failure
        EXPECT_EQ(view(kA).quarantine, expected);
        wait(view(kA).quarantine);
        expected = std::min(2 * expected, kMaxQuarantine);
    }
    EXPECT_EQ(events_.size(), 1U);
}

TEST_F(Pool, ACallThatTriesInVainIsAFailureOfItsOwn) {
    refuse(kA, 503);
    wait(kFirstQuarantine);
    EXPECT_EQ(choose({kA, kB}), kA);
    refuse(kA, 503);
    EXPECT_EQ(view(kA).quarantine, 2 * kFirstQuarantine);
}

TEST_F(Pool, ARetryAfterIsObeyedUpToAnHour) {
    refuse(kA, 503, seconds{100});
    EXPECT_EQ(view(kA).quarantine, seconds{100});
    refuse(kB, 503, seconds{1'000'000});
    EXPECT_EQ(view(kB).quarantine, siprec::kMaxRetryAfter);
}

TEST_F(Pool, AnAnswerAboutTheCallTellsNothingOfTheServer) {
    for (const int status : {302, 401, 403, 404, 486, 488, 501, 505, 603}) {
        refuse(kA, status);
        EXPECT_EQ(choose({kA, kB}), kA) << status;
    }
    EXPECT_EQ(view(kA).state, "up");
    EXPECT_THAT(events_, IsEmpty());
}

TEST_F(Pool, ALostServerIsInQuarantine) {
    pool_.on_accepted(now_, kA);
    pool_.on_accepted(now_, kA);
    EXPECT_EQ(view(kA).recordings, 2U);
    pool_.on_ended(now_, kA, false, true, {"ended_by_server", ""});
    EXPECT_EQ(choose({kA, kB}), kA);
    pool_.on_ended(now_, kA, true, true, {"media_refused", ""});
    EXPECT_EQ(choose({kA, kB}), kB);
    EXPECT_EQ(view(kA).recordings, 0U);
    EXPECT_EQ(view(kA).lost, 2U);
}

TEST_F(Pool, WhatOneRecordingFoundOutTheOthersAreToldALittleLater) {
    pool_.on_accepted(now_, kA);
    for (int i = 0; i < 3; ++i) pool_.on_ended(now_, kA, true, true, {"media_refused", ""});
    EXPECT_THAT(silent_, IsEmpty());
    wait(kSuspicionDelay);
    EXPECT_THAT(silent_, ElementsAre(kA));
    EXPECT_FALSE(pool_.deadline());
}

TEST_F(Pool, WithoutAnIntervalNobodyIsAsked) {
    EXPECT_FALSE(pool_.deadline());
    wait(std::chrono::hours{1});
    EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(Pool, EachServerIsAskedOnceInTheInterval) {
    configure(seconds{10});
    wait(seconds{4});
    EXPECT_THAT(asked_, IsEmpty());
    wait(seconds{1});
    EXPECT_THAT(asked_, ElementsAre(kA));
    answer(100);
    answer(404);
    EXPECT_EQ(view(kA).state, "up");
    wait(seconds{5});
    EXPECT_THAT(asked_, ElementsAre(kA, kB));
    answer(200);
    wait(seconds{5});
    EXPECT_THAT(asked_, ElementsAre(kA, kB, kA));
    EXPECT_THAT(events_, IsEmpty());
}

TEST_F(Pool, SilenceIsADeathAndAnAnswerALife) {
    configure(seconds{10});
    wait(seconds{5});
    wait(seconds{5});
    EXPECT_THAT(silent_, ElementsAre(kA));
    EXPECT_EQ(view(kA).state, "down");
    EXPECT_EQ(choose({kA, kB}), kB);
    asked_.clear();
    answer(200);  // of B
    wait(kFirstQuarantine);
    ASSERT_THAT(asked_, ElementsAre(kA));  // sooner than the interval
    EXPECT_EQ(choose({kA, kB}), kB);       // no call has to try it
    answer(200);
    EXPECT_EQ(choose({kA, kB}), kA);
    EXPECT_THAT(events_, ElementsAre("server_down " + kA, "server_up " + kA));
}

TEST_F(Pool, AnAnswerThatComesLateCountsAllTheSame) {
    configure(seconds{10});
    wait(seconds{5});
    const std::uint64_t first = last_;
    wait(seconds{5});
    EXPECT_EQ(view(kA).state, "down");
    last_ = first;
    answer(200);
    EXPECT_EQ(view(kA).state, "up");
}

TEST_F(Pool, TheEndOfASilentTransactionIsNoSecondDeath) {
    configure(seconds{10});
    wait(seconds{5});
    const sip::TransactionId probe{last_};
    wait(seconds{5});
    EXPECT_TRUE(pool_.take(now_, sip::TransactionTimedOut{.transaction = probe}));
    EXPECT_FALSE(pool_.take(now_, sip::TransactionTimedOut{.transaction = probe}));
    EXPECT_EQ(silent_.size(), 1U);
}

TEST_F(Pool, WhoTakesCallsAndAnswersNoOptionsMayBeAlive) {
    configure(seconds{10});
    pool_.on_accepted(now_, kA);
    wait(seconds{5});
    wait(seconds{5});
    EXPECT_EQ(view(kA).state, "up");
    EXPECT_THAT(silent_, ElementsAre(kA));  // its sessions look, once
    wait(seconds{20});
    wait(seconds{20});
    EXPECT_EQ(view(kA).state, "up");
    EXPECT_EQ(std::count(silent_.begin(), silent_.end(), kA), 1);
}

TEST_F(Pool, A503ToOptionsIsAQuarantineAsLongAsItSays) {
    configure(seconds{10});
    wait(seconds{5});
    answer(503, "Retry-After: 40\r\n");
    EXPECT_EQ(view(kA).quarantine, seconds{40});
    EXPECT_THAT(silent_, IsEmpty());  // what runs there goes on
}

TEST_F(Pool, AProbeThatCannotBeSentIsTriedAgain) {
    configure(seconds{10});
    cannot_send_ = true;
    wait(seconds{10});
    cannot_send_ = false;
    EXPECT_EQ(view(kA).state, "unknown");
    wait(seconds{10});
    EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(Pool, KnowsTheHostsOfServersAndThoseThatAnswered) {
    const auto host = [](const char* text) { return *base::parse_net_address(text); };
    EXPECT_TRUE(pool_.knows_host(host("192.0.2.30:40000")));
    EXPECT_FALSE(pool_.knows_host(host("192.0.2.77:5060")));
    pool_.learn(host("192.0.2.77:5060"));
    EXPECT_TRUE(pool_.knows_host(host("192.0.2.77:1")));
    pool_.on_refused(now_, "sip:x@192.0.2.99", 486, {}, {});  // of the hook, not configured
    EXPECT_FALSE(pool_.knows_host(host("192.0.2.99:5060")));
}

TEST_F(Pool, RemembersOnlySoManyServers) {
    for (std::size_t i = 0; i < kMaxPoolServers + 10; ++i)
        refuse("sip:x@h" + std::to_string(i), 503);
    EXPECT_EQ(pool_.views(now_).size(), kMaxPoolServers);
    EXPECT_TRUE(view(kA).is_configured);
}

// The one that falls silent is configured no more, and the first to give way to a new one.
TEST_F(Pool, AServerMayGiveWayToOthersWhileItsSilenceIsTold) {
    configure(seconds{30});
    wait(seconds{30});
    EXPECT_THAT(asked_, ElementsAre(kA, kB));
    pool_.configure(now_, {.servers = {}, .interval = seconds{30}});
    for (std::size_t i = 2; i < kMaxPoolServers; ++i)
        refuse("sip:z@" + std::to_string(i) + ".example", 486);
    std::size_t more = 0;
    when_silent_ = [&](const std::string&) {
        refuse("sip:y@" + std::to_string(++more) + ".example", 486);
    };
    wait(seconds{6});
    EXPECT_EQ(silent_.front(), kA);
    EXPECT_EQ(pool_.views(now_).size(), kMaxPoolServers);
}

}  // namespace
}  // namespace earshot::client
