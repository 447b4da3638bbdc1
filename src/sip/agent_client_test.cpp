// Requests of ours: calls placed, forked, cancelled, acknowledged; requests within a dialog.
#include <gmock/gmock.h>

#include "sip/agent_fixture.h"
#include "sip/agent_limits.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class AgentClient : public AgentFixture {
protected:
    TransactionId start(std::string method = "INVITE") {
        const auto id = agent.start_request(now, {.method = std::move(method),
                                                  .request_uri = "sip:srs@192.0.2.9:5070",
                                                  .from = "sip:src@192.0.2.1;user=phone",
                                                  .to = "<sip:srs@192.0.2.9>",
                                                  .flow = peer,
                                                  .headers = {{"Require", "siprec"}},
                                                  .content_type = "application/sdp",
                                                  .body = "v=0\r\n"});
        EXPECT_TRUE(id.has_value());
        drain();
        request = sent.back().message;
        return *id;
    }

    // A response to the request sent last, or to `to`.
    std::string response(int status, std::string_view to_tag, std::string_view more = "") const {
        return response_to(request, status, to_tag, more);
    }
    static std::string response_to(const Message& to, int status, std::string_view to_tag,
                                   std::string_view more = "") {
        const bool tagged = to_tag.empty() || !to.to_tag().empty();
        return fmt::format(
            "SIP/2.0 {} Any\r\nVia: {}\r\nFrom: {}\r\nTo: {}{}\r\nCall-ID: {}\r\nCSeq: {} {}\r\n"
            "{}Content-Length: 0\r\n\r\n",
            status, *to.find(HeaderId::Via), *to.find(HeaderId::From), *to.find(HeaderId::To),
            tagged ? "" : fmt::format(";tag={}", to_tag), to.call_id(), to.cseq().number,
            to.cseq().method, more);
    }

    DialogId establish() {
        start();
        receive(response(200, "srs", kContact));
        const DialogId dialog = take_heard<ResponseArrived>().dialog;
        EXPECT_TRUE(agent.ack(now, dialog, {}));
        drain();
        sent.clear();
        return dialog;
    }

    static constexpr std::string_view kContact = "Contact: <sip:srs@192.0.2.9:5090>\r\n";
    Message request;
};

TEST_F(AgentClient, WritesACompleteInvite) {
    start();
    EXPECT_EQ(request.request_uri(), "sip:srs@192.0.2.9:5070");
    EXPECT_THAT(std::string(request.top_via().branch()), StartsWith("z9hG4bK"));
    EXPECT_TRUE(request.top_via().has_rport());
    EXPECT_EQ(request.top_via().host, "192.0.2.1");
    EXPECT_EQ(request.from().uri, "sip:src@192.0.2.1;user=phone");
    EXPECT_FALSE(request.from_tag().empty());
    EXPECT_TRUE(request.to_tag().empty());
    EXPECT_EQ(*request.find(HeaderId::MaxForwards), "70");
    EXPECT_EQ(*request.find(HeaderId::Contact), "<sip:192.0.2.1:5060>;+sip.srs");
    EXPECT_EQ(*request.find(HeaderId::Require), "siprec");
    EXPECT_EQ(base::as_text(request.body()), "v=0\r\n");
}

TEST_F(AgentClient, CompletesACall) {
    const TransactionId invite = start();
    receive(response(100, ""));
    EXPECT_FALSE(take_heard<ResponseArrived>().is_final);
    receive(response(180, "srs", kContact));
    const DialogId early = take_heard<ResponseArrived>().dialog;
    ASSERT_TRUE(early);
    EXPECT_FALSE(agent.find_dialog(early)->is_confirmed);
    receive(response(200, "srs", kContact));
    const auto ok = take_heard<ResponseArrived>();
    EXPECT_EQ(ok.transaction, invite);
    EXPECT_EQ(ok.dialog, early);
    EXPECT_TRUE(agent.find_dialog(early)->is_confirmed);
    sent.clear();

    ASSERT_TRUE(agent.ack(now, early, {.content_type = "application/sdp", .body = "v=0\r\n"}));
    drain();
    const Message ack = sent.back().message;
    EXPECT_EQ(ack.method(), Method::Ack);
    EXPECT_EQ(ack.request_uri(), "sip:srs@192.0.2.9:5090");
    EXPECT_EQ(ack.cseq().number, request.cseq().number);
    EXPECT_EQ(ack.to_tag(), "srs");
    EXPECT_NE(ack.top_via().branch(), request.top_via().branch());
    EXPECT_EQ(base::as_text(ack.body()), "v=0\r\n");
    EXPECT_FALSE(agent.ack(now, early, {}));

    ASSERT_TRUE(agent.send_request(now, early, {.method = "BYE"}));
    drain();
    EXPECT_EQ(sent.back().message.cseq().number, 2U);
    EXPECT_FALSE(agent.send_request(now, early, {.method = "INFO"}));
    receive(response_to(sent.back().message, 200, ""));
    ASSERT_THAT(heard, SizeIs(2));
    EXPECT_EQ(std::get<DialogEnded>(heard[1]).dialog, early);
    wait(60s);
    EXPECT_EQ(agent.transaction_count(), 0U);
    EXPECT_EQ(agent.dialog_count(), 0U);
}

