// What is said within a call: re-INVITE, UPDATE, PRACK, INFO and the like, in both directions.
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
using testing::SizeIs;

sip::RequestSpec with_sdp(std::string method, const std::string& sdp) {
    return {.method = std::move(method), .content_type = "application/sdp", .body = sdp};
}

std::string body_of(const sip::Message& message) {
    return std::string(base::as_text(message.body()));
}

class SwitchboardDialog : public SwitchboardFixture {
protected:
    const LegFacts& leg(Leg which) { return switchboard.find_call(host.last_call)->leg(which); }

    void reinvite(Phone& asker, sip::DialogId asks, Phone& answerer, const std::string& offer,
                  const std::string& answer) {
        request(asker, asks, with_sdp("INVITE", offer));
        respond(answerer, request_at(answerer).transaction, ok_with(answer));
        EXPECT_EQ(response_at(asker).message.status(), 200);
        acknowledge(asker, asks);
        EXPECT_TRUE(answerer.take<sip::AckArrived>().has_value());
    }
};

TEST_F(SwitchboardDialog, PassesAReinviteOfEitherSideAndTellsOfHold) {
    establish();
    reinvite(alice, alice_dialog, bob, sdp_of("192.0.2.10", 4000, "sendonly", 2),
             sdp_of("192.0.2.20", 6000, "recvonly", 2));
    EXPECT_THAT(host.take_log(),
                ElementsAre("offer A", "INVITE A", "answer B", "media A", "held A"));
    EXPECT_TRUE(leg(Leg::A).is_holding);
    EXPECT_FALSE(leg(Leg::B).is_holding);
    reinvite(alice, alice_dialog, bob, sdp_of("192.0.2.10", 4000, "sendrecv", 3),
             sdp_of("192.0.2.20", 6000, "sendrecv", 3));
    EXPECT_THAT(host.take_log(),
                ElementsAre("offer A", "INVITE A", "answer B", "media A", "unheld A"));
    reinvite(bob, bob_dialog, alice, sdp_of("192.0.2.20", 6000, "inactive", 4),
             sdp_of("192.0.2.10", 4000, "inactive", 4));
    EXPECT_THAT(host.take_log(),
                ElementsAre("offer B", "INVITE B", "answer A", "media B", "held B"));
    EXPECT_EQ(leg(Leg::B).remote_sdp, sdp_of("192.0.2.20", 6000, "inactive", 4));
    EXPECT_EQ(leg(Leg::A).remote_sdp, sdp_of("192.0.2.10", 4000, "inactive", 4));
}

TEST_F(SwitchboardDialog, SaysNothingOfARefreshThatChangesNothing) {
    establish();
    reinvite(alice, alice_dialog, bob, sdp_of("192.0.2.10", 4000), sdp_of("192.0.2.20", 6000));
    EXPECT_THAT(host.take_log(), ElementsAre("offer A", "INVITE A", "answer B"));
}

TEST_F(SwitchboardDialog, RollsARefusedOfferBack) {
    establish();
    request(alice, alice_dialog, with_sdp("INVITE", sdp_of("192.0.2.10", 4002)));
    respond(bob, request_at(bob).transaction, {.status = 488});
    EXPECT_EQ(response_at(alice).message.status(), 488);
    EXPECT_THAT(host.take_log(), ElementsAre("offer A", "INVITE A", "rollback A", "media A"));
    EXPECT_EQ(leg(Leg::A).remote_sdp, sdp_of("192.0.2.10", 4000));
    EXPECT_EQ(switchboard.call_count(), 1U);
}

TEST_F(SwitchboardDialog, WhatAnEarlyAnswerHasChangedIsUndoneWithTheRefusedOffer) {
    establish();
    request(alice, alice_dialog, with_sdp("INVITE", sdp_of("192.0.2.10", 4002)));
    const auto arrived = request_at(bob);
    sip::ResponseSpec early = ok_with(sdp_of("192.0.2.20", 6002));
    early.status = 183;
    respond(bob, arrived.transaction, early);
    EXPECT_EQ(leg(Leg::B).remote_sdp, sdp_of("192.0.2.20", 6002));
    respond(bob, arrived.transaction, {.status = 488});
    EXPECT_EQ(leg(Leg::A).remote_sdp, sdp_of("192.0.2.10", 4000));
    EXPECT_EQ(leg(Leg::B).remote_sdp, sdp_of("192.0.2.20", 6000));
    EXPECT_EQ(host.take_log().back(), "media A");
}

