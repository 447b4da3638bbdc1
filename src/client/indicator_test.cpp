// How a party is told whom our own side can give no description for a while. What the means and
// states are is tested in indication_test.cpp.
#include "client/indicator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "b2bua/limits.h"
#include "b2bua/switchboard_fixture.h"

namespace earshot::client {
namespace {

using b2bua::Leg;
using sdp::RecordState;
using testing::ElementsAre;
using testing::IsEmpty;

// Plays what it is told.
class PlayingPlane : public relay::MediaPlane {
public:
    void offer(relay::CallKey, const relay::LegSdp&, relay::SdpDone) override {}
    void answer(relay::CallKey, const relay::LegSdp&, relay::SdpDone) override {}
    void rollback(relay::CallKey, relay::Leg) override {}
    void remove(relay::CallKey) override {}
    void subscribe(relay::CallKey, std::uint32_t, const relay::SubscribeOptions&,
                   relay::SubscriptionDone) override {}
    void answer_subscription(relay::CallKey, std::uint32_t, std::string_view,
                             relay::PlaneDone) override {}
    void stop_subscription(relay::CallKey, std::uint32_t, relay::Stop) override {}
    void unsubscribe(relay::CallKey, std::uint32_t) override {}
    base::Result<base::Done, base::Reason> play(relay::CallKey, relay::Leg,
                                                relay::SoundPtr sound) override {
        played.emplace_back(sound == nullptr ? "nothing" : "sound");
        return base::Done{};
    }
    base::Result<relay::CallMedia, base::Reason> query(relay::CallKey) const override {
        return relay::CallMedia{};
    }
    bool takes_chat(relay::CallKey, std::size_t line) const override { return line == 0; }
    void say(relay::CallKey, relay::Leg to, std::string_view text) override {
        if (to == relay::Leg::B) said.emplace_back(text);
    }
    std::vector<std::string> said;  // to B
    std::vector<std::string> played;
};

class NotedEvents : public EventOutlet {
public:
    void tell(const RecordingEvent& event) override {
        told.push_back(event.kind + " " + event.reason.code);
    }
    std::vector<std::string> told;
};

// Two aware parties; bob is to be told of a recording that begins in mid-call.
class IndicatorTest : public b2bua::SwitchboardFixture {
protected:
    void SetUp() override { call("record-aware", b2bua::sdp_of("192.0.2.1", 7000)); }
    // `to_bob`: the description that he is told.
    void call(const std::string& supported, const std::string& to_bob) {
        host.on_event = [this](b2bua::CallKey key, const b2bua::CallEvent& event) {
            if (const auto* told = std::get_if<b2bua::ToldAnew>(&event))
                indicator_.on_told_anew(now, key, *told);
        };
        sip::OutOfDialogSpec spec = invite_spec();
        spec.headers = {{"Supported", supported}};
        start(alice, spec);
        const auto invite = request_at(bob).transaction;
        sip::ResponseSpec answer = ok_with(b2bua::sdp_of("192.0.2.20", 6000));
        answer.headers = {{"Supported", supported}};
        respond(bob, invite, answer);
        acknowledge(alice, response_at(alice).dialog);
        call_ = host.last_call;
        indicator_.describe(call_, Leg::B, to_bob);
        host.more = "a=record:on\r\n";  // as describe() would write it
        host.take_log();
        bob.heard.clear();
    }
    void update(RecordState state) {
        shares_ = {{.state = state, .is_running = true, .media = {}, .how = &tone_}};
        EXPECT_FALSE(indicator_.update(now, call_, config_));
        run();
    }
    Means means() const { return indicator_.means(call_)[1]; }

    const policy::IndicationSettings tone_{};
    const ClientConfig config_{};
    PlayingPlane plane_;
    NotedEvents events_;
    std::vector<RecordingShare> shares_;
    b2bua::CallKey call_;
    Indicator indicator_{{.switchboard = switchboard,
                          .plane = plane_,
                          .events = events_,
                          .shares = [this](b2bua::CallKey) { return shares_; }}};
};

TEST_F(IndicatorTest, APlaneThatHasNoDescriptionForAWhileMakesNobodyUnaware) {
    host.refuses_media = true;
    update(RecordState::On);
    EXPECT_EQ(means(), Means::Attribute);
    host.refuses_media = false;
    run(b2bua::kTellAgainTime);
    respond(bob, request_at(bob).transaction, ok_with(b2bua::sdp_of("192.0.2.20", 6000)));
    EXPECT_THAT(events_.told,
                ElementsAre("indication a=record", "indication a=record", "indication told_anew"));
    EXPECT_THAT(plane_.played, IsEmpty());
}

TEST_F(IndicatorTest, OneThatHasNoneForLongLetsHerHearItUntilOneArrives) {
    host.refuses_media = true;
    update(RecordState::On);
    run(b2bua::kMaxTellFailures * b2bua::kTellAgainTime);
    EXPECT_THAT(events_.told, ElementsAre("indication a=record", "indication a=record",
                                          "indication_failed not_told"));
    host.take_log();
    update(RecordState::On);
    EXPECT_EQ(means(), Means::Tone);
    EXPECT_THAT(plane_.played, ElementsAre("sound"));
    run(b2bua::kMaxTellFailures * b2bua::kTellAgainTime);
    EXPECT_THAT(host.take_log(), IsEmpty()) << "it is not asked for the same again";

    host.refuses_media = false;
    update(RecordState::Paused);
    respond(bob, request_at(bob).transaction, ok_with(b2bua::sdp_of("192.0.2.20", 6000)));
    plane_.played.clear();
    update(RecordState::On);
    EXPECT_EQ(means(), Means::Attribute);
}

class ReaderTest : public IndicatorTest {
protected:
    void SetUp() override {
        const std::string chat =
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
            "m=message 7000 TCP/MSRP *\r\n";
        call("timer", chat);
        indicator_.describe(call_, Leg::A, chat);
    }
};

TEST_F(ReaderTest, WhoDoesNotUnderstandTheAttributeReadsItInTheChat) {
    update(RecordState::On);
    EXPECT_EQ(means(), Means::Line);
    update(RecordState::On);
    update(RecordState::Paused);
    update(RecordState::On);
    update(RecordState::Off);
    EXPECT_THAT(
        plane_.said,
        ElementsAre("This chat is recorded.", "The recording of this chat is paused.",
                    "The recording of this chat goes on.", "This chat is not recorded any more."));
    EXPECT_THAT(plane_.played, IsEmpty());  // there is nothing to hear
}

TEST_F(IndicatorTest, WhoUnderstandsTheAttributeReadsNothing) {
    update(RecordState::On);
    EXPECT_THAT(plane_.said, IsEmpty());
}

}  // namespace
}  // namespace earshot::client