// What is left of a process that died.
TEST_F(AgentClient, ADialogIsEndedByAnAgentThatDoesNotKnowIt) {  // §15.1.1
    start();
    receive(response(200, "srs", kContact));
    const DialogId dialog = take_heard<ResponseArrived>().dialog;
    ASSERT_TRUE(agent.ack(now, dialog, {}));
    auto bye = agent.describe_bye(dialog);
    ASSERT_TRUE(bye);
    agent.end_dialog(now, dialog);
    EXPECT_FALSE(agent.describe_bye(dialog));
    drain();
    sent.clear();
    bye->flow = udp_from("192.0.2.9:5090");
    ASSERT_TRUE(agent.start_request(now, *bye));
    drain();
    const Message& message = sent.back().message;
    EXPECT_EQ(message.method(), Method::Bye);
    EXPECT_EQ(message.request_uri(), "sip:srs@192.0.2.9:5090");
    EXPECT_EQ(message.call_id(), request.call_id());
    EXPECT_EQ(message.from_tag(), request.from_tag());
    EXPECT_EQ(message.from().uri, request.from().uri);
    EXPECT_EQ(message.to_tag(), "srs");
    EXPECT_GT(message.cseq().number, 1000U);
    EXPECT_FALSE(message.has(HeaderId::Route));
}

TEST_F(AgentClient, ARepeated2xxGetsTheAckAgain) {  // §13.2.2.4
    establish();
    receive(response(200, "srs", kContact));
    receive(response(200, "srs", kContact));
    EXPECT_THAT(heard, IsEmpty());
    ASSERT_THAT(sent, SizeIs(2));
    EXPECT_TRUE(sent[0].is_retransmission);
    EXPECT_THAT(take_methods(), ElementsAre("ACK", "ACK"));
}

TEST_F(AgentClient, ALate2xxOfADialogThatEndedMakesNoGhost) {
    const DialogId dialog = establish();
    agent.end_dialog(now, dialog);
    drain();
    heard.clear();
    receive(response(200, "srs", kContact));
    EXPECT_THAT(heard, IsEmpty());
    EXPECT_EQ(agent.dialog_count(), 0U);
}

TEST_F(AgentClient, EachForkThatAnswersIsADialogOfItsOwn) {  // §13.2.2.4
    start();
    receive(response(180, "a", kContact));
    const DialogId a = take_heard<ResponseArrived>().dialog;
    receive(response(180, "b", kContact));
    const DialogId b = take_heard<ResponseArrived>().dialog;
    receive(response(200, "c", kContact));
    const DialogId c = take_heard<ResponseArrived>().dialog;
    EXPECT_EQ(agent.dialog_count(), 3U);
    receive(response(200, "b", kContact));
    EXPECT_EQ(take_heard<ResponseArrived>().dialog, b);
    EXPECT_TRUE(agent.ack(now, b, {}));
    EXPECT_TRUE(agent.ack(now, c, {}));
    wait(33s);  // timer M: what stayed early ends
    EXPECT_EQ(take_heard<DialogEnded>().dialog, a);
    EXPECT_EQ(agent.dialog_count(), 2U);
}

TEST_F(AgentClient, ForksBeyondTheLimitMakeNoDialog) {
    start();
    for (std::size_t i = 0; i <= kMaxForksPerInvite; ++i) {
        receive(response(183, fmt::format("t{}", i), kContact));
    }
    EXPECT_FALSE(take_heard<ResponseArrived>().dialog);
    EXPECT_EQ(agent.dialog_count(), kMaxForksPerInvite);
}