TEST_F(SwitchboardDialog, AnOfferThatTheMediaPlaneTakesTooLateIsRolledBack) {
    establish();
    host.is_slow = true;
    request(alice, alice_dialog, with_sdp("INVITE", sdp_of("192.0.2.10", 4002)));
    run(kMaxHostTime);
    EXPECT_EQ(response_at(alice).message.status(), 488);
    EXPECT_THAT(host.take_log(), ElementsAre("offer A"));
    host.answer_all();
    run();
    EXPECT_THAT(host.take_log(), ElementsAre("rollback A"));
    EXPECT_EQ(leg(Leg::A).remote_sdp, sdp_of("192.0.2.10", 4000));
    EXPECT_EQ(switchboard.call_count(), 1U);
}

TEST_F(SwitchboardDialog, RefusesAReinviteThatTheMediaPlaneRefusesAndKeepsTheCall) {
    establish();
    host.refuses_media = true;
    request(alice, alice_dialog, with_sdp("INVITE", sdp_of("192.0.2.10", 4002)));
    EXPECT_EQ(response_at(alice).message.status(), 488);
    EXPECT_THAT(bob.heard, IsEmpty());
    EXPECT_EQ(switchboard.call_count(), 1U);
}

TEST_F(SwitchboardDialog, PassesAReinviteWithoutOffer) {
    establish();
    request(bob, bob_dialog, {.method = "INVITE"});
    respond(alice, request_at(alice).transaction, ok_with(sdp_of("192.0.2.10", 4002)));
    const auto ok = response_at(bob);
    EXPECT_THAT(body_of(ok.message), HasSubstr("m=audio 4002"));
    EXPECT_FALSE(alice.take<sip::AckArrived>().has_value());
    acknowledge(bob, bob_dialog, with_sdp("", sdp_of("192.0.2.20", 6002)));
    const auto ack = alice.take<sip::AckArrived>();
    ASSERT_TRUE(ack.has_value());
    EXPECT_THAT(body_of(ack->message), HasSubstr("m=audio 6002"));
    EXPECT_THAT(host.take_log(), ElementsAre("INVITE B", "offer A", "answer B", "media A"));
}

TEST_F(SwitchboardDialog, LetsBothSidesSolveTheirGlare) {  // RFC 3261 §14.1
    establish();
    ASSERT_TRUE(
        alice.agent
            .send_request(now.steady, alice_dialog, with_sdp("INVITE", sdp_of("192.0.2.10", 4002)))
            .has_value());
    ASSERT_TRUE(
        bob.agent
            .send_request(now.steady, bob_dialog, with_sdp("INVITE", sdp_of("192.0.2.20", 6002)))
            .has_value());
    run();
    const auto at_alice = response_at(alice);
    const auto at_bob = response_at(bob);
    EXPECT_EQ(at_alice.message.status(), 491);
    EXPECT_EQ(at_bob.message.status(), 491);
    EXPECT_TRUE(at_alice.retry_after.has_value());
    EXPECT_GT(*at_alice.retry_after, *at_bob.retry_after);
    EXPECT_THAT(host.log, Contains("rollback A"));
    EXPECT_EQ(switchboard.call_count(), 1U);
    host.take_log();
    reinvite(bob, bob_dialog, alice, sdp_of("192.0.2.20", 6002), sdp_of("192.0.2.10", 4000));
}

TEST_F(SwitchboardDialog, PassesACancelOfAReinvite) {
    establish();
    const auto id = request(alice, alice_dialog, with_sdp("INVITE", sdp_of("192.0.2.10", 4002)));
    const auto invite = request_at(bob);
    ASSERT_TRUE(alice.agent.cancel(now.steady, id).has_value());
    run();
    EXPECT_EQ(response_at(alice).message.status(), 487);
    EXPECT_TRUE(bob.take<sip::CancelArrived>().has_value());
    EXPECT_THAT(host.take_log(), ElementsAre("offer A", "INVITE A", "rollback A", "media A"));
    EXPECT_EQ(switchboard.call_count(), 1U);
}

TEST_F(SwitchboardDialog, PassesUpdateWithAndWithoutOffer) {  // RFC 3311
    establish();
    request(alice, alice_dialog, {.method = "UPDATE", .headers = {{"X-Tick", "1"}}});
    const auto plain = request_at(bob);
    EXPECT_EQ(*plain.message.find("X-Tick"), "1");
    respond(bob, plain.transaction, {.status = 200, .headers = {{"X-Tock", "2"}}});
    EXPECT_EQ(*response_at(alice).message.find("X-Tock"), "2");
    request(bob, bob_dialog, with_sdp("UPDATE", sdp_of("192.0.2.20", 6002)));
    respond(alice, request_at(alice).transaction, ok_with(sdp_of("192.0.2.10", 4002)));
    EXPECT_THAT(body_of(response_at(bob).message), HasSubstr("m=audio 4002"));
    EXPECT_THAT(host.take_log(),
                ElementsAre("UPDATE A", "offer B", "UPDATE B", "answer A", "media B"));
}

