#include "siprec/record_awareness.h"

#include <gtest/gtest.h>

#include "sip/builder.h"
#include "sip/parser.h"

namespace earshot::siprec {
namespace {

using sdp::RecordPreference;
using sdp::RecordState;

const std::string kSession =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
const std::string kAudio = "m=audio 20000 RTP/AVP 0\r\n";
const std::string kVideo = "m=video 20002 RTP/AVP 96\r\n";

std::vector<RecordState> states_in(const std::string& text) {
    std::vector<RecordState> states;
    const auto description = sdp::parse(text);
    if (!description) return states;
    for (const auto& medium : description->media) states.push_back(medium.record);
    return states;
}

std::vector<RecordIndications::Change> tell(RecordIndications& indications,
                                            const std::string& text) {
    return indications.on_description(*sdp::parse(text));
}

TEST(RecordAwareness, P24_TheTagIsLookedForInSupported) {
    const auto message = [](std::string_view supported) {
        auto builder = sip::MessageBuilder::request("INVITE", "sip:bo@192.0.2.1");
        builder.add(sip::HeaderId::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx")
            .add(sip::HeaderId::From, "<sip:a@192.0.2.1>;tag=a")
            .add(sip::HeaderId::To, "<sip:bo@192.0.2.1>")
            .add(sip::HeaderId::CallId, "c1")
            .add(sip::HeaderId::Cseq, "1 INVITE")
            .add(sip::HeaderId::Supported, supported);
        return sip::parse_message(builder.build()).message;
    };
    EXPECT_TRUE(is_record_aware(message("100rel, record-aware")));
    EXPECT_TRUE(is_record_aware(message("Record-Aware")));
    EXPECT_FALSE(is_record_aware(message("100rel")));
}

TEST(RecordAwareness, X1_X2_ThePreferenceIsPauseAndTheStatePaused) {
    EXPECT_EQ(find_record_preference("pause"), RecordPreference::Pause);
    EXPECT_EQ(find_record_preference("nopreference"), RecordPreference::NoPreference);
    EXPECT_EQ(find_record_preference("paused"), std::nullopt);
    EXPECT_EQ(find_record_preference("nopref"), std::nullopt);
    EXPECT_EQ(find_record_preference(""), std::nullopt);
    EXPECT_EQ(to_string(RecordState::Paused), "paused");
    EXPECT_EQ(to_string(RecordPreference::Pause), "pause");
}

TEST(RecordIndications, P38_P46_TheLatestOfEachLineCountsAndMediaLevelOverrides) {
    RecordIndications indications;
    using Change = RecordIndications::Change;
    EXPECT_EQ(
        tell(indications, kSession + "a=record:on\r\n" + kAudio + kVideo + "a=record:off\r\n"),
        (std::vector<Change>{{0, RecordState::Absent, RecordState::On},
                             {1, RecordState::Absent, RecordState::Off}}));
    EXPECT_EQ(tell(indications, kSession + kAudio + "a=record:paused\r\n" + kVideo),
              (std::vector<Change>{{0, RecordState::On, RecordState::Paused}}));
    EXPECT_TRUE(tell(indications, kSession + kAudio + kVideo).empty())
        << "who says nothing changes nothing";
    EXPECT_EQ(indications.states()[0], RecordState::Paused);
    EXPECT_EQ(indications.states()[1], RecordState::Off);
}

TEST(RecordIndications, ARemovedLineHasNoState) {
    RecordIndications indications;
    tell(indications, kSession + kAudio + "a=record:on\r\n");
    const auto changes = tell(indications, kSession + "m=audio 0 RTP/AVP 0\r\na=record:on\r\n");
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].to, RecordState::Absent);
}

TEST(RecordAwareness, P51_EachPreferenceInEachState) {
    struct Case {
        RecordState state;
        RecordPreference preference;
        RecordState then;
    };
    const std::vector<Case> cases = {
        {RecordState::Absent, RecordPreference::On, RecordState::On},
        {RecordState::Off, RecordPreference::On, RecordState::On},
        {RecordState::Paused, RecordPreference::On, RecordState::On},
        {RecordState::On, RecordPreference::On, RecordState::On},
        {RecordState::Absent, RecordPreference::Off, RecordState::Off},
        {RecordState::On, RecordPreference::Off, RecordState::Off},
        {RecordState::Paused, RecordPreference::Off, RecordState::Off},
        {RecordState::On, RecordPreference::Pause, RecordState::Paused},
        {RecordState::Paused, RecordPreference::Pause, RecordState::Paused},
        {RecordState::Off, RecordPreference::Pause, RecordState::Off},
        {RecordState::Absent, RecordPreference::Pause, RecordState::Absent},
        {RecordState::On, RecordPreference::NoPreference, RecordState::On},
        {RecordState::Paused, RecordPreference::Absent, RecordState::Paused},
    };
    for (const Case& it : cases)
        EXPECT_EQ(obey_preference(it.state, it.preference), it.then)
            << to_string(it.state) << " and " << to_string(it.preference);
}

TEST(RecordAwareness, P48_OffIsToldWhenAllRecordersHaveStopped) {
    EXPECT_EQ(combine(RecordState::Off, RecordState::On), RecordState::On);
    EXPECT_EQ(combine(RecordState::Paused, RecordState::Off), RecordState::Paused);
    EXPECT_EQ(combine(RecordState::Paused, RecordState::On), RecordState::On);
    EXPECT_EQ(combine(RecordState::Off, RecordState::Absent), RecordState::Off);
    EXPECT_EQ(combine(RecordState::Off, RecordState::Off), RecordState::Off);
}

TEST(WithRecordStates, SaysTheStateOfEachLineAndLeavesTheRestAlone) {
    const std::vector<RecordState> states{RecordState::On, RecordState::Paused};
    EXPECT_EQ(with_record_states(kSession + kAudio + "a=sendrecv\r\n" + kVideo, states),
              kSession + kAudio + "a=sendrecv\r\na=record:on\r\n" + kVideo + "a=record:paused\r\n");
}

TEST(WithRecordStates, WhatWasSaidBeforeIsReplaced) {
    const std::string said = kSession + "a=record:off\r\n" + kAudio +
                             "a=A=1\r\na=Record:off\r\na=recordpref:off\r\n" + kVideo +
                             "a=a=record:on\r\n";
    EXPECT_EQ(with_record_states(said, std::vector<RecordState>{RecordState::On}),
              kSession + kAudio + "a=A=1\r\na=recordpref:off\r\na=record:on\r\n" + kVideo);
}

TEST(WithRecordStates, LineEndsOfTheDescriptionAreKept) {
    const std::vector<RecordState> states{RecordState::Off};
    EXPECT_EQ(with_record_states("v=0\nm=audio 4 RTP/AVP 0\n", states),
              "v=0\nm=audio 4 RTP/AVP 0\na=record:off\n");
    EXPECT_EQ(with_record_states("v=0\nm=audio 4 RTP/AVP 0", states),
              "v=0\nm=audio 4 RTP/AVP 0\na=record:off\n");
    EXPECT_EQ(with_record_states("", states), "");
}

TEST(WithRecordStates, ASecondDescriptionInTheBodyIsLeftAlone) {
    const std::string second = "v=0\r\nm=audio 5 RTP/AVP 0\r\na=record:off\r\n";
    EXPECT_EQ(with_record_states(kSession + kAudio + second, std::vector{RecordState::On}),
              kSession + kAudio + "a=record:on\r\n" + second);
}

TEST(WithRecordStates, IsReadAsItWasMeantWhereverTheDescriptionIsCut) {
    const std::vector<RecordState> states{RecordState::On, RecordState::Paused};
    const std::string whole = kSession + "a=record:off\r\n" + kAudio + "a=record:off\r\n" + kVideo;
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        const auto read = states_in(with_record_states(whole.substr(0, size), states));
        for (std::size_t line = 0; line < read.size(); ++line)
            EXPECT_EQ(read[line], states[line]) << "cut at " << size;
    }
}

}  // namespace
}  // namespace earshot::siprec