TEST_F(AgentClient, ABranchBeyondTheLimitThatAnswersIsKept) {
    start();
    for (std::size_t i = 0; i < kMaxForksPerInvite; ++i)
        receive(response(180, fmt::format("t{}", i), kContact));
    heard.clear();
    receive(response(200, "one-more", kContact));
    EXPECT_TRUE(take_heard<ResponseArrived>().dialog);
}

TEST_F(AgentClient, ARefusalIsAcknowledgedByTheTransactionAndEndsEarlyDialogs) {  // §17.1.1.3
    start();
    receive(response(180, "srs", kContact));
    heard.clear();
    sent.clear();
    receive(response(486, "srs"));
    ASSERT_THAT(heard, SizeIs(2));
    EXPECT_TRUE(std::get<ResponseArrived>(heard[0]).is_final);
    EXPECT_TRUE(std::holds_alternative<DialogEnded>(heard[1]));
    receive(response(486, "srs"));
    ASSERT_THAT(sent, SizeIs(2));
    const Message& ack = sent[1].message;
    EXPECT_EQ(ack.top_via().branch(), request.top_via().branch());
    EXPECT_EQ(ack.request_uri(), request.request_uri());
    EXPECT_EQ(ack.to_tag(), "srs");
    EXPECT_THAT(take_methods(), ElementsAre("ACK", "ACK"));
    wait(32s);
    EXPECT_EQ(agent.transaction_count(), 0U);
}

TEST_F(AgentClient, AnUnansweredInviteIsSentSevenTimesThenTimesOut) {
    const TransactionId invite = start();
    wait(32s);
    EXPECT_THAT(take_methods(), SizeIs(7));
    EXPECT_EQ(take_heard<TransactionTimedOut>().transaction, invite);
    EXPECT_EQ(agent.transaction_count(), 0U);
}

TEST_F(AgentClient, CancelWaitsForAProvisionalResponse) {  // §9.1
    const TransactionId invite = start();
    EXPECT_TRUE(agent.cancel(now, invite));
    drain();
    sent.clear();
    receive(response(180, "srs", kContact));
    ASSERT_THAT(sent, SizeIs(1));
    const Message cancel = sent[0].message;
    EXPECT_EQ(cancel.method(), Method::Cancel);
    EXPECT_EQ(cancel.top_via().branch(), request.top_via().branch());
    EXPECT_EQ(cancel.cseq().number, request.cseq().number);
    EXPECT_EQ(cancel.to_tag(), "");
    receive(response_to(cancel, 200, "srs"));
    heard.clear();
    receive(response(487, "srs"));
    ASSERT_THAT(heard, SizeIs(2));
    EXPECT_EQ(std::get<ResponseArrived>(heard[0]).message.status(), 487);
    EXPECT_FALSE(agent.cancel(now, invite));
}

TEST_F(AgentClient, A2xxThatCrossesTheCancelIsStillACall) {
    const TransactionId invite = start();
    receive(response(180, "srs", kContact));
    EXPECT_TRUE(agent.cancel(now, invite));
    EXPECT_TRUE(agent.cancel(now, invite));  // again: no second CANCEL
    drain();
    receive(response(200, "srs", kContact));
    const DialogId dialog = take_heard<ResponseArrived>().dialog;
    EXPECT_TRUE(agent.ack(now, dialog, {}));
    EXPECT_TRUE(agent.send_request(now, dialog, {.method = "BYE"}));
    drain();
    EXPECT_THAT(take_methods(), ElementsAre("INVITE", "CANCEL", "ACK", "BYE"));
}

TEST_F(AgentClient, ACancelledInviteThatStaysSilentTimesOut) {
    const TransactionId invite = start();
    receive(response(100, ""));
    EXPECT_TRUE(agent.cancel(now, invite));
    drain();
    wait(32s);
    EXPECT_EQ(take_heard<TransactionTimedOut>().transaction, invite);
}

TEST_F(AgentClient, OptionsOutsideADialogNeedsNoState) {
    const TransactionId options = start("OPTIONS");
    receive(response(200, "srs"));
    receive(response(200, "srs"));
    const auto answer = take_heard<ResponseArrived>();
    EXPECT_EQ(answer.transaction, options);
    EXPECT_FALSE(answer.dialog);
    wait(5s);
    EXPECT_EQ(agent.transaction_count(), 0U);
}