TEST_F(SwitchboardDialog, RefusesASecondOfferBeforeTheFirstIsAnswered) {  // RFC 3311 §5.2
    establish();
    request(alice, alice_dialog, with_sdp("UPDATE", sdp_of("192.0.2.10", 4002)));
    const auto first = request_at(bob);
    request(bob, bob_dialog, with_sdp("UPDATE", sdp_of("192.0.2.20", 6002)));
    EXPECT_EQ(response_at(bob).message.status(), 491);
    request(alice, alice_dialog, with_sdp("INVITE", sdp_of("192.0.2.10", 4004)));
    EXPECT_EQ(response_at(alice).message.status(), 500);
    respond(bob, first.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_EQ(response_at(alice).message.status(), 200);
}

TEST_F(SwitchboardDialog, PassesWhatItDoesNotKnow) {
    establish();
    for (const std::string method : {"INFO", "MESSAGE", "NOTIFY", "OPTIONS", "X-DANCE"}) {
        request(alice, alice_dialog,
                {.method = method,
                 .headers = {{"X-One", "a, b"}, {"Event", "x"}},
                 .content_type = "application/dtmf-relay",
                 .body = "Signal=5\r\n"});
        const auto there = request_at(bob);
        EXPECT_EQ(there.message.method_name(), method);
        EXPECT_EQ(*there.message.find("X-One"), "a, b");
        EXPECT_EQ(body_of(there.message), "Signal=5\r\n");
        respond(bob, there.transaction, {.status = 299, .phrase = "Fine By Me"});
        const auto back = response_at(alice);
        EXPECT_EQ(back.message.status(), 299);
        EXPECT_EQ(back.message.reason(), "Fine By Me");
        EXPECT_THAT(host.take_log(), ElementsAre(method + " A"));
    }
}

TEST_F(SwitchboardDialog, TellsTheAskerThatNobodyAnswers) {
    establish();
    is_dark["bob"] = true;
    request(alice, alice_dialog, {.method = "INFO"});
    run(33s);  // she has given up a moment before us
    EXPECT_TRUE(alice.take<sip::TransactionTimedOut>().has_value());
    EXPECT_EQ(switchboard.call_count(), 1U);
    // A session refresh that nobody answers ends the call (RFC 3261 §12.2.1.2).
    request(alice, alice_dialog, with_sdp("INVITE", sdp_of("192.0.2.10", 4000)));
    run(33s);
    EXPECT_EQ(response_at(alice).message.status(), 408);
    EXPECT_EQ(host.log.back(), "ended no_answer 0");
    EXPECT_EQ(request_at(alice).message.method(), sip::Method::Bye);
    expect_nothing_left();
}

TEST_F(SwitchboardDialog, EndsACallThatOneSideKnowsNoMore) {
    establish();
    bob.agent.end_dialog(now.steady, bob_dialog);
    request(alice, alice_dialog, with_sdp("INVITE", sdp_of("192.0.2.10", 4000)));
    EXPECT_EQ(response_at(alice).message.status(), 481);
    EXPECT_EQ(host.log.back(), "ended unreachable 0");
    EXPECT_EQ(request_at(alice).message.method(), sip::Method::Bye);
    expect_nothing_left();
}

TEST_F(SwitchboardDialog, EndsACallThatIsNotRefreshed) {  // RFC 4028
    sip::OutOfDialogSpec spec = invite_spec();
    spec.headers = {{"Supported", "timer"}, {"Session-Expires", "1800"}, {"Min-SE", "90"}};
    start(alice, spec);
    const auto invite = request_at(bob);
    EXPECT_EQ(*invite.message.find(HeaderId::SessionExpires), "1800");
    EXPECT_EQ(*invite.message.find(HeaderId::MinSe), "90");
    sip::ResponseSpec ok = ok_with(sdp_of("192.0.2.20", 6000));
    ok.headers = {{"Require", "timer"}, {"Session-Expires", "200;refresher=uac"}};
    bob_dialog = respond(bob, invite.transaction, ok);
    const auto answer = response_at(alice);
    EXPECT_EQ(*answer.message.find(HeaderId::SessionExpires), "200;refresher=uac");
    EXPECT_EQ(*answer.message.find(HeaderId::Require), "timer");
    acknowledge(alice, answer.dialog);
    run(190s);
    EXPECT_EQ(switchboard.call_count(), 1U);
    request(alice, answer.dialog, {.method = "UPDATE"});
    respond(bob, request_at(bob).transaction,
            {.status = 200, .headers = {{"Session-Expires", "200;refresher=uac"}}});
    run(190s);
    EXPECT_EQ(switchboard.call_count(), 1U);
    run(20s);
    EXPECT_EQ(host.log.back(), "ended no_refresh 0");
    EXPECT_EQ(request_at(bob).message.method(), sip::Method::Bye);
    EXPECT_EQ(request_at(alice).message.method(), sip::Method::Bye);
    expect_nothing_left();
}

TEST_F(SwitchboardDialog, TellsOfTheAssertedIdentity) {  // RFC 3325
    sip::OutOfDialogSpec spec = invite_spec();
    spec.headers = {{"P-Asserted-Identity", "\"Ann\" <sip:ann@example.com>, <tel:+4912>"}};
    start(alice, spec);
    const auto invite = request_at(bob);
    EXPECT_EQ(*invite.message.find(HeaderId::PAssertedIdentity),
              "\"Ann\" <sip:ann@example.com>, <tel:+4912>");
    EXPECT_THAT(leg(Leg::A).asserted,
                ElementsAre(Party{"sip:ann@example.com", "Ann"}, Party{"tel:+4912", ""}));
    sip::ResponseSpec ok = ok_with(sdp_of("192.0.2.20", 6000));
    ok.headers = {{"P-Asserted-Identity", "<sip:bob@example.com>"}};
    bob_dialog = respond(bob, invite.transaction, ok);
    acknowledge(alice, response_at(alice).dialog);
    EXPECT_THAT(host.take_log(), Contains("party B sip:bob@example.com"));
    request(bob, bob_dialog,
            {.method = "UPDATE", .headers = {{"P-Asserted-Identity", "<sip:dave@example.com>"}}});
    EXPECT_THAT(host.take_log(), ElementsAre("party B sip:dave@example.com", "UPDATE B"));
}

TEST_F(SwitchboardDialog, PassesSessionIdAndMakesTheHalfThatIsMissing) {  // RFC 7989
    const std::string ours = "ab30317f1a784dc48ff824d0d3715d86";
    sip::OutOfDialogSpec spec = invite_spec();
    spec.headers = {{"Session-ID", ours + ";remote=00000000000000000000000000000000"}};
    start(alice, spec);
    const auto invite = request_at(bob);
    EXPECT_EQ(*invite.message.find(HeaderId::SessionId),
              ours + ";remote=00000000000000000000000000000000");
    respond(bob, invite.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    const std::string back(*response_at(alice).message.find(HeaderId::SessionId));
    EXPECT_EQ(leg(Leg::A).session_uuid, ours);
    EXPECT_THAT(leg(Leg::B).session_uuid, SizeIs(32));
    EXPECT_EQ(back, leg(Leg::B).session_uuid + ";remote=" + ours);
}

// ---- reliable provisional responses, RFC 3262

class SwitchboardReliable : public SwitchboardDialog {
protected:
    void call(bool alice_takes_reliable = true, bool has_offer = true) {
        sip::OutOfDialogSpec spec = invite_spec();
        if (alice_takes_reliable) spec.headers = {{"Supported", "100rel"}};
        if (!has_offer) {
            spec.content_type.clear();
            spec.body.clear();
        }
        start(alice, spec);
        auto arrived = request_at(bob);
        EXPECT_EQ(arrived.message.lists(HeaderId::Supported, "100rel"), alice_takes_reliable);
        invite = arrived.transaction;
    }
    sip::ResponseSpec progress(const std::string& sdp) {
        return {.status = 183,
                .content_type = sdp.empty() ? "" : "application/sdp",
                .body = sdp,
                .is_reliable = true};
    }
    sip::TransactionId invite;
};

TEST_F(SwitchboardReliable, PassesThePrackThatAcknowledgesForBoth) {
    call();
    respond(bob, invite, progress(sdp_of("192.0.2.20", 6000)));
    const auto at_alice = response_at(alice);
    EXPECT_TRUE(at_alice.message.lists(HeaderId::Require, "100rel"));
    EXPECT_THAT(body_of(at_alice.message), HasSubstr("c=IN IP4 192.0.2.1\r\n"));
    const auto prack = request_at(bob);  // alice's, by her Agent
    EXPECT_EQ(prack.message.method(), sip::Method::Prack);
    respond(bob, prack.transaction, {.status = 200});
    bob_dialog = respond(bob, invite, {.status = 200});
    const auto ok = response_at(alice);
    EXPECT_EQ(ok.message.status(), 200);
    acknowledge(alice, ok.dialog);
    EXPECT_TRUE(bob.take<sip::AckArrived>().has_value());
    EXPECT_THAT(host.take_log(), ElementsAre("arrived", "offer A", "answer B", "media A early",
                                             "early 183 media", "answered"));
    request(bob, bob_dialog, {.method = "BYE"});
    respond(alice, request_at(alice).transaction, {.status = 200});
    expect_nothing_left();
}

TEST_F(SwitchboardReliable, AcknowledgesForACallerThatDoesNotKnowIt) {
    call(false);
    respond(bob, invite, progress(sdp_of("192.0.2.20", 6000)));
    EXPECT_FALSE(response_at(alice).message.has(HeaderId::Rseq));
    EXPECT_EQ(request_at(bob).message.method(), sip::Method::Prack);
}

TEST_F(SwitchboardReliable, LetsThePrackCarryTheAnswer) {
    call(true, false);
    respond(bob, invite, progress(sdp_of("192.0.2.20", 6000)));
    const auto offer = response_at(alice);
    EXPECT_THAT(body_of(offer.message), HasSubstr("m=audio 6000"));
    request(alice, offer.dialog,
            {.method = "PRACK",
             .headers = {{"RAck", sip::rack_value(offer.message)}},
             .content_type = "application/sdp",
             .body = sdp_of("192.0.2.10", 4000)});
    const auto prack = request_at(bob);
    EXPECT_THAT(body_of(prack.message), HasSubstr("m=audio 4000"));
    respond(bob, prack.transaction, {.status = 200});
    EXPECT_EQ(response_at(alice).message.status(), 200);
    respond(bob, invite, {.status = 200});
    acknowledge(alice, response_at(alice).dialog);
    EXPECT_TRUE(bob.take<sip::AckArrived>().has_value());
    EXPECT_THAT(host.take_log(), ElementsAre("arrived", "offer B", "early 183 media", "answer A",
                                             "media B early", "answered"));
}

TEST_F(SwitchboardReliable, PassesAnUpdateBeforeTheAnswer) {
    call();
    respond(bob, invite, progress(sdp_of("192.0.2.20", 6000)));
    const auto early = response_at(alice);
    respond(bob, request_at(bob).transaction, {.status = 200});
    request(alice, early.dialog, with_sdp("UPDATE", sdp_of("192.0.2.10", 4002)));
    respond(bob, request_at(bob).transaction, ok_with(sdp_of("192.0.2.20", 6002)));
    EXPECT_EQ(response_at(alice).message.status(), 200);
    // The old answer said again in the 2xx is not to undo it.
    respond(bob, invite, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_THAT(body_of(response_at(alice).message), IsEmpty());
    EXPECT_EQ(leg(Leg::B).remote_sdp, sdp_of("192.0.2.20", 6002));
}

// A seed of the simulation left its transaction behind.
TEST_F(SwitchboardReliable, AnswersAPrackThatWaitsForTheMediaWhenTheCallEnds) {
    call(true, false);
    respond(bob, invite, progress(sdp_of("192.0.2.20", 6000)));
    const auto offer = response_at(alice);
    host.is_slow = true;
    request(alice, offer.dialog,
            {.method = "PRACK",
             .headers = {{"RAck", sip::rack_value(offer.message)}},
             .content_type = "application/sdp",
             .body = sdp_of("192.0.2.10", 4000)});
    switchboard.end(now, host.last_call, 503, {"whim", "So."});
    run();
    std::vector<int> statuses;
    for (const sip::Action& action : alice.heard)
        if (const auto* response = std::get_if<sip::ResponseArrived>(&action))
            statuses.push_back(response->message.status());
    EXPECT_THAT(statuses, ElementsAre(487, 503));
    expect_nothing_left();
}

TEST_F(SwitchboardReliable, RefusesTheCallWhenNoPrackComes) {
    call();
    is_dark["alice"] = true;
    respond(bob, invite, progress(sdp_of("192.0.2.20", 6000)));
    run(32s);
    EXPECT_EQ(host.log.back(), "ended no_prack 504");
    expect_nothing_left();
}

TEST_F(SwitchboardReliable, StripsWhatEndsHere) {
    sip::OutOfDialogSpec spec = invite_spec();
    spec.headers = {{"Supported", "timer, 199, x-own, gruu"}, {"Supported", "outbound"}};
    start(alice, spec);
    EXPECT_THAT(request_at(bob).message.all(HeaderId::Supported), ElementsAre("timer, x-own"));
}

}  // namespace
}  // namespace earshot::b2bua
