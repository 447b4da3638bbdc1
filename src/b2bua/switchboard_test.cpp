// Calls through the switchboard: from the INVITE to the end of both legs.
#include <gmock/gmock.h>

#include "b2bua/limits.h"
#include "b2bua/switchboard_fixture.h"

namespace earshot::b2bua {
namespace {

using sip::HeaderId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class SwitchboardCalls : public SwitchboardFixture {};

TEST_F(SwitchboardCalls, CarriesACallFromInviteToBye) {
    start(alice, invite_spec());
    auto invite = request_at(bob);
    EXPECT_EQ(invite.message.request_uri(), "sip:bob@192.0.2.20");
    EXPECT_EQ(*invite.message.find(HeaderId::To), "<sip:bob@example.com>");
    EXPECT_THAT(std::string(*invite.message.find(HeaderId::From)),
                HasSubstr("\"Alice\" <sip:alice@example.com>;tag="));
    EXPECT_EQ(*invite.message.find(HeaderId::Contact), "<sip:192.0.2.1:5062>");
    EXPECT_THAT(std::string(base::as_text(invite.message.body())),
                HasSubstr("c=IN IP4 192.0.2.1\r\n"));
    respond(bob, invite.transaction, {.status = 180});
    EXPECT_EQ(response_at(alice).message.status(), 180);
    bob_dialog = respond(bob, invite.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    const auto ok = response_at(alice);
    EXPECT_EQ(ok.message.status(), 200);
    EXPECT_THAT(std::string(base::as_text(ok.message.body())),
                HasSubstr("c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 6000"));
    acknowledge(alice, ok.dialog);
    EXPECT_TRUE(bob.take<sip::AckArrived>().has_value());
    EXPECT_THAT(host.take_log(),
                ElementsAre("arrived", "offer A", "early 180", "answer B", "media A", "answered"));
    const CallFacts* facts = switchboard.find_call(host.last_call);
    ASSERT_NE(facts, nullptr);
    EXPECT_EQ(facts->state, CallFacts::State::Answered);
    EXPECT_EQ(facts->leg(Leg::A).address, (Party{"sip:alice@example.com", "Alice"}));
    EXPECT_EQ(facts->leg(Leg::B).address.uri, "sip:bob@example.com");
    EXPECT_EQ(facts->leg(Leg::A).remote_sdp, sdp_of("192.0.2.10", 4000));
    EXPECT_EQ(facts->leg(Leg::B).remote_sdp, sdp_of("192.0.2.20", 6000));
    EXPECT_EQ(base::to_string(facts->leg(Leg::B).flow.remote), "192.0.2.20:5060");
    EXPECT_TRUE(facts->answered_at.has_value());
    EXPECT_EQ(switchboard.find_call_id(facts->leg(Leg::A).call_id), host.last_call);
    EXPECT_EQ(switchboard.find_call_id(facts->leg(Leg::B).call_id), host.last_call);

    request(alice, ok.dialog, {.method = "BYE", .headers = {{"Reason", "Q.850;cause=16"}}});
    EXPECT_EQ(response_at(alice).message.status(), 200);
    const auto bye = request_at(bob);
    EXPECT_EQ(bye.message.method(), sip::Method::Bye);
    EXPECT_EQ(*bye.message.find(HeaderId::Reason), "Q.850;cause=16");
    respond(bob, bye.transaction, {.status = 200});
    EXPECT_THAT(host.take_log(), ElementsAre("ended bye 0"));
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, EndsWhenTheCalleeHangsUp) {
    establish();
    request(bob, bob_dialog, {.method = "BYE"});
    EXPECT_EQ(response_at(bob).message.status(), 200);
    respond(alice, request_at(alice).transaction, {.status = 200});
    EXPECT_THAT(host.take_log(), ElementsAre("ended bye 0"));
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, PassesARefusalWithItsHeadersAndBody) {
    start(alice, invite_spec());
    respond(bob, request_at(bob).transaction,
            {.status = 486,
             .phrase = "Lunch",
             .headers = {{"Warning", "399 x \"out\""}, {"X-Why", "soup"}},
             .content_type = "text/plain",
             .body = "back at two"});
    const auto refusal = response_at(alice);
    EXPECT_EQ(refusal.message.status(), 486);
    EXPECT_EQ(refusal.message.reason(), "Lunch");
    EXPECT_EQ(*refusal.message.find("X-Why"), "soup");
    EXPECT_EQ(base::as_text(refusal.message.body()), "back at two");
    EXPECT_THAT(host.take_log(), ElementsAre("arrived", "offer A", "ended refused 486"));
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, PassesARedirectionWithItsContacts) {
    start(alice, invite_spec());
    respond(bob, request_at(bob).transaction,
            {.status = 302, .headers = {{"Contact", "<sip:carol@192.0.2.30>;q=0.5"}}});
    EXPECT_EQ(*response_at(alice).message.find(HeaderId::Contact), "<sip:carol@192.0.2.30>;q=0.5");
}

TEST_F(SwitchboardCalls, CancelsTheCalleeWhenTheCallerGivesUp) {
    const auto id = start(alice, invite_spec());
    const auto invite = request_at(bob);
    respond(bob, invite.transaction, {.status = 180});
    ASSERT_TRUE(alice.agent.cancel(now.steady, id, {{"Reason", "SIP;cause=200"}}).has_value());
    run();
    const auto cancel = bob.take<sip::CancelArrived>();
    ASSERT_TRUE(cancel.has_value());
    EXPECT_EQ(*cancel->message.find(HeaderId::Reason), "SIP;cause=200");
    EXPECT_EQ(response_at(alice).message.status(), 487);
    EXPECT_EQ(host.log.back(), "ended cancelled 487");
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, EndsTheCalleeWhoseAnswerCrossesTheCancel) {
    const auto id = start(alice, invite_spec());
    const auto invite = request_at(bob);
    respond(bob, invite.transaction, {.status = 180});
    ASSERT_TRUE(alice.agent.cancel(now.steady, id).has_value());
    ASSERT_TRUE(
        bob.agent.respond(now.steady, invite.transaction, ok_with(sdp_of("192.0.2.20", 6000)))
            .has_value());
    run();
    EXPECT_TRUE(bob.take<sip::AckArrived>().has_value());
    const auto bye = request_at(bob);
    EXPECT_EQ(bye.message.method(), sip::Method::Bye);
    respond(bob, bye.transaction, {.status = 200});
    EXPECT_EQ(host.log.back(), "ended cancelled 487");
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, TellsTheCallerThatNobodyIsThere) {
    is_dark["bob"] = true;
    start(alice, invite_spec());
    run(33s);
    EXPECT_EQ(response_at(alice).message.status(), 408);
    EXPECT_EQ(host.log.back(), "ended no_answer 408");
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, GivesUpACalleeThatRingsForEver) {  // RFC 3261 §16.6, timer C
    start(alice, invite_spec());
    const auto invite = request_at(bob);
    respond(bob, invite.transaction, {.status = 180});
    run(kMaxRingTime);
    EXPECT_EQ(response_at(alice).message.status(), 408);
    EXPECT_TRUE(bob.take<sip::CancelArrived>().has_value());
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, TellsTheCallerThatTheNameLeadsNowhere) {
    start(alice, invite_spec("sip:bob@nowhere.example"));
    EXPECT_EQ(response_at(alice).message.status(), 503);
    EXPECT_EQ(host.log.back(), "ended unreachable 503");
}

TEST_F(SwitchboardCalls, EndsBothLegsWhenTheAnswerIsNeverAcknowledged) {
    start(alice, invite_spec());
    respond(bob, request_at(bob).transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    run(40s);
    EXPECT_EQ(host.log.back(), "ended no_ack 0");
    EXPECT_EQ(request_at(bob).message.method(), sip::Method::Bye);
    EXPECT_EQ(request_at(alice).message.method(), sip::Method::Bye);
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, AcknowledgesAndEndsTheSecondBranchThatAnswers) {  // §13.2.2.4
    const auto id = start(alice, invite_spec());
    const sip::Message invite = request_at(bob).message;
    (void)id;
    const auto answer = [&](int status, std::string_view tag) {
        // What a forking proxy brings: the same INVITE answered with two tags.
        const std::string sdp = status > 180 ? sdp_of("192.0.2.20", 6000) : "";
        const std::string text = fmt::format(
            "SIP/2.0 {} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag={}\r\nCall-ID: {}\r\nCSeq: {} "
            "INVITE\r\nContact: <sip:192.0.2.20:5060>\r\nContent-Type: application/sdp\r\n"
            "Content-Length: {}\r\n\r\n{}",
            status, *invite.find(HeaderId::Via), *invite.find(HeaderId::From),
            *invite.find(HeaderId::To), tag, invite.call_id(), invite.cseq().number, sdp.size(),
            sdp);
        auto parsed = sip::parse_message(std::string_view(text));
        us.agent.on_message(now.steady, {.remote = bob.address}, std::move(parsed.message));
        run();
    };
    answer(180, "one");
    EXPECT_EQ(response_at(alice).message.status(), 180);
    answer(183, "two");
    const auto progress = response_at(alice);
    answer(200, "one");
    const auto ok = response_at(alice);
    EXPECT_EQ(ok.message.status(), 200);
    EXPECT_EQ(ok.message.to_tag(), progress.message.to_tag());  // one dialog for all branches
    EXPECT_EQ(ok.dialog, progress.dialog);
    bob.received.clear();
    answer(200, "two");
    run(1s);
    ASSERT_GE(bob.received.size(), 2U);
    EXPECT_THAT(bob.received[0], HasSubstr("ACK sip:"));
    EXPECT_THAT(bob.received[0], HasSubstr(";tag=two"));
    EXPECT_THAT(bob.received[1], HasSubstr("BYE sip:"));
    EXPECT_THAT(bob.received[1], HasSubstr(";tag=two"));
    EXPECT_EQ(switchboard.call_count(), 1U);
    EXPECT_THAT(host.log, ElementsAre("arrived", "offer A", "early 180", "answer B",
                                      "media A early", "early 183 media", "answer B", "answered"));
}

TEST_F(SwitchboardCalls, LetsTheAckCarryTheAnswerToALateOffer) {
    sip::OutOfDialogSpec spec = invite_spec();
    spec.content_type.clear();
    spec.body.clear();
    start(alice, spec);
    const auto invite = request_at(bob);
    EXPECT_THAT(std::string(base::as_text(invite.message.body())), IsEmpty());
    respond(bob, invite.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_FALSE(bob.take<sip::AckArrived>().has_value());
    const auto ok = response_at(alice);
    EXPECT_THAT(std::string(base::as_text(ok.message.body())), HasSubstr("m=audio 6000"));
    acknowledge(alice, ok.dialog,
                {.content_type = "application/sdp", .body = sdp_of("192.0.2.10", 4000)});
    const auto ack = bob.take<sip::AckArrived>();
    ASSERT_TRUE(ack.has_value());
    EXPECT_THAT(std::string(base::as_text(ack->message.body())), HasSubstr("m=audio 4000"));
    EXPECT_THAT(host.take_log(),
                ElementsAre("arrived", "offer B", "answered", "answer A", "media B"));
}

TEST_F(SwitchboardCalls, EndsALateOfferThatIsNeverAnswered) {
    sip::OutOfDialogSpec spec = invite_spec();
    spec.content_type.clear();
    spec.body.clear();
    start(alice, spec);
    respond(bob, request_at(bob).transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    acknowledge(alice, response_at(alice).dialog);
    EXPECT_EQ(host.log.back(), "ended no_answer 0");
    EXPECT_EQ(request_at(bob).message.method(), sip::Method::Bye);
    EXPECT_EQ(request_at(alice).message.method(), sip::Method::Bye);
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, RefusesWhatTheHostRefuses) {
    host.answer_route = sip::ResponseSpec{.status = 403, .phrase = "Not You"};
    start(alice, invite_spec());
    EXPECT_EQ(response_at(alice).message.reason(), "Not You");
    EXPECT_THAT(host.take_log(), ElementsAre("arrived", "ended no_route 403"));
    EXPECT_THAT(bob.received, IsEmpty());
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, RefusesAnOfferThatTheMediaPlaneRefuses) {
    host.refuses_media = true;
    start(alice, invite_spec());
    EXPECT_EQ(response_at(alice).message.status(), 488);
    EXPECT_THAT(host.take_log(), ElementsAre("arrived", "offer A", "ended media_refused 488"));
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, EndsACallWhoseAnswerTheMediaPlaneRefuses) {
    start(alice, invite_spec());
    const auto invite = request_at(bob);
    host.refuses_media = true;
    respond(bob, invite.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_TRUE(bob.take<sip::AckArrived>().has_value() || !bob.received.empty());
    EXPECT_EQ(response_at(alice).message.status(), 488);
    EXPECT_EQ(request_at(bob).message.method(), sip::Method::Bye);
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, WaitsForASlowHostAndKeepsTheOrder) {
    host.is_slow = true;
    const auto id = start(alice, invite_spec());
    host.answer_all();  // the way
    run();
    EXPECT_THAT(bob.received, IsEmpty());
    host.answer_all();  // the offer
    run();
    const auto invite = request_at(bob);
    ASSERT_TRUE(bob.agent.respond(now.steady, invite.transaction, {.status = 180}).has_value());
    run();
    bob_dialog = respond(bob, invite.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_EQ(response_at(alice).message.status(), 180);
    // The caller hangs up while the media plane thinks: its answer is not waited for.
    ASSERT_TRUE(alice.agent.cancel(now.steady, id).has_value());
    run();
    EXPECT_EQ(response_at(alice).message.status(), 487);
    host.answer_all();
    run();
    EXPECT_THAT(host.take_log(),
                ElementsAre("arrived", "offer A", "early 180", "answer B", "ended cancelled 487"));
    EXPECT_EQ(request_at(bob).message.method(), sip::Method::Bye);
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, KeepsWhatComesMeanwhileInOrder) {
    establish();
    host.is_slow = true;
    ASSERT_TRUE(alice.agent
                    .send_request(now.steady, alice_dialog,
                                  {.method = "UPDATE",
                                   .content_type = "application/sdp",
                                   .body = sdp_of("192.0.2.10", 4002)})
                    .has_value());
    run();
    for (const char* number : {"1", "2", "3"})
        request(alice, alice_dialog, {.method = "INFO", .headers = {{"X-Number", number}}});
    EXPECT_THAT(bob.heard, IsEmpty());
    host.answer_all();
    run();
    std::vector<std::string> arrived;
    for (const sip::Action& action : bob.heard) {
        const auto& message = std::get<sip::RequestArrived>(action).message;
        arrived.emplace_back(message.find("X-Number").value_or(message.method_name()));
    }
    // On the wire their order is the network's; here each takes its millisecond.
    EXPECT_THAT(arrived, ElementsAre("UPDATE", "1", "2", "3"));
}

TEST_F(SwitchboardCalls, EndsACallWhenMoreWaitsThanMay) {
    establish();
    host.is_slow = true;
    request(alice, alice_dialog,
            {.method = "UPDATE",
             .content_type = "application/sdp",
             .body = sdp_of("192.0.2.10", 4002)});
    for (std::size_t i = 0; i < kMaxWaitingMessages; ++i)
        ASSERT_TRUE(
            alice.agent.send_request(now.steady, alice_dialog, {.method = "INFO"}).has_value());
    run();
    EXPECT_EQ(switchboard.call_count(), 1U);
    request(alice, alice_dialog, {.method = "INFO"});
    EXPECT_EQ(host.log.back(), "ended too_many_messages 0");
    host.answer_all();
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, RefusesMoreOpenRequestsThanMayBe) {
    establish();
    for (std::size_t i = 0; i < kMaxOpenRequests; ++i)
        ASSERT_TRUE(
            alice.agent.send_request(now.steady, alice_dialog, {.method = "INFO"}).has_value());
    run();
    EXPECT_EQ(bob.count<sip::RequestArrived>(), kMaxOpenRequests);
    request(alice, alice_dialog, {.method = "INFO"});
    EXPECT_EQ(response_at(alice).message.status(), 503);
    EXPECT_EQ(switchboard.call_count(), 1U);
}

TEST_F(SwitchboardCalls, SendsNoInviteForACallThatWasCancelledBefore) {
    host.is_slow = true;
    const auto id = start(alice, invite_spec());
    ASSERT_TRUE(alice.agent.cancel(now.steady, id).has_value());
    run();
    EXPECT_EQ(host.log.back(), "ended cancelled 487");
    host.answer_all();
    run();
    EXPECT_THAT(bob.received, IsEmpty());
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, SendsARequestOfOursIntoOneLeg) {
    establish();
    const auto sent = switchboard.send_in_dialog(now, host.last_call, Leg::B,
                                                 {.method = "INFO", .headers = {{"X-Ours", "1"}}});
    ASSERT_TRUE(sent.has_value());
    run();
    const auto info = request_at(bob);
    EXPECT_EQ(*info.message.find("X-Ours"), "1");
    respond(bob, info.transaction, {.status = 200});
    EXPECT_THAT(alice.heard, IsEmpty());
    for (const char* method : {"INVITE", "UPDATE", "BYE", "PRACK", "ACK"})
        EXPECT_FALSE(switchboard.send_in_dialog(now, host.last_call, Leg::A, {.method = method})
                         .has_value());
    EXPECT_FALSE(
        switchboard.send_in_dialog(now, CallKey{99}, Leg::A, {.method = "INFO"}).has_value());
}

TEST_F(SwitchboardCalls, DoesNotWaitForEverForItsHost) {
    host.is_silent = true;
    start(alice, invite_spec());
    run(kMaxHostTime);
    EXPECT_EQ(response_at(alice).message.status(), 503);
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, EndsACallThatTheHostEnds) {
    establish();
    switchboard.end(now, host.last_call, 503, {"mandatory", "It may not go unrecorded."});
    run();
    EXPECT_EQ(request_at(bob).message.method(), sip::Method::Bye);
    EXPECT_EQ(request_at(alice).message.method(), sip::Method::Bye);
    EXPECT_THAT(host.take_log(), ElementsAre("ended mandatory 0"));
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, EndsACallThatTheHostEndsInTheMiddleOfAnEvent) {
    host.on_event = [&](CallKey call, const CallEvent& event) {
        if (std::holds_alternative<Answered>(event))
            switchboard.end(now, call, 503, {"mandatory", "It may not go unrecorded."});
    };
    start(alice, invite_spec());
    respond(bob, request_at(bob).transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_EQ(host.log.back(), "ended mandatory 0");
    EXPECT_EQ(request_at(bob).message.method(), sip::Method::Bye);
    acknowledge(alice, response_at(alice).dialog);
    EXPECT_EQ(request_at(alice).message.method(), sip::Method::Bye);
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, RefusesAnUnansweredCallThatTheHostEnds) {
    start(alice, invite_spec());
    respond(bob, request_at(bob).transaction, {.status = 180});
    switchboard.end(now, host.last_call, 503, {"mandatory", "It may not go unrecorded."});
    run();
    EXPECT_EQ(response_at(alice).message.status(), 503);
    EXPECT_TRUE(bob.take<sip::CancelArrived>().has_value());
    EXPECT_EQ(host.log.back(), "ended mandatory 503");
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, RefusesCallsPastItsLimit) {
    SwitchboardConfig small = config();
    small.max_calls = 1;
    Switchboard limited(small, us.agent, host, us.random);
    const auto invite = [&](std::string_view branch) {
        const std::string text = fmt::format(
            "INVITE sip:bob@192.0.2.20 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK{}\r\n"
            "From: <sip:a@x>;tag={}\r\nTo: <sip:b@x>\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\n"
            "Contact: <sip:a@192.0.2.10>\r\nContent-Length: 0\r\n\r\n",
            branch, branch, branch);
        auto parsed = sip::parse_message(std::string_view(text));
        us.agent.on_message(now.steady, {.remote = alice.address}, std::move(parsed.message));
        std::vector<int> statuses;
        while (auto action = us.agent.poll_action()) {
            if (const auto* bytes = std::get_if<sip::SendBytes>(&*action)) {
                statuses.push_back(
                    sip::parse_message(std::string_view(*bytes->bytes)).message.status());
            } else {
                limited.on_action(now, std::move(*action));
            }
        }
        return statuses;
    };
    EXPECT_THAT(invite("1"), Not(testing::Contains(503)));
    EXPECT_THAT(invite("2"), testing::Contains(503));
    EXPECT_EQ(limited.call_count(), 1U);
}

TEST_F(SwitchboardCalls, GoesWhereTheNextHopIsAndKeepsTheRequestUri) {
    host.answer_route = RouteTo{.next_hop = "sip:pbx.example.com"};
    names["pbx.example.com"] = "192.0.2.30:5060";
    start(alice, invite_spec("sip:bob@example.net"));
    const auto invite = request_at(carol);
    EXPECT_EQ(invite.message.request_uri(), "sip:bob@example.net");
    EXPECT_FALSE(invite.message.has(HeaderId::Route));
    ASSERT_THAT(host.questions, SizeIs(1));
    EXPECT_EQ(host.questions[0].request_uri, "sip:bob@example.net");
    EXPECT_FALSE(host.questions[0].is_to_us);
}

TEST_F(SwitchboardCalls, ObeysTheRouteAfterItsOwn) {
    sip::OutOfDialogSpec spec = invite_spec("sip:bob@example.net");
    spec.routes = {"<sip:client.example.com;lr>", "<sip:192.0.2.1:5062;lr>", "<sip:192.0.2.30;lr>",
                   "<sip:192.0.2.20;lr>"};
    start(alice, spec);
    const auto invite = request_at(carol);
    EXPECT_EQ(invite.message.request_uri(), "sip:bob@example.net");
    EXPECT_THAT(invite.message.values(HeaderId::Route),
                ElementsAre("<sip:192.0.2.30;lr>", "<sip:192.0.2.20;lr>"));
}

TEST_F(SwitchboardCalls, RefusesACallToItselfWithoutANextHop) {
    start(alice, invite_spec("sip:bob@client.example.com"));
    EXPECT_EQ(response_at(alice).message.status(), 404);
    EXPECT_TRUE(host.questions.at(0).is_to_us);
    expect_nothing_left();
}

TEST_F(SwitchboardCalls, CountsTheHops) {  // RFC 3261 §16.3
    sip::OutOfDialogSpec spec = invite_spec();
    spec.headers = {{"Max-Forwards", "8"}};
    start(alice, spec);
    EXPECT_EQ(*request_at(bob).message.find(HeaderId::MaxForwards), "7");
    spec.headers = {{"Max-Forwards", "0"}};
    start(alice, spec);
    EXPECT_EQ(response_at(alice).message.status(), 483);
    EXPECT_EQ(switchboard.call_count(), 1U);
}

TEST_F(SwitchboardCalls, EndsALoop) {
    // The next hop is a proxy that sends everything back to us.
    host.answer_route = RouteTo{.next_hop = "sip:192.0.2.20"};
    on_heard = [&](Phone& phone) {
        const auto* request = std::get_if<sip::RequestArrived>(&phone.heard.back());
        if (&phone != &bob || request == nullptr) return;
        std::string text(base::as_text(request->message.raw()));
        text.insert(text.find("Via:"), "Via: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKproxy\r\n");
        auto parsed = sip::parse_message(std::string_view(text));
        us.agent.on_message(now.steady, {.remote = bob.address}, std::move(parsed.message));
    };
    bob.received.clear();
    start(alice, invite_spec("sip:dave@example.net"));
    run();
    ASSERT_THAT(bob.received, Not(IsEmpty()));
    EXPECT_THAT(bob.received.back(), HasSubstr("SIP/2.0 482"));
    EXPECT_EQ(switchboard.call_count(), 1U);
}

TEST_F(SwitchboardCalls, TakesTheInviteAgainWithCredentials) {  // RFC 3261 §22.2
    sip::OutOfDialogSpec spec = invite_spec();
    spec.call_id = "call-with-password";
    spec.from_tag = "alice";
    start(alice, spec);
    const auto first = request_at(bob);
    respond(
        bob, first.transaction,
        {.status = 407, .headers = {{"Proxy-Authenticate", "Digest realm=\"x\", nonce=\"1\""}}});
    const auto challenge = response_at(alice);
    EXPECT_EQ(*challenge.message.find(HeaderId::ProxyAuthenticate),
              "Digest realm=\"x\", nonce=\"1\"");
    spec.cseq = 2;
    spec.headers = {{"Proxy-Authorization", "Digest username=\"a\", response=\"0\""}};
    start(alice, spec);
    const auto second = request_at(bob);
    EXPECT_EQ(*second.message.find(HeaderId::ProxyAuthorization),
              "Digest username=\"a\", response=\"0\"");
    EXPECT_EQ(second.message.call_id(), first.message.call_id());
    EXPECT_EQ(second.message.from_tag(), first.message.from_tag());
    EXPECT_EQ(second.message.cseq().number, first.message.cseq().number + 1);
    respond(bob, second.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    EXPECT_EQ(response_at(alice).message.status(), 200);
}

TEST_F(SwitchboardCalls, SpeaksTcpOnOneLegAndUdpOnTheOther) {
    sip::OutOfDialogSpec spec = invite_spec("sip:bob@192.0.2.20;transport=tcp");
    start(alice, spec);
    const auto invite = request_at(bob);
    EXPECT_EQ(invite.flow.transport, sip::Transport::Tcp);
    bob_dialog = respond(bob, invite.transaction, ok_with(sdp_of("192.0.2.20", 6000)));
    const auto ok = response_at(alice);
    EXPECT_EQ(ok.flow.transport, sip::Transport::Udp);
    acknowledge(alice, ok.dialog);
    EXPECT_TRUE(bob.take<sip::AckArrived>().has_value());
    request(bob, bob_dialog, {.method = "BYE"});
    EXPECT_EQ(request_at(alice).message.method(), sip::Method::Bye);
}

TEST_F(SwitchboardCalls, AnswersWhatBelongsToNoCall) {
    establish();
    request(alice, alice_dialog, {.method = "BYE"});
    bob.heard.clear();
    // Bob asks in the dialog before its BYE is answered there.
    request(bob, bob_dialog, {.method = "INFO"});
    EXPECT_EQ(response_at(bob).message.status(), 481);
    expect_nothing_left();
}

}  // namespace
}  // namespace earshot::b2bua
