#include "client/meetings.h"

#include <gtest/gtest.h>

#include "client/limits.h"

namespace earshot::client {
namespace {

class MeetingsTest : public testing::Test {
protected:
    static base::Uuid installation() {
        base::Uuid id;
        id.bytes[0] = 7;
        return id;
    }
    Meetings::Meeting enter(std::uint64_t call, const std::string& uri,
                            const std::optional<base::Uuid>& told = std::nullopt) {
        return meetings_.enter(now_, call, uri, told);
    }
    void wait(std::chrono::milliseconds time) {
        now_.steady += time;
        now_.wall += time;
    }

    base::Now now_{.steady = base::TimePoint{std::chrono::hours{1}},
                   .wall = base::WallTime{std::chrono::seconds{1'790'000'000}}};
    Meetings meetings_{installation()};
};

TEST_F(MeetingsTest, CallsToOneConferenceShareAGroupSinceTheFirst) {
    const auto first = enter(1, "sip:review@Conf.example");
    wait(std::chrono::hours{2});
    const auto second = enter(2, "sip:review@conf.example;transport=tcp");
    EXPECT_EQ(second.group, first.group);
    EXPECT_EQ(second.since, first.since);
    EXPECT_NE(enter(3, "sip:review@conf.example:5062").group, first.group);
    EXPECT_NE(enter(4, "sip:sales@conf.example").group, first.group);
    // Some name their conferences by a parameter.
    EXPECT_NE(enter(5, "sip:focus@conf.example;conf=1").group,
              enter(6, "sip:focus@conf.example;conf=2").group);
}

TEST_F(MeetingsTest, ARoomThatIsUsedAgainIsAnotherMeeting) {
    const auto first = enter(1, "sip:review@conf.example");
    enter(2, "sip:review@conf.example");
    meetings_.leave(now_, 1);
    wait(2 * kMeetingGap);
    EXPECT_EQ(enter(3, "sip:review@conf.example").group, first.group);  // one was there all along
    meetings_.leave(now_, 2);
    meetings_.leave(now_, 3);
    meetings_.leave(now_, 3);  // has left already
    wait(kMeetingGap - std::chrono::milliseconds{1});
    EXPECT_EQ(enter(4, "sip:review@conf.example").group, first.group);  // called again
    meetings_.leave(now_, 4);
    wait(kMeetingGap);
    const auto later = enter(5, "sip:review@conf.example");
    EXPECT_NE(later.group, first.group);
    EXPECT_EQ(later.since, now_.wall);
}

TEST_F(MeetingsTest, ACallThatIsMovedIsInItsNewConferenceAlone) {
    const auto review = enter(1, "sip:review@conf.example");
    const auto sales = enter(1, "sip:sales@conf.example");
    EXPECT_NE(sales.group, review.group);
    wait(kMeetingGap);
    EXPECT_NE(enter(2, "sip:review@conf.example").group, review.group);
    EXPECT_EQ(enter(3, "sip:sales@conf.example").group, sales.group);
}

// An id that was told does not change (spec of RFC 7865 M-9): others join the group of the first.
TEST_F(MeetingsTest, AConferenceThatACallWasTransferredToIsInTheGroupOfThatCall) {
    base::Uuid transfer;
    transfer.bytes[5] = 9;
    EXPECT_EQ(enter(1, "sip:review@conf.example", transfer).group, transfer);
    EXPECT_EQ(enter(2, "sip:review@conf.example").group, transfer);
    const auto sales = enter(3, "sip:sales@conf.example");
    EXPECT_EQ(enter(4, "sip:sales@conf.example", transfer).group, sales.group);
}

}  // namespace
}  // namespace earshot::client
