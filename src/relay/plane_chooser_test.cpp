#include "relay/plane_chooser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace earshot::relay {
namespace {

constexpr CallKey kCall{7};

// Notes the verbs, and answers offers when it is told to.
class NotingPlane : public MediaPlane {
public:
    NotingPlane(std::string name, std::vector<std::string>& log)
        : name_(std::move(name)), log_(log) {}

    void offer(CallKey, const LegSdp& sdp, SdpDone done) override {
        note("offer " + std::string(sdp.text));
        if (waits)
            waiting = std::move(done);
        else
            done(std::string("mapped by " + name_));
    }
    void answer(CallKey, const LegSdp&, SdpDone done) override {
        note("answer");
        done(std::string("mapped"));
    }
    void rollback(CallKey, Leg) override { note("rollback"); }
    void remove(CallKey) override { note("remove"); }
    void subscribe(CallKey, std::uint32_t, const SubscribeOptions&,
                   SubscriptionDone done) override {
        note("subscribe");
        done(Subscription{});
    }
    void answer_subscription(CallKey, std::uint32_t, std::string_view, PlaneDone done) override {
        note("answer_subscription");
        done(base::Done{});
    }
    void stop_subscription(CallKey, std::uint32_t, Stop) override { note("stop_subscription"); }
    void unsubscribe(CallKey, std::uint32_t) override { note("unsubscribe"); }
    base::Result<CallMedia, base::Reason> query(CallKey) const override { return CallMedia{}; }

    bool waits = false;
    SdpDone waiting;

private:
    void note(const std::string& verb) { log_.push_back(name_ + ": " + verb); }
    std::string name_;
    std::vector<std::string>& log_;
};

class PlaneChooserTest : public testing::Test {
protected:
    void offer(PlaneChooser& chooser, std::string_view text = "sdp") {
        chooser.offer(kCall, {Leg::A, text, {}},
                      [this](const base::Result<std::string, base::Reason>& mapped) {
                          told_.push_back(mapped ? *mapped : mapped.error().code);
                      });
    }
    void subscribe(PlaneChooser& chooser) {
        chooser.subscribe(kCall, 1, {},
                          [this](const base::Result<Subscription, base::Reason>& made) {
                              told_.push_back(made ? "subscribed" : made.error().code);
                          });
    }
    void fail_foreign() {
        foreign_.waiting(base::Reason{"media_server_silent", "It does not answer."});
    }

