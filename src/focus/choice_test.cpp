#include "focus/choice.h"

#include <gtest/gtest.h>

#include <vector>

namespace earshot::focus {
namespace {

using Members = std::vector<MemberId>;

TEST(SpeakerChoice, WhoSpeaksIsSeenAndSeesWhoSpokeBefore) {
    SpeakerChoice choice;
    choice.update(0, Members{2, 5, 7});
    EXPECT_EQ(choice.main(), 2U);  // somebody
    EXPECT_EQ(choice.other(), 5U);
    choice.update(7, Members{2, 5, 7});
    EXPECT_EQ(choice.main(), 7U);
    EXPECT_EQ(choice.other(), 2U);
    choice.update(5, Members{2, 5, 7});
    EXPECT_EQ(choice.main(), 5U);
    EXPECT_EQ(choice.other(), 7U);
    choice.update(5, Members{2, 5, 7});
    EXPECT_EQ(choice.other(), 7U);
}

TEST(SpeakerChoice, WhoHasNoCameraChangesNothing) {
    SpeakerChoice choice;
    choice.update(2, Members{2, 5});
    choice.update(9, Members{2, 5});
    EXPECT_EQ(choice.main(), 2U);
    EXPECT_EQ(choice.other(), 5U);
}

TEST(SpeakerChoice, WhoStopsIsFollowedByWhoSpokeBefore) {
    SpeakerChoice choice;
    choice.update(2, Members{1, 2, 5});
    choice.update(5, Members{1, 2, 5});
    choice.update(5, Members{1, 2});
    EXPECT_EQ(choice.main(), 2U);
    EXPECT_EQ(choice.other(), 1U);
    choice.update(5, Members{1});
    EXPECT_EQ(choice.main(), 1U);
    EXPECT_EQ(choice.other(), 0U);
    choice.update(5, Members{});
    EXPECT_EQ(choice.main(), 0U);
}

TEST(FloorChoice, TheFirstOneKeepsItUntilItStops) {
    FloorChoice choice;
    choice.update(Members{}, Members{});
    EXPECT_EQ(choice.presenter(), 0U);
    choice.update(Members{4}, Members{4});
    EXPECT_EQ(choice.presenter(), 4U);
    choice.update(Members{2, 4}, Members{2, 4});
    EXPECT_EQ(choice.presenter(), 4U);
    choice.update(Members{2}, Members{2});
    EXPECT_EQ(choice.presenter(), 2U);
}

TEST(FloorChoice, StillSlidesKeepItUntilAnotherOneShowsSome) {
    FloorChoice choice;
    choice.update(Members{4}, Members{4});
    choice.update(Members{2, 4}, Members{});
    EXPECT_EQ(choice.presenter(), 4U);
    choice.update(Members{2, 4}, Members{2});
    EXPECT_EQ(choice.presenter(), 2U);
    choice.update(Members{}, Members{});
    EXPECT_EQ(choice.presenter(), 0U);
}

}  // namespace
}  // namespace earshot::focus
