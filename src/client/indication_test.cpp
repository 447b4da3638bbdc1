#include "client/indication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::client {
namespace {

using policy::IndicateBy;
using sdp::RecordPreference;
using sdp::RecordState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Deciding : public testing::Test {
protected:
    RecordingShare share(RecordState state, const policy::IndicationSettings& how,
                         bool is_running = true) {
        return {
            .state = state, .is_running = is_running, .media = {}, .how = &how, .instance = "x"};
    }
    Means means(Awareness awareness, const std::vector<RecordingShare>& shares,
                bool takes_attribute = true) {
        return indication_of(awareness, takes_attribute, shares).means;
    }

    const policy::IndicationSettings tone_{};
    const policy::IndicationSettings words_{.by = IndicateBy::Announcement,
                                            .announcement = "told.wav"};
    const policy::IndicationSettings agreed_{.by = IndicateBy::Agreed, .agreed_reason = "contract"};
};

TEST_F(Deciding, P21_WhoIsAwareIsToldByTheAttributeWhateverIsConfigured) {
    for (const auto* how : {&tone_, &words_, &agreed_})
        EXPECT_EQ(means(Awareness::Aware, {share(RecordState::On, *how)}), Means::Attribute);
}

TEST_F(Deciding, P22_WhoIsNotIsToldByOtherMeans) {
    const auto unaware = [&](const policy::IndicationSettings& how) {
        return means(Awareness::Unaware, {share(RecordState::On, how)});
    };
    EXPECT_EQ(unaware(tone_), Means::Tone);
    EXPECT_EQ(unaware(words_), Means::Announcement);
    EXPECT_EQ(unaware(agreed_), Means::Agreed);
}

TEST_F(Deciding, WhoClaimsToBeAwareAndRefusesToBeToldHearsATone) {
    EXPECT_EQ(means(Awareness::Aware, {share(RecordState::On, tone_)}, false), Means::Tone);
}

TEST_F(Deciding, NobodyHearsAnythingWhileNothingIsRecorded) {
    EXPECT_EQ(means(Awareness::Unaware, {}), Means::None);
    EXPECT_EQ(means(Awareness::Unaware, {share(RecordState::Paused, tone_)}), Means::None);
    EXPECT_EQ(means(Awareness::Unaware, {share(RecordState::Off, tone_, false)}), Means::None);
    EXPECT_EQ(means(Awareness::Unaware, {share(RecordState::On, tone_, false)}), Means::None)
        << "no server has accepted yet";
    EXPECT_EQ(means(Awareness::Unknown, {share(RecordState::On, tone_)}), Means::None)
        << "nobody has answered yet";
}

TEST_F(Deciding, OfSeveralRecordingsOneThatIsNotAgreedIsHeard) {
    EXPECT_EQ(
        means(Awareness::Unaware, {share(RecordState::On, agreed_), share(RecordState::On, tone_)}),
        Means::Tone);
    EXPECT_EQ(means(Awareness::Unaware,
                    {share(RecordState::On, words_), share(RecordState::On, agreed_)}),
              Means::Announcement);
}

TEST_F(Deciding, TheStateIsToldForEachMediumThatIsRecorded) {
    const std::vector<ToldLine> lines{{"audio", true}, {"video", true}, {"audio", false}};
    RecordingShare audio = share(RecordState::On, tone_);
    audio.media = {"audio"};
    EXPECT_THAT(states_for(lines, std::vector{audio}, {}),
                ElementsAre(RecordState::On, RecordState::Absent, RecordState::Absent));
    const RecordingShare all = share(RecordState::Paused, tone_);
    EXPECT_THAT(states_for(lines, std::vector{audio, all}, {}),
                ElementsAre(RecordState::On, RecordState::Paused, RecordState::Absent));
    EXPECT_THAT(states_for(lines, {}, {}),
                ElementsAre(RecordState::Absent, RecordState::Absent, RecordState::Absent));
}

TEST_F(Deciding, P47_P48_WhatComesFromTheOtherSideStaysTrue) {
    const std::vector<ToldLine> lines{{"audio", true}};
    const std::vector<RecordState> behind{RecordState::On};
    EXPECT_THAT(states_for(lines, {}, behind), ElementsAre(RecordState::On));
    EXPECT_THAT(states_for(lines, std::vector{share(RecordState::Off, tone_)}, behind),
                ElementsAre(RecordState::On));
    EXPECT_THAT(states_for(lines, std::vector{share(RecordState::On, tone_)},
                           std::vector{RecordState::Off}),
                ElementsAre(RecordState::On));
    EXPECT_THAT(states_for(lines, std::vector{share(RecordState::Off, tone_)},
                           std::vector{RecordState::Paused}),
                ElementsAre(RecordState::Paused));
}

TEST(Awareness, P24_IsClaimedWhereTheCallIsSetUp) {
    b2bua::CallFacts facts;
    EXPECT_EQ(awareness_of(facts, b2bua::Leg::A), Awareness::Unaware);
    EXPECT_EQ(awareness_of(facts, b2bua::Leg::B), Awareness::Unknown);
    facts.leg(b2bua::Leg::B).supported = {"timer", "Record-Aware"};
    EXPECT_EQ(awareness_of(facts, b2bua::Leg::B), Awareness::Aware);
    facts.leg(b2bua::Leg::B).supported = {"timer"};
    facts.answered_at.emplace();
    EXPECT_EQ(awareness_of(facts, b2bua::Leg::B), Awareness::Unaware);
}

std::string sdp(int version, std::string_view attributes = "a=sendrecv\r\n") {
    return "v=0\r\no=- 4711 " + std::to_string(version) +
           " IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n" +
           std::string(attributes);
}

TEST(ToldDescriptions, WithoutRecordingsTheyAreThoseOfTheMediaPlane) {
    ToldDescriptions told;
    EXPECT_EQ(told.tell(sdp(1), {}), sdp(1));
    EXPECT_EQ(told.tell(sdp(1), {}), sdp(1));
    EXPECT_EQ(told.tell(sdp(2, "a=sendonly\r\n"), {}), sdp(2, "a=sendonly\r\n"));
}

TEST(ToldDescriptions, AChangeOfTheIndicationAloneRaisesTheVersion) {
    ToldDescriptions told;
    const std::vector on{RecordState::On};
    const std::vector paused{RecordState::Paused};
    EXPECT_EQ(told.tell(sdp(1), on), sdp(1, "a=sendrecv\r\na=record:on\r\n"));
    EXPECT_EQ(told.tell(sdp(1), on), sdp(1, "a=sendrecv\r\na=record:on\r\n"));
    EXPECT_EQ(told.tell(sdp(1), paused), sdp(2, "a=sendrecv\r\na=record:paused\r\n"));
    EXPECT_EQ(told.tell(sdp(2, "a=sendonly\r\n"), paused),
              sdp(3, "a=sendonly\r\na=record:paused\r\n"))
        << "what the plane calls its second is the third";
    EXPECT_EQ(told.tell(sdp(2, "a=sendonly\r\n"), paused),
              sdp(3, "a=sendonly\r\na=record:paused\r\n"));
}

TEST(ToldDescriptions, PassWhatHasNoVersionAsItIs) {
    ToldDescriptions told;
    for (const char* text : {"", "v=0\r\n", "o=", "v=0\r\no=- 1\r\n", "v=0\r\no=- 1 x IN\r\n"})
        EXPECT_EQ(told.tell(text, {}), text);
    const std::string whole = sdp(1);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        ToldDescriptions fresh;
        EXPECT_EQ(fresh.tell(whole.substr(0, size), {}), whole.substr(0, size));
    }
}

TEST(Preference, P50_IsThatOfTheAudio) {
    const auto of = [](const std::string& text) { return preference_of(*sdp::parse(text)); };
    EXPECT_EQ(of(sdp(1)), RecordPreference::Absent);
    EXPECT_EQ(of(sdp(1, "a=recordpref:off\r\n")), RecordPreference::Off);
    EXPECT_EQ(of(sdp(1, "m=video 4002 RTP/AVP 96\r\na=recordpref:pause\r\n")),
              RecordPreference::Pause);
    EXPECT_EQ(of(sdp(1, "a=recordpref:on\r\nm=video 4002 RTP/AVP 96\r\na=recordpref:off\r\n")),
              RecordPreference::On);
}

}  // namespace
}  // namespace earshot::client
