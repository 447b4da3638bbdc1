#include "siprec/client_state.h"

#include "siprec/client_session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ClientStateTest : public testing::Test {
protected:
    MetadataObjects first() { return follow_state({}, describe(call_).objects, start_); }
    MetadataObjects next(const MetadataObjects& before) {
        return follow_state(before, describe(call_).objects, later_);
    }

    base::WallTime start_ = base::parse_time("2026-03-02T09:15:00Z")->time;
    base::WallTime later_ = start_ + std::chrono::seconds{30};
    CsDescription call_ = two_party_call(start_);
};

TEST_F(ClientStateTest, NothingNewIsNothingToTell) {
    const MetadataObjects before = first();
    EXPECT_EQ(next(before), before);
    EXPECT_EQ(changed_objects(before, next(before)).count(), 0U);
    EXPECT_EQ(before.session_recordings[0].periods[0].associate, start_);
}

TEST_F(ClientStateTest, F2_HoldChangesTheTwoAssociationsAndDatesThem) {
    const MetadataObjects before = first();
    call_.streams[0].is_held = true;
    const MetadataObjects held = next(before);
    const MetadataObjects changed = changed_objects(before, held);
    EXPECT_EQ(changed.count(), 2U);
    ASSERT_EQ(changed.participant_streams.size(), 2U);
    EXPECT_EQ(changed.participant_streams[0].periods[0].associate, later_);
    // What is not touched afterwards keeps that time.
    const MetadataObjects after =
        follow_state(held, describe(call_).objects, later_ + std::chrono::seconds{9});
    EXPECT_EQ(after, held);
}

TEST_F(ClientStateTest, ATimeOfTheUsersOwnIsKept) {
    const MetadataObjects before = first();
    MetadataObjects held = describe(call_).objects;
    held.participant_streams[0].send.clear();
    const auto own = start_ + std::chrono::seconds{20};
    held.participant_streams[0].periods = {{own, std::nullopt}};
    held = follow_state(before, std::move(held), later_);
    EXPECT_EQ(held.participant_streams[0].periods[0].associate, own);
}

TEST_F(ClientStateTest, F3_WhoIsGoneIsToldAsGone) {
    const MetadataObjects before = first();
    call_.participants[1].id = uuid_of(99);
    call_.participants[1].names = {{"sip:carla@desk.example", "Carla", ""}};
    const MetadataObjects changed = changed_objects(before, next(before));
    ASSERT_EQ(changed.participants.size(), 1U);
    EXPECT_EQ(changed.participants[0].names[0].name, "Carla");
    ASSERT_EQ(changed.participant_sessions.size(), 2U);
    EXPECT_FALSE(changed.participant_sessions[0].periods[0].disassociate);
    EXPECT_EQ(changed.participant_sessions[1].participant.uuid(), uuid_of(11));
    EXPECT_EQ(changed.participant_sessions[1].periods[0].disassociate, later_);
    ASSERT_EQ(changed.participant_streams.size(), 2U);
    EXPECT_THAT(changed.participant_streams[1].send, IsEmpty());
    EXPECT_EQ(changed.participant_streams[1].periods[0].disassociate, later_);
    // A snapshot after that still names all three.
    EXPECT_EQ(next(before).participants.size(), 3U);
}

TEST_F(ClientStateTest, WhoIsGoneForLongIsForgotten) {
    MetadataObjects before = first();
    call_.participants[1].id = uuid_of(99);
    before = next(before);
    ASSERT_EQ(before.participants.size(), 3U);
    EXPECT_EQ(follow_state(before, describe(call_).objects, later_ + kGoneTime), before);
    const base::WallTime then = later_ + kGoneTime + std::chrono::milliseconds{1};
    const MetadataObjects after = follow_state(before, describe(call_).objects, then);
    EXPECT_EQ(after.participants.size(), 2U);
    EXPECT_EQ(after.participant_sessions.size(), 2U);
    EXPECT_EQ(after.participant_streams.size(), 2U);
    EXPECT_EQ(changed_objects(before, after).count(), 0U);
    // Whom the caller still names stays, however long ago that was.
    call_.participants[1].left = start_;
    EXPECT_EQ(follow_state(after, describe(call_).objects, then).participants.size(), 2U);
}

TEST_F(ClientStateTest, F4_ASessionThatIsGoneHasEnded) {
    const MetadataObjects before = first();
    call_.session_id = uuid_of(2);
    call_.streams[0].id = uuid_of(24);
    const MetadataObjects after = next(before);
    ASSERT_EQ(after.sessions.size(), 2U);
    EXPECT_EQ(after.sessions[1].stop, later_);
    ASSERT_EQ(after.session_recordings.size(), 2U);
    EXPECT_EQ(after.session_recordings[0].periods[0].associate, later_);
    EXPECT_EQ(after.session_recordings[1].periods[0].disassociate, later_);
}

TEST_F(ClientStateTest, TheEndOfTheRecordingIsNotTheEndOfTheSession) {
    const MetadataObjects before = first();
    const MetadataObjects ended = end_recording(before, later_);
    const MetadataObjects changed = changed_objects(before, ended);
    EXPECT_EQ(changed.count(), 1U);
    EXPECT_EQ(changed.session_recordings.at(0).periods[0].disassociate, later_);
}

TEST_F(ClientStateTest, P32_LabelsGoWithEachOffer) {
    const MetadataObjects before = first();
    MetadataObjects changed;
    EXPECT_FALSE(has_labels(changed));
    add_labelled_streams(changed, before);
    EXPECT_EQ(changed.streams.size(), 2U);
    EXPECT_TRUE(has_labels(changed));
    add_labelled_streams(changed, before);
    EXPECT_EQ(changed.streams.size(), 2U);
}

TEST_F(ClientStateTest, AHistoryPastTheLimitIsDroppedButWhoLeavesIsStillTold) {
    MetadataObjects before = first();
    for (std::size_t i = 0; i < kMaxMetadataObjects; ++i)
        before.participants.push_back({{}, MetadataId{std::to_string(i)}, {}});
    call_.participants.pop_back();
    call_.streams.pop_back();
    const MetadataObjects after = next(before);
    EXPECT_EQ(after.participants.size(), 1U);
    ASSERT_EQ(after.participant_sessions.size(), 2U);
    EXPECT_EQ(after.participant_sessions[1].periods[0].disassociate, later_);
    EXPECT_EQ(next(after).participant_sessions.size(), 2U);  // below the limit again
}

}  // namespace
}  // namespace earshot::siprec
