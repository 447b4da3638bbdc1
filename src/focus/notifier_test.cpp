#include "focus/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conference/roster.h"

namespace earshot::focus {
namespace {

using conference::ConferenceInfo;
using conference::Roster;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

ConferenceInfo with(const std::vector<std::string>& users) {
    ConferenceInfo info;
    info.entity = "sip:conf-1@focus.example";
    info.users.emplace();
    for (const std::string& uri : users) {
        conference::Endpoint endpoint;
        endpoint.entity = uri + ";gr=1";
        endpoint.status = conference::EndpointStatus::Connected;
        conference::User& user = info.users->users.emplace_back();
        user.entity = uri;
        user.endpoints.push_back(std::move(endpoint));
    }
    return info;
}

class NotifierTest : public testing::Test {
protected:
    // Gives a subscriber's roster all that is to be sent to it; how many documents.
    std::size_t read(SubscriberId id, Roster& roster) {
        std::size_t count = 0;
        while (const auto notice = notifier_.poll()) {
            last_ = *notice;
            if (notice->to != id) continue;
            ++count;
            const auto document = conference::parse_conference_info(notice->document);
            EXPECT_TRUE(document) << notice->document;
            if (document) outcome_ = roster.apply(document->info, {}).outcome;
        }
        return count;
    }