TEST_F(AgentClient, TheRouteSetIsTheRecordRouteBackwards) {  // §12.1.2
    start();
    receive(response(200, "srs",
                     "Contact: <sip:srs@192.0.2.9:5090>\r\nRecord-Route: <sip:192.0.2.31;lr>\r\n"
                     "Record-Route: <sip:192.0.2.30;lr>\r\n"));
    const DialogId dialog = take_heard<ResponseArrived>().dialog;
    EXPECT_TRUE(agent.ack(now, dialog, {}));
    drain();
    EXPECT_THAT(sent.back().message.values(HeaderId::Route),
                ElementsAre("<sip:192.0.2.30;lr>", "<sip:192.0.2.31;lr>"));
    EXPECT_EQ(base::to_string(sent.back().flow.remote), "192.0.2.30:5060");
}

TEST_F(AgentClient, AReinviteOfOursIsAcknowledgedAndItsRefusalKeepsTheDialog) {
    const DialogId dialog = establish();
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "INVITE"}));
    drain();
    Message reinvite = sent.back().message;
    EXPECT_EQ(reinvite.to_tag(), "srs");
    receive(response_to(reinvite, 491, ""));
    EXPECT_EQ(take_heard<ResponseArrived>().dialog, dialog);
    EXPECT_EQ(sent.back().message.method(), Method::Ack);
    ASSERT_TRUE(agent.find_dialog(dialog));

    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "INVITE"}));
    drain();
    reinvite = sent.back().message;
    receive(response_to(reinvite, 200, "", "Contact: <sip:srs@192.0.2.9:5091>\r\n"));
    EXPECT_EQ(take_heard<ResponseArrived>().dialog, dialog);
    EXPECT_EQ(agent.find_dialog(dialog)->remote_target, "sip:srs@192.0.2.9:5091");
    ASSERT_TRUE(agent.ack(now, dialog, {}));
    drain();
    EXPECT_EQ(sent.back().message.cseq().number, reinvite.cseq().number);
    sent.clear();
    receive(response_to(reinvite, 200, ""));
    EXPECT_THAT(take_methods(), ElementsAre("ACK"));
    EXPECT_EQ(agent.dialog_count(), 1U);
}

TEST_F(AgentClient, RequestsOfThePeerReachTheDialogWeStarted) {
    const DialogId dialog = establish();
    const auto facts = *agent.find_dialog(dialog);
    receive(fmt::format(
        "BYE sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKb\r\n"
        "From: <sip:srs@192.0.2.9>;tag=srs\r\nTo: <sip:src@192.0.2.1>;tag={}\r\nCall-ID: {}\r\n"
        "CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
        facts.local_tag, facts.call_id));
    const auto bye = take_heard<RequestArrived>();
    EXPECT_EQ(bye.dialog, dialog);
    EXPECT_EQ(agent.find_dialog(facts.call_id, facts.local_tag, "srs"), dialog);
    respond(bye.transaction, {.status = 200});
    EXPECT_EQ(take_heard<DialogEnded>().dialog, dialog);
}

TEST_F(AgentClient, OverTcpNothingIsSentAgainAndALostConnectionIsTold) {
    peer = tcp_from("192.0.2.9:5070", 9);
    const TransactionId invite = start();
    EXPECT_EQ(request.top_via().transport, "TCP");
    wait(10s);
    EXPECT_THAT(sent, SizeIs(1));
    agent.on_flow_closed(now, peer);
    drain();
    EXPECT_EQ(take_heard<TransportFailed>().transaction, invite);
    EXPECT_EQ(agent.transaction_count(), 0U);
}

TEST_F(AgentClient, ASendThatFailedIsTold) {
    const TransactionId invite = start();
    agent.on_send_failed(now, invite);
    drain();
    EXPECT_EQ(take_heard<TransportFailed>().transaction, invite);
    agent.on_send_failed(now, invite);
    EXPECT_FALSE(agent.deadline());
}

TEST_F(AgentClient, AckAndCancelAreNoRequestsOfTheTu) {
    EXPECT_FALSE(agent.start_request(now, {.method = "ACK", .request_uri = "sip:a@b"}));
    EXPECT_FALSE(agent.start_request(now, {.method = "CANCEL", .request_uri = "sip:a@b"}));
    EXPECT_FALSE(agent.start_request(now, {.method = "INVITE"}));
    EXPECT_FALSE(agent.send_request(now, {}, {.method = "BYE"}));
}

