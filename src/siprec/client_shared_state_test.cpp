// States of a session that several CSs share: who leaves it, and what is forgotten then.
#include "siprec/client_session_fixture.h"
#include "siprec/client_state.h"

namespace earshot::siprec {
namespace {

class SharedStateTest : public testing::Test {
protected:
    // Two calls of other people; the ids of the second follow on.
    MetadataObjects both() const {
        MetadataObjects all = describe(first_).objects;
        const MetadataObjects more = describe(second_).objects;
        const auto append = [](auto& to, const auto& from) {
            to.insert(to.end(), from.begin(), from.end());
        };
        append(all.groups, more.groups);
        append(all.sessions, more.sessions);
        append(all.participants, more.participants);
        append(all.streams, more.streams);
        append(all.participant_sessions, more.participant_sessions);
        append(all.participant_streams, more.participant_streams);
        return all;
    }
    static CsDescription another_call(base::WallTime start) {
        CsDescription call = two_party_call(start);
        call.session_id = uuid_of(2);
        for (std::uint8_t i = 0; i < 2; ++i) {
            call.participants[i].id = uuid_of(static_cast<std::uint8_t>(12 + i));
            call.streams[i].id = uuid_of(static_cast<std::uint8_t>(22 + i));
            call.streams[i].label = std::to_string(3 + i);
        }
        return call;
    }

    base::WallTime start_ = base::parse_time("2026-03-02T09:15:00Z")->time;
    base::WallTime later_ = start_ + std::chrono::seconds{30};
    CsDescription first_ = two_party_call(start_);
    CsDescription second_ = another_call(start_);
};

TEST_F(SharedStateTest, ASessionThatLeavesGoesOnElsewhere) {
    const MetadataObjects before = follow_state({}, both(), start_);
    const MetadataObjects after =
        follow_state(before, describe(second_).objects, later_, {MetadataId{first_.session_id}});
    ASSERT_EQ(after.sessions.size(), 2U);
    EXPECT_FALSE(after.sessions[1].stop);
    EXPECT_EQ(after.session_recordings[1].periods[0].disassociate, later_);
    for (const ParticipantSessionAssoc& assoc : after.participant_sessions)
        EXPECT_FALSE(assoc.periods[0].disassociate);
    // Nor has it ended later.
    const MetadataObjects then =
        follow_state(after, describe(second_).objects, later_ + std::chrono::seconds{9});
    EXPECT_EQ(then, after);
}

TEST_F(SharedStateTest, WhatHasEndedIsForgottenOnceItIsTold) {
    MetadataObjects told = follow_state({}, both(), start_);
    MetadataObjects now = follow_state(told, describe(second_).objects, later_);
    MetadataObjects untold = told;
    forget_ended(untold, now);
    EXPECT_EQ(untold, told);
    ASSERT_EQ(now.sessions.size(), 2U);

    told = now;
    forget_ended(told, now);
    EXPECT_EQ(told, now);
    ASSERT_EQ(now.sessions.size(), 1U);
    EXPECT_EQ(now.sessions[0].id.uuid(), uuid_of(2));
    EXPECT_EQ(now.participants.size(), 2U);
    EXPECT_EQ(now.streams.size(), 2U);
    EXPECT_EQ(now.participant_sessions.size(), 2U);
    EXPECT_EQ(now.participant_streams.size(), 2U);
    EXPECT_EQ(now.session_recordings.size(), 1U);
}

TEST_F(SharedStateTest, WhoIsStillInAnotherSessionStays) {
    second_.participants[0] = first_.participants[0];  // the agent who consults
    second_.group = first_.group = CsGroup{.id = uuid_of(30), .name = "case", .formed = start_};
    MetadataObjects all = both();
    all.participants.erase(all.participants.begin() + 2);
    all.groups.pop_back();
    MetadataObjects told = follow_state({}, all, start_);
    told = follow_state(told, describe(second_).objects, later_);
    MetadataObjects now = told;
    forget_ended(told, now);
    EXPECT_EQ(now.participants.size(), 2U);
    EXPECT_EQ(now.groups.size(), 1U);
    EXPECT_EQ(now.participants[0].id.uuid(), uuid_of(10));
}

TEST_F(SharedStateTest, P110_ASessionOfNobodyForgetsNothingAndTellsNothing) {
    MetadataObjects told = follow_state({}, {}, start_);
    EXPECT_EQ(told.count(), 0U);
    MetadataObjects now = follow_state(told, describe(first_).objects, later_);
    EXPECT_EQ(now.session_recordings.at(0).periods[0].associate, later_);
    forget_ended(told, now);
    EXPECT_EQ(now.sessions.size(), 1U);
}

}  // namespace
}  // namespace earshot::siprec
