// Descriptions that one leg is told anew, for the host has something new to say in them.
#include <gmock/gmock.h>

#include "b2bua/limits.h"
#include "b2bua/switchboard_fixture.h"

namespace earshot::b2bua {
namespace {

using sip::HeaderId;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string body_of(const sip::Message& message) {
    return std::string(base::as_text(message.body()));
}

class SwitchboardTelling : public SwitchboardFixture {
protected:
    // A call whose legs take UPDATE or do not.
    void call(std::string_view allow, std::vector<sip::ExtraHeader> more = {}) {
        sip::OutOfDialogSpec spec = invite_spec();
        spec.headers = {{"Allow", std::string(allow)}, {"Supported", "timer, record-aware"}};
        start(alice, spec);
        bob_invite = request_at(bob).transaction;
        sip::ResponseSpec answer = ok_with(sdp_of("192.0.2.20", 6000));
        answer.headers = {{"Allow", std::string(allow)}};
        answer.headers.insert(answer.headers.end(), more.begin(), more.end());
        bob_dialog = respond(bob, bob_invite, answer);
        alice_dialog = response_at(alice).dialog;
        acknowledge(alice, alice_dialog);
        host.take_log();
        alice.heard.clear();
        bob.heard.clear();
    }
    void tell(Leg leg) {
        host.more = "a=record:on\r\n";
        switchboard.tell_anew(now, host.last_call, leg);
        run();
    }
    const CallFacts& facts() { return *switchboard.find_call(host.last_call); }
    bool is_own_fault_ = false;
};

TEST_F(SwitchboardTelling, GoesByUpdateToALegThatAllowsIt) {
    call("INVITE, ACK, BYE, UPDATE");
    EXPECT_THAT(facts().leg(Leg::A).supported, ElementsAre("timer", "record-aware"));
    EXPECT_THAT(facts().leg(Leg::B).supported, IsEmpty());
    tell(Leg::B);
    const auto update = request_at(bob);
    EXPECT_EQ(update.message.method(), sip::Method::Update);
    EXPECT_THAT(body_of(update.message), HasSubstr("m=audio 4000"));
    EXPECT_THAT(body_of(update.message), HasSubstr("a=record:on"));
    EXPECT_FALSE(update.message.find("Session-Expires"));
    respond(bob, update.transaction, ok_with(sdp_of("192.0.2.20", 6002, "sendrecv", 2)));
    EXPECT_THAT(host.take_log(),
                ElementsAre("offer A", "answer B unheard", "media A", "told B 200"));
    EXPECT_THAT(alice.heard, IsEmpty()) << "nobody asked the other side";
    EXPECT_THAT(facts().leg(Leg::B).local_sdp, HasSubstr("a=record:on"));
    EXPECT_THAT(facts().leg(Leg::B).remote_sdp, HasSubstr("m=audio 6002"));
    EXPECT_THAT(facts().leg(Leg::A).local_sdp, Not(HasSubstr("a=record")));
}

TEST_F(SwitchboardTelling, GoesByReinviteElseAndIsAcknowledged) {
    call("INVITE, ACK, BYE");
    tell(Leg::A);
    const auto invite = request_at(alice);
    EXPECT_EQ(invite.message.method(), sip::Method::Invite);
    EXPECT_THAT(body_of(invite.message), HasSubstr("m=audio 6000"));
    respond(alice, invite.transaction, ok_with(sdp_of("192.0.2.10", 4000)));
    EXPECT_TRUE(alice.take<sip::AckArrived>());
    EXPECT_THAT(host.take_log(),
                ElementsAre("offer B", "answer A unheard", "media B", "told A 200"));
    EXPECT_THAT(bob.heard, IsEmpty());
}

TEST_F(SwitchboardTelling, WaitsForTheAckOfTheCaller) {
    sip::OutOfDialogSpec spec = invite_spec();
    start(alice, spec);
    bob_invite = request_at(bob).transaction;
    bob_dialog = respond(bob, bob_invite, ok_with(sdp_of("192.0.2.20", 6000)));
    alice_dialog = response_at(alice).dialog;
    tell(Leg::B);
    EXPECT_EQ(bob.count<sip::RequestArrived>(), 0U);
    acknowledge(alice, alice_dialog);
    EXPECT_EQ(request_at(bob).message.method(), sip::Method::Invite);
}

TEST_F(SwitchboardTelling, WaitsUntilAnOfferThatIsUnderWayIsAnswered) {
    call("INVITE, ACK, BYE");
    request(alice, alice_dialog,
            {.method = "INVITE",
             .content_type = "application/sdp",
             .body = sdp_of("192.0.2.10", 4002, "sendonly", 2)});
    const auto hold = request_at(bob);
    switchboard.tell_anew(now, host.last_call, Leg::B);
    switchboard.tell_anew(now, host.last_call, Leg::B);
    run();
    EXPECT_EQ(bob.count<sip::RequestArrived>(), 0U);
    respond(bob, hold.transaction, ok_with(sdp_of("192.0.2.20", 6000, "recvonly", 2)));
    acknowledge(alice, alice_dialog);
    EXPECT_EQ(bob.count<sip::RequestArrived>(), 0U) << "it has just been told all that there is";
    EXPECT_THAT(host.take_log(), Contains("told B 0"));
}

TEST_F(SwitchboardTelling, IsTriedAgainAfterGlare) {
    call("INVITE, ACK, BYE");
    tell(Leg::B);
    respond(bob, request_at(bob).transaction, {.status = 491});
    EXPECT_THAT(host.take_log(), ElementsAre("offer A", "rollback A"));
    run(5s);
    const auto again = request_at(bob);
    EXPECT_THAT(body_of(again.message), HasSubstr("a=record:on"));
    respond(bob, again.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_THAT(host.take_log(), Contains("told B 200"));
}

TEST_F(SwitchboardTelling, AnswersAnOfferThatCrossesItBy491) {
    call("INVITE, ACK, BYE");
    tell(Leg::B);
    const auto invite = request_at(bob);
    request(alice, alice_dialog,
            {.method = "INVITE",
             .content_type = "application/sdp",
             .body = sdp_of("192.0.2.10", 4002)});
    EXPECT_EQ(response_at(alice).message.status(), 491);
    respond(bob, invite.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_THAT(host.take_log(), Contains("told B 200"));
}

TEST_F(SwitchboardTelling, ARefusalLeavesTheCallAsItWas) {
    call("INVITE, ACK, BYE");
    tell(Leg::B);
    respond(bob, request_at(bob).transaction, {.status = 488});
    EXPECT_THAT(host.take_log(), ElementsAre("offer A", "rollback A", "told B 488 not"));
    EXPECT_THAT(facts().leg(Leg::B).local_sdp, Not(HasSubstr("a=record")));
    EXPECT_EQ(switchboard.call_count(), 1U);
}

TEST_F(SwitchboardTelling, SilenceAndAnAnswerWithoutADescriptionAreRefusals) {
    call("INVITE, ACK, BYE, UPDATE");
    tell(Leg::A);
    respond(alice, request_at(alice).transaction, {.status = 200});
    EXPECT_THAT(host.take_log(), ElementsAre("offer B", "rollback B", "told A 200 not"));
    tell(Leg::A);
    request_at(alice);
    run(40s);
    EXPECT_THAT(host.take_log(), Contains("told A 0 not"));
    EXPECT_EQ(switchboard.call_count(), 1U) << "a call is not ended for want of an indication";
}

TEST_F(SwitchboardTelling, WhereTheDialogIsUnknownTheCallIsOver) {
    call("INVITE, ACK, BYE");
    tell(Leg::B);
    respond(bob, request_at(bob).transaction, {.status = 481});
    EXPECT_THAT(host.take_log(), Contains("ended unreachable 0"));
    EXPECT_EQ(request_at(alice).message.method(), sip::Method::Bye);
}

TEST_F(SwitchboardTelling, ARefusingMediaPlaneIsTold) {
    call("INVITE, ACK, BYE");
    host.refuses_media = true;
    host.on_event = [this](CallKey, const CallEvent& event) {
        if (const auto* told = std::get_if<ToldAnew>(&event)) is_own_fault_ = told->is_own_fault;
    };
    tell(Leg::B);
    EXPECT_THAT(host.take_log(), ElementsAre("offer A"));
    run(kMaxTellFailures * kTellAgainTime);
    EXPECT_THAT(host.take_log(), ElementsAre("offer A", "offer A", "offer A", "told B 0 not"));
    EXPECT_TRUE(is_own_fault_);
    run(60s);
    EXPECT_THAT(host.take_log(), IsEmpty());
}

TEST_F(SwitchboardTelling, AMediaPlaneThatIsBackInTimeTellsAsIfNothingHadBeen) {
    call("INVITE, ACK, BYE");
    host.refuses_media = true;
    tell(Leg::B);
    host.refuses_media = false;
    run(kTellAgainTime);
    respond(bob, request_at(bob).transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_THAT(host.take_log(), Contains("told B 200"));
}

// The leg has taken it: what it does not know by then is where our side would have its media.
TEST_F(SwitchboardTelling, AMediaPlaneThatTakesNoAnswerIsAskedAgain) {
    call("INVITE, ACK, BYE");
    tell(Leg::B);
    const auto first = request_at(bob);
    host.refuses_media = true;
    respond(bob, first.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_THAT(host.take_log(), ElementsAre("offer A", "answer B unheard", "rollback A"));
    host.refuses_media = false;
    run(kTellAgainTime);
    respond(bob, request_at(bob).transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_THAT(host.take_log(), Contains("told B 200"));
}

TEST_F(SwitchboardTelling, ByeInBetweenEndsAllOfIt) {
    call("INVITE, ACK, BYE");
    tell(Leg::B);
    const auto invite = request_at(bob);
    request(alice, alice_dialog, {.method = "BYE"});
    run();
    respond(bob, invite.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    respond(bob, request_at(bob).transaction, {.status = 200});
    expect_nothing_left();
}

// RFC 4028 §7.4: a refresh that does not name the interval ends the timer.
TEST_F(SwitchboardTelling, KeepsTheSessionTimerOfBothLegsRunning) {
    call("INVITE, ACK, BYE, UPDATE",
         {{"Require", "timer"}, {"Session-Expires", "600;refresher=uas"}});
    tell(Leg::B);  // who refreshes
    const auto update = request_at(bob);
    EXPECT_EQ(update.message.find("Session-Expires"), "600;refresher=uas");
    respond(bob, update.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    // It counts anew from now on, and so must the other one.
    const auto other_leg = request_at(alice);
    EXPECT_EQ(other_leg.message.method(), sip::Method::Update);
    EXPECT_EQ(other_leg.message.find("Session-Expires"), "600;refresher=uac");
    respond(alice, other_leg.transaction, ok_with(sdp_of("192.0.2.10", 4000)));
    EXPECT_EQ(bob.count<sip::RequestArrived>(), 0U);
    run(590s);
    EXPECT_EQ(switchboard.call_count(), 1U);
    run(20s);
    EXPECT_EQ(switchboard.call_count(), 0U);
}

}  // namespace
}  // namespace earshot::b2bua