// ---- reliable provisional responses, RFC 3262 ----

class AgentReliable : public AgentClient {
protected:
    static std::string reliable(std::uint32_t rseq) {
        return fmt::format("Require: 100rel\r\nRSeq: {}\r\n{}", rseq, kContact);
    }
    std::vector<std::string> take_pracks() {
        std::vector<std::string> values;
        for (const Sent& item : sent) {
            EXPECT_EQ(item.message.method_name(), "PRACK");
            values.emplace_back(item.message.find(HeaderId::Rack).value_or(""));
        }
        sent.clear();
        return values;
    }
};

TEST_F(AgentReliable, EachIsAcknowledgedOnceInOrder) {  // §4
    start();
    sent.clear();
    receive(response(183, "srs", reliable(9021)));
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 183);
    EXPECT_THAT(take_pracks(), ElementsAre("9021 1 INVITE"));
    struct Case {
        std::uint32_t rseq;
        bool is_taken;
    };
    for (const Case c : {Case{9021, false}, {9023, false}, {9020, false}, {9022, true}}) {
        receive(response(180, "srs", reliable(c.rseq)));
        EXPECT_EQ(heard.size(), c.is_taken ? 1U : 0U) << c.rseq;
        EXPECT_EQ(take_pracks().size(), c.is_taken ? 1U : 0U) << c.rseq;
        heard.clear();
    }
}

TEST_F(AgentReliable, ThePrackGoesToTheRemoteTargetWithItsOwnCSeqAndIsNotSeenByTheTu) {
    start();
    sent.clear();
    receive(response(183, "srs", reliable(1)));
    ASSERT_THAT(sent, SizeIs(1));
    const Message prack = sent[0].message;
    EXPECT_EQ(prack.request_uri(), "sip:srs@192.0.2.9:5090");
    EXPECT_EQ(prack.cseq().number, 2U);
    EXPECT_EQ(prack.to_tag(), "srs");
    heard.clear();
    receive(response_to(prack, 200, "srs"));
    EXPECT_THAT(heard, IsEmpty());
    receive(response(200, "srs", kContact));
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 200);
    const auto dialogs = agent.dialog_count();
    EXPECT_EQ(dialogs, 1U);
}

TEST_F(AgentReliable, EachForkCountsForItself) {
    start();
    sent.clear();
    receive(response(183, "a", reliable(5)));
    receive(response(183, "b", reliable(700)));
    receive(response(180, "a", reliable(6)));
    EXPECT_THAT(take_pracks(), ElementsAre("5 1 INVITE", "700 1 INVITE", "6 1 INVITE"));
}

TEST_F(AgentReliable, OnesWithoutANumberAreNotProcessedAndUnreliableOnesAreNotAcknowledged) {
    start();
    sent.clear();
    heard.clear();
    receive(response(183, "srs", "Require: 100rel\r\n"));
    receive(response(183, "srs", "Require: 100rel\r\nRSeq: many\r\n"));
    EXPECT_THAT(heard, IsEmpty());
    receive(response(183, "srs", "RSeq: 1\r\n"));
    EXPECT_THAT(heard, SizeIs(1));
    EXPECT_THAT(sent, IsEmpty());
}

TEST_F(AgentReliable, ThePrackOfAnInviteWithoutAnOfferIsTheTus) {
    const auto id = agent.start_request(now, {.request_uri = "sip:srs@192.0.2.9:5070",
                                              .from = "sip:src@192.0.2.1",
                                              .to = "sip:srs@192.0.2.9",
                                              .flow = peer});
    ASSERT_TRUE(id);
    drain();
    request = sent.back().message;
    sent.clear();
    receive(response(183, "srs", reliable(7)));
    EXPECT_THAT(sent, IsEmpty());
    const auto arrived = take_heard<ResponseArrived>();
    EXPECT_EQ(rack_value(arrived.message), "7 1 INVITE");
    EXPECT_TRUE(agent.send_request(now, arrived.dialog,
                                   {.method = "PRACK",
                                    .headers = {{"RAck", rack_value(arrived.message)}},
                                    .content_type = "application/sdp",
                                    .body = "v=0\r\n"}));
    drain();
    EXPECT_THAT(take_pracks(), ElementsAre("7 1 INVITE"));
}

}  // namespace
}  // namespace earshot::sip