    std::vector<std::string> log_;
    std::vector<std::string> told_;
    NotingPlane foreign_{"foreign", log_};
    NotingPlane built_in_{"built-in", log_};
    PlaneChooser chooser_{foreign_, &built_in_};
    PlaneChooser strict_{foreign_, nullptr};
};

TEST_F(PlaneChooserTest, LeavesACallWhereItsFirstOfferWasTaken) {
    offer(chooser_);
    EXPECT_EQ(told_, std::vector<std::string>{"mapped by foreign"});
    foreign_.waits = true;
    offer(chooser_, "again");
    fail_foreign();
    EXPECT_EQ(told_.back(), "media_server_silent");
    subscribe(chooser_);
    chooser_.remove(kCall);
    EXPECT_EQ(log_, (std::vector<std::string>{"foreign: offer sdp", "foreign: offer again",
                                              "foreign: subscribe", "foreign: remove"}));
    EXPECT_EQ(chooser_.choices().foreign, 1U);
}

TEST_F(PlaneChooserTest, GivesTheSameOfferToOurOwnRelayWhereTheOtherDoesNotTakeIt) {
    std::string passed_over;
    chooser_.when_passed_over([&](CallKey, const base::Reason& why) { passed_over = why.code; });
    foreign_.waits = true;
    offer(chooser_, "first");
    EXPECT_TRUE(told_.empty());
    fail_foreign();
    EXPECT_EQ(told_, std::vector<std::string>{"mapped by built-in"});
    EXPECT_EQ(passed_over, "media_server_silent");
    EXPECT_EQ(log_, (std::vector<std::string>{"foreign: offer first", "foreign: remove",
                                              "built-in: offer first"}));
    chooser_.unsubscribe(kCall, 1);
    EXPECT_EQ(log_.back(), "built-in: unsubscribe");
    EXPECT_EQ(chooser_.choices().built_in, 1U);
}

TEST_F(PlaneChooserTest, RefusesTheCallWhereThatIsWished) {
    foreign_.waits = true;
    offer(strict_);
    fail_foreign();
    EXPECT_EQ(told_, std::vector<std::string>{"media_server_silent"});
    EXPECT_EQ(strict_.choices().refused, 1U);
    subscribe(strict_);
    EXPECT_EQ(told_.back(), "unknown_call");
    foreign_.waits = false;
    offer(strict_);
    EXPECT_EQ(told_.back(), "mapped by foreign");
}

TEST_F(PlaneChooserTest, KeepsWhatIsSaidMeanwhileForWhoGetsTheCall) {
    foreign_.waits = true;
    offer(chooser_);
    subscribe(chooser_);
    chooser_.stop_subscription(kCall, 1);
    fail_foreign();
    EXPECT_EQ(told_, (std::vector<std::string>{"mapped by built-in", "subscribed"}));
    EXPECT_EQ(log_.back(), "built-in: stop_subscription");
}

// A server may answer when the call is over: our own relay has what is left of its chats.
TEST_F(PlaneChooserTest, WhatIsSaidOfACallThatIsOverIsForOurOwnRelayWhereThatHadIt) {
    foreign_.waits = true;
    offer(chooser_);
    fail_foreign();
    chooser_.remove(kCall);
    chooser_.unsubscribe(kCall, 1);
    EXPECT_EQ(log_.back(), "built-in: unsubscribe");
    EXPECT_TRUE(chooser_.query(kCall));
    EXPECT_FALSE(chooser_.query(CallKey{kCall.value + 1}));
}

TEST_F(PlaneChooserTest, AnswersWhatWasSaidMeanwhileOfACallThatNobodyTakes) {
    foreign_.waits = true;
    offer(strict_);
    subscribe(strict_);
    offer(strict_, "second");
    strict_.unsubscribe(kCall, 1);
    strict_.answer_subscription(kCall, 1, "sdp",
                                [this](const base::Result<base::Done, base::Reason>& done) {
                                    told_.push_back(done ? "taken" : done.error().code);
                                });
    fail_foreign();
    EXPECT_EQ(told_, (std::vector<std::string>{"media_server_silent", "unknown_call",
                                               "unknown_call", "unknown_call"}));
    subscribe(strict_);
    EXPECT_EQ(told_.back(), "unknown_call");
    foreign_.waits = false;
    offer(strict_);
    EXPECT_EQ(told_.back(), "mapped by foreign");
}

TEST_F(PlaneChooserTest, SaysNothingMoreOfACallThatIsRemovedWhenItHearsThatNobodyTakesIt) {
    foreign_.waits = true;
    strict_.offer(kCall, {Leg::A, "sdp", {}}, [this](const auto& mapped) {
        told_.push_back(mapped ? *mapped : mapped.error().code);
        strict_.remove(kCall);
    });
    subscribe(strict_);
    fail_foreign();
    EXPECT_EQ(told_, std::vector<std::string>{"media_server_silent"});
}

TEST_F(PlaneChooserTest, ForgetsACallThatEndsBeforeItIsPlaced) {
    foreign_.waits = true;
    offer(chooser_);
    subscribe(chooser_);
    chooser_.remove(kCall);
    EXPECT_EQ(log_.back(), "foreign: remove");
    fail_foreign();
    EXPECT_TRUE(told_.empty());
    EXPECT_EQ(log_.size(), 2U);
}

}  // namespace
}  // namespace earshot::relay