    base::TimePoint now_{seconds{1000}};
    Notifier notifier_{with({"sip:ada@a.example"})};
    Notifier::Notice last_;
    Roster::Outcome outcome_{};
};

TEST_F(NotifierTest, TheWholeStateComesAtOnceThenWhatChanges) {
    Roster roster;
    notifier_.subscribe(now_, 1, seconds{600});
    EXPECT_EQ(read(1, roster), 1U);
    EXPECT_EQ(outcome_, Roster::Outcome::Applied);
    EXPECT_EQ(roster.present_count(), 1U);
    EXPECT_EQ(last_.state, "active;expires=600");
    EXPECT_THAT(last_.document, Not(HasSubstr("state=\"partial\"")));
    now_ += seconds{10};
    notifier_.change(now_, with({"sip:ada@a.example", "sip:bo@b.example"}));
    EXPECT_EQ(read(1, roster), 1U);
    EXPECT_EQ(outcome_, Roster::Outcome::Applied);
    EXPECT_THAT(last_.document, HasSubstr("state=\"partial\""));
    EXPECT_THAT(last_.document, Not(HasSubstr("sip:ada@a.example")));
    EXPECT_EQ(last_.state, "active;expires=590");
    EXPECT_EQ(roster.present_count(), 2U);
    EXPECT_EQ(roster.version(), 1U);
}

TEST_F(NotifierTest, ChangesWithinFiveSecondsComeTogether) {
    Roster roster;
    notifier_.subscribe(now_, 1, seconds{600});
    EXPECT_EQ(read(1, roster), 1U);
    now_ += seconds{1};
    notifier_.change(now_, with({"sip:ada@a.example", "sip:bo@b.example"}));
    now_ += seconds{1};
    notifier_.change(now_, with({"sip:bo@b.example", "sip:cleo@c.example"}));
    EXPECT_EQ(read(1, roster), 0U);
    EXPECT_EQ(notifier_.deadline(), now_ + seconds{3});
    now_ += seconds{3};
    notifier_.on_time(now_);
    EXPECT_EQ(read(1, roster), 1U);
    EXPECT_EQ(roster.present_count(), 2U);
    EXPECT_TRUE(roster.info().find_user("sip:cleo@c.example"));
    EXPECT_EQ(roster.info().find_user("sip:ada@a.example")->endpoints.at(0).status,
              conference::EndpointStatus::Disconnected);
}

TEST_F(NotifierTest, WhatChangesBackIsNotTold) {
    Roster roster;
    notifier_.subscribe(now_, 1, seconds{600});
    EXPECT_EQ(read(1, roster), 1U);
    notifier_.change(now_, with({"sip:ada@a.example", "sip:bo@b.example"}));
    notifier_.change(now_, with({"sip:ada@a.example"}));
    now_ += seconds{5};
    notifier_.on_time(now_);
    EXPECT_EQ(read(1, roster), 0U);
}

TEST_F(NotifierTest, WhoLeavesIsToldAsDisconnectedAndThenTakenOut) {
    Roster roster;
    notifier_.change(now_, with({"sip:ada@a.example", "sip:bo@b.example"}));
    notifier_.subscribe(now_, 1, seconds{600});
    read(1, roster);
    notifier_.change(now_ + seconds{10}, with({"sip:ada@a.example"}));
    EXPECT_EQ(read(1, roster), 1U);
    EXPECT_THAT(last_.document, HasSubstr("<status>disconnected</status>"));
    EXPECT_THAT(last_.document, Not(HasSubstr("deleted")));
    EXPECT_EQ(roster.present_count(), 1U);
    notifier_.change(now_ + seconds{20}, with({"sip:ada@a.example", "sip:cy@c.example"}));
    EXPECT_EQ(read(1, roster), 1U);
    EXPECT_THAT(last_.document, HasSubstr("deleted"));
    EXPECT_EQ(roster.present_count(), 2U);
}

TEST_F(NotifierTest, EachSubscriberHasItsOwnVersionsAndPace) {
    Roster one;
    Roster two;
    notifier_.subscribe(now_, 1, seconds{600});
    EXPECT_EQ(read(1, one), 1U);
    now_ += seconds{6};
    notifier_.subscribe(now_, 2, seconds{600});
    EXPECT_EQ(read(2, two), 1U);
    notifier_.change(now_, with({}));
    EXPECT_EQ(read(1, one), 1U);
    EXPECT_EQ(one.version(), 1U);
    now_ += seconds{5};
    notifier_.on_time(now_);
    EXPECT_EQ(read(2, two), 1U);
    EXPECT_EQ(two.version(), 1U);
}

TEST_F(NotifierTest, ARefreshBringsTheWholeStateAgain) {
    Roster roster;
    notifier_.subscribe(now_, 1, seconds{60});
    EXPECT_EQ(read(1, roster), 1U);
    now_ += seconds{50};
    notifier_.subscribe(now_, 1, seconds{60});
    EXPECT_EQ(read(1, roster), 1U);
    EXPECT_EQ(roster.version(), 1U);
    EXPECT_THAT(last_.document, HasSubstr("sip:ada@a.example"));
    EXPECT_EQ(notifier_.deadline(), now_ + seconds{60});
    EXPECT_EQ(notifier_.subscribers(), 1U);
}

TEST_F(NotifierTest, WhoOnlyAsksIsToldOnce) {
    Roster roster;
    notifier_.subscribe(now_, 1, seconds{0});
    EXPECT_EQ(read(1, roster), 1U);
    EXPECT_EQ(last_.state, "terminated;reason=timeout");
    EXPECT_EQ(roster.present_count(), 1U);
    EXPECT_EQ(notifier_.subscribers(), 0U);
}

TEST_F(NotifierTest, WhoLetsItRunOutIsToldAndForgotten) {
    Roster roster;
    notifier_.subscribe(now_, 1, seconds{60});
    EXPECT_EQ(read(1, roster), 1U);
    now_ += seconds{60};
    notifier_.on_time(now_);
    EXPECT_EQ(read(1, roster), 1U);
    EXPECT_EQ(last_.state, "terminated;reason=timeout");
    EXPECT_EQ(notifier_.deadline(), std::nullopt);
}

TEST_F(NotifierTest, TheEndOfTheConferenceIsTheLastDocument) {
    Roster roster;
    notifier_.subscribe(now_, 1, seconds{60});
    EXPECT_EQ(read(1, roster), 1U);
    notifier_.end();
    EXPECT_EQ(read(1, roster), 1U);
    EXPECT_EQ(outcome_, Roster::Outcome::Ended);
    EXPECT_EQ(last_.state, "terminated;reason=noresource");
    EXPECT_EQ(notifier_.subscribers(), 0U);
}

TEST_F(NotifierTest, WhoDoesNotTakeItIsForgotten) {
    Roster roster;
    notifier_.subscribe(now_, 1, seconds{60});
    EXPECT_EQ(read(1, roster), 1U);
    notifier_.forget(1);
    now_ += seconds{10};
    notifier_.change(now_, with({}));
    EXPECT_EQ(read(1, roster), 0U);
}

}  // namespace
}  // namespace earshot::focus
