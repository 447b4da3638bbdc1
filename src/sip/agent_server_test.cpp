// Requests of peers: what the agent answers itself and what the TU hears.
#include <gmock/gmock.h>

#include "sip/agent_fixture.h"
#include "sip/agent_limits.h"
#include "sip/stream_framer.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct Request {
    std::string method = "INVITE";
    std::string branch = "z9hG4bK1";
    std::string to_tag{};
    int cseq = 1;
    std::string more{};
    std::string body{};
    std::string call_id = "call-1";
    std::string via = "SIP/2.0/UDP 192.0.2.9:5070;rport";

    std::string text() const {
        return fmt::format(
            "{} sip:srs@192.0.2.1 SIP/2.0\r\nVia: {};branch={}\r\nFrom: \"Src\" "
            "<sip:src@192.0.2.9>;tag=peer\r\nTo: <sip:srs@192.0.2.1>{}\r\nCall-ID: {}\r\nCSeq: {} "
            "{}\r\nMax-Forwards: 0\r\nContact: <sip:src@192.0.2.9:5070>;+sip.src\r\n{}"
            "Content-Length: {}\r\n\r\n{}",
            method, via, branch, to_tag.empty() ? "" : ";tag=" + to_tag, call_id, cseq, method,
            more, body.size(), body);
    }
};

class AgentServer : public AgentFixture {
protected:
    using AgentFixture::AgentFixture;

    // An INVITE answered with 200; its tag is then `tag`, its dialog `dialog`.
    void accept_call() {
        receive(Request{}.text());
        invite = take_heard<RequestArrived>().transaction;
        dialog = respond(invite, {.status = 200});
        tag = agent.find_dialog(dialog)->local_tag;
    }
    void establish_call() {
        accept_call();
        receive(Request{.method = "ACK", .branch = "z9hG4bKack", .to_tag = tag}.text());
        take_heard<AckArrived>();
        sent.clear();
    }
    TransactionId invite;
    DialogId dialog;
    std::string tag;
};

TEST_F(AgentServer, SendsTryingAtOnceAndHandsTheInviteToTheTu) {
    receive(Request{.body = "v=0\r\n"}.text());
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].message.status(), 100);
    EXPECT_EQ(sent[0].message.to_tag(), "");
    EXPECT_EQ(sent[0].flow, peer);
    const auto arrived = take_heard<RequestArrived>();
    EXPECT_EQ(base::as_text(arrived.message.body()), "v=0\r\n");
    EXPECT_FALSE(arrived.dialog);
}

TEST_F(AgentServer, AnswersWithTagContactAndTheTusHeaders) {
    receive(Request{.more = "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n"}.text());
    invite = take_heard<RequestArrived>().transaction;
    sent.clear();
    respond(invite, {.status = 200,
                     .headers = {{"Supported", "siprec"}},
                     .content_type = "application/sdp",
                     .body = "v=0\r\n"});
    ASSERT_THAT(sent, SizeIs(1));
    const Message& ok = sent[0].message;
    EXPECT_EQ(ok.reason(), "OK");
    EXPECT_EQ(ok.to_tag(), agent.find_dialog(sent[0].dialog)->local_tag);
    EXPECT_EQ(*ok.find(HeaderId::Contact), "<sip:192.0.2.1:5060>;+sip.srs");
    EXPECT_EQ(*ok.find(HeaderId::Supported), "siprec");
    EXPECT_EQ(*ok.find(HeaderId::Server), "Earshot/test");
    EXPECT_THAT(ok.values(HeaderId::RecordRoute), ElementsAre("<sip:p1;lr>", "<sip:p2;lr>"));
    EXPECT_EQ(base::as_text(ok.body()), "v=0\r\n");
    EXPECT_THAT(std::string(*ok.find(HeaderId::Via)), HasSubstr("rport=5070"));
}

TEST_F(AgentServer, RetransmittedInviteGetsTheLastProvisionalAndTheTuHearsOnce) {
    receive(Request{}.text());
    invite = take_heard<RequestArrived>().transaction;
    respond(invite, {.status = 180});
    receive(Request{}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(100, 180, 180));
    EXPECT_THAT(heard, IsEmpty());
}

TEST_F(AgentServer, RespondsByRportElseToThePortOfTheVia) {  // RFC 3581 §4, RFC 3261 §18.2.2
    peer = udp_from("198.51.100.7:40000");
    receive(Request{.method = "OPTIONS"}.text());
    respond(take_heard<RequestArrived>().transaction, {.status = 200});
    EXPECT_EQ(sent.back().flow.remote.port, 40000);
    EXPECT_THAT(std::string(*sent.back().message.find(HeaderId::Via)),
                HasSubstr("received=198.51.100.7"));

    receive(Request{.method = "OPTIONS", .branch = "z9hG4bK2", .via = "SIP/2.0/UDP 10.0.0.1:5099"}
                .text());
    respond(take_heard<RequestArrived>().transaction, {.status = 200});
    EXPECT_EQ(base::to_string(sent.back().flow.remote), "198.51.100.7:5099");
}

TEST_F(AgentServer, RespondsOnTheConnectionTheRequestCameOn) {
    peer = tcp_from("192.0.2.9:40001", 77);
    receive(Request{.via = "SIP/2.0/TCP 192.0.2.9:5070"}.text());
    EXPECT_EQ(sent.back().flow, peer);
    invite = take_heard<RequestArrived>().transaction;

    agent.on_flow_closed(now, peer);
    respond(invite, {.status = 200});
    EXPECT_EQ(sent.back().flow.connection, 0U);
    EXPECT_EQ(base::to_string(sent.back().flow.remote), "192.0.2.9:5070");
}

TEST_F(AgentServer, A200ThatLostItsConnectionIsRepeatedToTheContact) {
    peer = tcp_from("192.0.2.9:40001", 77);
    accept_call();
    agent.on_flow_closed(now, peer);
    wait(500ms);
    EXPECT_EQ(sent.back().message.status(), 200);
    EXPECT_EQ(sent.back().flow, tcp_from("192.0.2.9:5070", 0));
}

TEST_F(AgentServer, Repeats200UntilAckOverAnyTransport) {
    for (const bool tcp : {false, true}) {
        if (tcp) peer = tcp_from("192.0.2.9:40001", 77);
        const std::string branch = tcp ? "z9hG4bKtcp" : "z9hG4bKudp";
        const std::string call_id = tcp ? "tcp" : "udp";
        receive(Request{.branch = branch, .call_id = call_id}.text());
        invite = take_heard<RequestArrived>().transaction;
        dialog = respond(invite, {.status = 200});
        tag = agent.find_dialog(dialog)->local_tag;
        sent.clear();
        wait(1500ms);
        EXPECT_THAT(take_statuses(), ElementsAre(200, 200));
        receive(Request{.method = "ACK", .branch = "z9hG4bKa", .to_tag = tag, .call_id = call_id}
                    .text());
        EXPECT_EQ(take_heard<AckArrived>().dialog, dialog);
        receive(Request{.method = "ACK", .branch = "z9hG4bKa", .to_tag = tag, .call_id = call_id}
                    .text());
        wait(60s);
        EXPECT_THAT(sent, IsEmpty());
        EXPECT_THAT(heard, IsEmpty());
    }
}

TEST_F(AgentServer, AckOfAnRfc2543PeerHasTheBranchOfTheInvite) {
    accept_call();
    receive(Request{.method = "ACK", .to_tag = tag}.text());
    EXPECT_EQ(take_heard<AckArrived>().invite, invite);
}

TEST_F(AgentServer, TellsTheTuWhenNoAckComes) {
    accept_call();
    wait(32s);
    EXPECT_EQ(take_heard<NoAck>().dialog, dialog);
    EXPECT_TRUE(agent.find_dialog(dialog));
    sent.clear();
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "BYE"}));
    drain();
    EXPECT_THAT(take_methods(), ElementsAre("BYE"));
    wait(32s);  // nobody answers it either
    ASSERT_THAT(heard, SizeIs(2));
    EXPECT_TRUE(std::holds_alternative<TransactionTimedOut>(heard[0]));
    EXPECT_TRUE(std::holds_alternative<DialogEnded>(heard[1]));
    EXPECT_EQ(agent.dialog_count(), 0U);
    EXPECT_EQ(agent.transaction_count(), 0U);
}

TEST_F(AgentServer, AByeBeforeTheAckOfItsCallWaitsForIt) {  // RFC 3261 §15
    accept_call();
    sent.clear();
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "BYE"}));
    EXPECT_FALSE(agent.send_request(now, dialog, {.method = "UPDATE"}));
    wait(500ms);
    EXPECT_THAT(take_statuses(), ElementsAre(200));  // sent again
    receive(Request{.method = "ACK", .branch = "z9hG4bKack", .to_tag = tag}.text());
    take_heard<AckArrived>();
    EXPECT_THAT(take_methods(), ElementsAre("BYE"));
    wait(32s);
    EXPECT_EQ(agent.dialog_count(), 0U);
}

TEST_F(AgentServer, AHeldByeIsSentWhenNoAckComesAndThatIsNotTold) {
    accept_call();
    sent.clear();
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "BYE"}));
    wait(32s - 1ms);
    for (const int status : take_statuses()) EXPECT_EQ(status, 200);
    wait(1ms);
    EXPECT_THAT(take_methods(), ElementsAre("BYE"));
    EXPECT_THAT(heard, IsEmpty());
}

TEST_F(AgentServer, AHeldByeIsSentAtOnceWhenTheProcessEnds) {
    accept_call();
    sent.clear();
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "BYE"}));
    agent.send_held_byes(now);
    drain();
    EXPECT_THAT(take_methods(), ElementsAre("BYE"));
}

TEST_F(AgentServer, AByeAfterAReinviteDoesNotWaitForItsAck) {
    establish_call();
    receive(Request{.branch = "z9hG4bKagain", .to_tag = tag, .cseq = 2}.text());
    respond(take_heard<RequestArrived>().transaction, {.status = 200});
    sent.clear();
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "BYE"}));
    drain();
    EXPECT_THAT(take_methods(), ElementsAre("BYE"));
}

TEST_F(AgentServer, ARetransmittedInviteAfter200IsAbsorbed) {  // RFC 6026 §7.1
    accept_call();
    sent.clear();
    receive(Request{}.text());
    EXPECT_THAT(sent, IsEmpty());
    EXPECT_THAT(heard, IsEmpty());
}

TEST_F(AgentServer, RefusalIsRepeatedUntilItsAck) {
    receive(Request{}.text());
    invite = take_heard<RequestArrived>().transaction;
    respond(invite, {.status = 488});
    wait(500ms);
    receive(Request{}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(100, 488, 488, 488));
    receive(Request{.method = "ACK", .to_tag = "any"}.text());
    wait(60s);
    EXPECT_THAT(sent, IsEmpty());
    EXPECT_THAT(heard, IsEmpty());
    EXPECT_EQ(agent.transaction_count(), 0U);
    EXPECT_FALSE(agent.respond(now, invite, {.status = 200}));
}

TEST_F(AgentServer, CancelIsAnswered200AndTheInvite487) {
    receive(Request{}.text());
    invite = take_heard<RequestArrived>().transaction;
    dialog = respond(invite, {.status = 180});
    sent.clear();
    receive(Request{.method = "CANCEL"}.text());
    ASSERT_THAT(heard, SizeIs(2));
    EXPECT_EQ(std::get<CancelArrived>(heard[0]).invite, invite);
    EXPECT_EQ(std::get<DialogEnded>(heard[1]).dialog, dialog);
    ASSERT_THAT(sent, SizeIs(2));
    EXPECT_EQ(sent[0].message.cseq_method(), Method::Cancel);
    EXPECT_EQ(sent[0].message.to_tag(), sent[1].message.to_tag());  // §9.2
    EXPECT_THAT(take_statuses(), ElementsAre(200, 487));
    EXPECT_FALSE(agent.respond(now, invite, {.status = 200}));
    receive(Request{.method = "CANCEL"}.text());  // sent again
    EXPECT_THAT(take_statuses(), ElementsAre(200));
}

TEST_F(AgentServer, CancelAfterTheAnswerChangesNothing) {
    accept_call();
    sent.clear();
    receive(Request{.method = "CANCEL"}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(200));
    EXPECT_THAT(heard, IsEmpty());
    receive(Request{.method = "CANCEL", .branch = "z9hG4bKother"}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(481));
}

TEST_F(AgentServer, MatchesOldPeersByTheFieldsOfTheRequest) {  // §17.2.3, RFC 2543
    receive(Request{.branch = "1"}.text());
    invite = take_heard<RequestArrived>().transaction;
    receive(Request{.branch = "1"}.text());
    EXPECT_THAT(heard, IsEmpty());
    receive(Request{.method = "CANCEL", .branch = "1"}.text());
    EXPECT_TRUE(std::holds_alternative<CancelArrived>(heard.at(0)));
    EXPECT_THAT(take_statuses(), ElementsAre(100, 100, 200, 487));
    receive(Request{.method = "ACK", .branch = "1", .to_tag = "x"}.text());
    wait(500ms);
    EXPECT_THAT(sent, IsEmpty());
}

TEST_F(AgentServer, MergedRequestGets482) {  // §8.2.2.2
    receive(Request{}.text());
    heard.clear();
    receive(Request{.branch = "z9hG4bKotherpath"}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(100, 482));
    const auto refused = take_heard<InviteRefused>();
    EXPECT_EQ(refused.status, 482);
    EXPECT_EQ(refused.reason.code, "merged");
    EXPECT_EQ(refused.message.call_id(), "call-1");
}

TEST_F(AgentServer, E19_AnInviteOfALostDialogGets481AndIsTold) {
    receive(Request{.to_tag = "nobody"}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(481));
    EXPECT_EQ(take_heard<InviteRefused>().reason.code, "no_such_dialog");
}

TEST_F(AgentServer, P100_AnOlderCSeqIsRefusedAndLeavesTheDialogAsItWas) {
    establish_call();
    receive(Request{.method = "UPDATE", .branch = "z9hG4bKu5", .to_tag = tag, .cseq = 5}.text());
    respond(take_heard<RequestArrived>().transaction, {.status = 200});
    sent.clear();
    receive(Request{.method = "UPDATE", .branch = "z9hG4bKu4", .to_tag = tag, .cseq = 4}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(500));
    EXPECT_THAT(heard, IsEmpty());
    receive(Request{.method = "UPDATE", .branch = "z9hG4bKu6", .to_tag = tag, .cseq = 6}.text());
    EXPECT_EQ(take_heard<RequestArrived>().message.cseq().number, 6U);
}

TEST_F(AgentServer, UnknownDialogGets481AndStrayAckAndResponseNothing) {
    receive(Request{.method = "BYE", .to_tag = "nobody"}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(481));
    receive(Request{.method = "ACK", .to_tag = "nobody"}.text());
    receive(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKno\r\nFrom: <sip:a@b>;tag=1"
        "\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(sent, IsEmpty());
    EXPECT_THAT(heard, IsEmpty());
}

TEST_F(AgentServer, ByeEndsTheDialogWhenAnswered) {
    establish_call();
    receive(Request{.method = "BYE", .branch = "z9hG4bKbye", .to_tag = tag, .cseq = 2}.text());
    const auto bye = take_heard<RequestArrived>();
    EXPECT_EQ(bye.dialog, dialog);
    respond(bye.transaction, {.status = 200});
    EXPECT_EQ(take_heard<DialogEnded>().dialog, dialog);
    receive(Request{.method = "BYE", .branch = "z9hG4bKbye", .to_tag = tag, .cseq = 2}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(200, 200));
    wait(32s);
    EXPECT_EQ(agent.transaction_count(), 0U);
}

TEST_F(AgentServer, LowerCseqGets500AndAnEqualOneIsServed) {  // §12.2.2; interop Q20
    establish_call();
    receive(Request{.method = "INFO", .branch = "z9hG4bKi1", .to_tag = tag, .cseq = 5}.text());
    respond(take_heard<RequestArrived>().transaction, {.status = 200});
    receive(Request{.method = "INFO", .branch = "z9hG4bKi2", .to_tag = tag, .cseq = 4}.text());
    EXPECT_THAT(heard, IsEmpty());
    EXPECT_THAT(take_statuses(), ElementsAre(200, 500));
    receive(Request{.method = "BYE", .branch = "z9hG4bKi3", .to_tag = tag, .cseq = 5}.text());
    take_heard<RequestArrived>();
}

TEST_F(AgentServer, SecondInviteWhileOneIsPendingGets500WithRetryAfter) {  // §14.2
    establish_call();
    receive(Request{.branch = "z9hG4bKr1", .to_tag = tag, .cseq = 2}.text());
    const auto first = take_heard<RequestArrived>();
    sent.clear();
    receive(Request{.branch = "z9hG4bKr2", .to_tag = tag, .cseq = 3}.text());
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_TRUE(sent[0].message.has(HeaderId::RetryAfter));
    EXPECT_THAT(take_statuses(), ElementsAre(500));
    EXPECT_THAT(heard, IsEmpty());
    EXPECT_EQ(respond(first.transaction, {.status = 200}), dialog);
}

TEST_F(AgentServer, SecondUpdateWhileOneIsPendingGets500) {  // RFC 3311 §5.2
    establish_call();
    receive(Request{.method = "UPDATE", .branch = "z9hG4bKu1", .to_tag = tag, .cseq = 2}.text());
    const auto first = take_heard<RequestArrived>();
    receive(Request{.method = "UPDATE", .branch = "z9hG4bKu2", .to_tag = tag, .cseq = 3}.text());
    respond(first.transaction, {.status = 200});
    EXPECT_TRUE(sent.back().message.has(HeaderId::Contact));
    EXPECT_THAT(take_statuses(), ElementsAre(500, 200));
    receive(Request{.method = "UPDATE", .branch = "z9hG4bKu3", .to_tag = tag, .cseq = 4}.text());
    take_heard<RequestArrived>();
}

TEST_F(AgentServer, AnUpdateThatWaitsIsAnsweredWhenItsDialogEnds) {
    establish_call();
    receive(Request{.method = "UPDATE", .branch = "z9hG4bKu1", .to_tag = tag, .cseq = 2}.text());
    take_heard<RequestArrived>();
    agent.end_dialog(now, dialog);
    drain();
    EXPECT_THAT(take_statuses(), ElementsAre(487));
    wait(32s);
    EXPECT_EQ(agent.transaction_count(), 0U);
}

TEST_F(AgentServer, InviteThatCrossesOursGets491) {  // §14.2
    establish_call();
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "INVITE"}));
    drain();
    EXPECT_FALSE(agent.send_request(now, dialog, {.method = "INVITE"}));
    sent.clear();
    receive(Request{.branch = "z9hG4bKr1", .to_tag = tag, .cseq = 2}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(491));
}

TEST_F(AgentServer, ReinviteRefreshesTheTargetWhenAccepted) {  // §12.2.2
    establish_call();
    std::string text = Request{.branch = "z9hG4bKr1", .to_tag = tag, .cseq = 2}.text();
    text.replace(text.find("Contact: <sip:src@192.0.2.9:5070>"),
                 std::string_view("Contact: <sip:src@192.0.2.9:5070>").size(),
                 "Contact: <sip:src@192.0.2.10:5071>");
    receive(text);
    const auto reinvite = take_heard<RequestArrived>();
    EXPECT_EQ(agent.find_dialog(dialog)->remote_target, "sip:src@192.0.2.9:5070");
    respond(reinvite.transaction, {.status = 200});
    EXPECT_EQ(agent.find_dialog(dialog)->remote_target, "sip:src@192.0.2.10:5071");
    EXPECT_EQ(sent.back().message.to_tag(), tag);
    receive(Request{.method = "ACK", .branch = "z9hG4bKra", .to_tag = tag, .cseq = 2}.text());
    take_heard<AckArrived>();
    sent.clear();
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "OPTIONS"}));
    drain();
    EXPECT_EQ(base::to_string(sent.back().flow.remote), "192.0.2.10:5071");
}

TEST_F(AgentServer, ByeWhileAReinviteIsOpenAnswersIt487) {  // §15.1.2
    establish_call();
    receive(Request{.branch = "z9hG4bKr1", .to_tag = tag, .cseq = 2}.text());
    receive(Request{.method = "BYE", .branch = "z9hG4bKb", .to_tag = tag, .cseq = 3}.text());
    const auto bye = take_heard<RequestArrived>();
    sent.clear();
    respond(bye.transaction, {.status = 200});
    EXPECT_THAT(take_statuses(), ElementsAre(200, 487));
}

TEST_F(AgentServer, RequestsOfOursFollowTheRouteSet) {  // §12.1.1, §12.2.1.1
    receive(Request{.more = "Record-Route: <sip:192.0.2.20;lr>\r\nRecord-Route: "
                            "<sip:192.0.2.21:5099;lr>\r\n"}
                .text());
    invite = take_heard<RequestArrived>().transaction;
    dialog = respond(invite, {.status = 200});
    ASSERT_TRUE(agent.send_request(now, dialog,
                                   {.method = "INFO", .content_type = "text/plain", .body = "x"}));
    drain();
    const Sent& info = sent.back();
    EXPECT_EQ(info.message.request_uri(), "sip:src@192.0.2.9:5070");
    EXPECT_THAT(info.message.values(HeaderId::Route),
                ElementsAre("<sip:192.0.2.20;lr>", "<sip:192.0.2.21:5099;lr>"));
    EXPECT_EQ(base::to_string(info.flow.remote), "192.0.2.20:5060");
    EXPECT_EQ(info.message.from_tag(), agent.find_dialog(dialog)->local_tag);
    EXPECT_EQ(info.message.to_tag(), "peer");
    EXPECT_EQ(info.message.cseq().number, 1U);
    EXPECT_EQ(info.dialog, dialog);
}

TEST_F(AgentServer, AStrictRouterGetsItsUriInTheRequestLine) {  // §12.2.1.1
    receive(Request{.more = "Record-Route: <sip:192.0.2.20>\r\n"}.text());
    dialog = respond(take_heard<RequestArrived>().transaction, {.status = 200});
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "INFO"}));
    drain();
    EXPECT_EQ(sent.back().message.request_uri(), "sip:192.0.2.20");
    EXPECT_THAT(sent.back().message.values(HeaderId::Route),
                ElementsAre("<sip:src@192.0.2.9:5070>"));
}

TEST_F(AgentServer, ANewConnectionOfThePeerTakesOverTheDialog) {
    peer = tcp_from("192.0.2.9:40001", 5);
    establish_call();
    agent.on_flow_closed(now, peer);
    peer = tcp_from("192.0.2.9:40002", 6);
    receive(Request{.method = "OPTIONS", .branch = "z9hG4bKo", .to_tag = tag, .cseq = 2}.text());
    take_heard<RequestArrived>();
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "BYE"}));
    drain();
    EXPECT_EQ(sent.back().flow, peer);
    agent.on_flow_closed(now, peer);  // the BYE waits on it
    drain();
    ASSERT_THAT(heard, SizeIs(2));
    EXPECT_TRUE(std::holds_alternative<TransportFailed>(heard[0]));
    EXPECT_TRUE(std::holds_alternative<DialogEnded>(heard[1]));
}

TEST_F(AgentServer, RejectsMalformedRequestsWithTheReasonAndAcksInSilence) {
    std::string text = Request{}.text();
    text.erase(text.find("Call-ID"), std::string_view("Call-ID: call-1\r\n").size());
    const ParsedMessage bad = parse_message(text);
    ASSERT_EQ(bad.verdict, Verdict::Refuse);
    agent.reject_malformed(peer, bad.message, bad.status, bad.reason);
    const auto action = agent.poll_action();
    ASSERT_TRUE(action);
    EXPECT_THAT(*std::get<SendBytes>(*action).bytes, HasSubstr("SIP/2.0 400 "));
    EXPECT_THAT(*std::get<SendBytes>(*action).bytes, HasSubstr("Call-ID"));
    const ParsedMessage ack = parse_message(Request{.method = "ACK"}.text());
    agent.reject_malformed(peer, ack.message, 400, "x");
    EXPECT_FALSE(agent.poll_action());
}

TEST_F(AgentServer, AnswersTheRequestAtTheEndOfABrokenStream) {
    const auto broken = [this](std::string text) {
        StreamFramer framer;
        framer.feed(base::as_bytes(text));
        std::optional<StreamEvent> last;
        while (auto event = framer.poll_event()) last = std::move(event);
        EXPECT_TRUE(last && last->kind == StreamEvent::Kind::Broken);
        if (last) agent.reject_broken_stream(peer, *last);
        const auto action = agent.poll_action();
        return action ? *std::get<SendBytes>(*action).bytes : std::string{};
    };
    std::string without_length = Request{}.text();
    const std::size_t length = without_length.find("Content-Length");
    without_length.erase(length, without_length.find("\r\n", length) + 2 - length);
    EXPECT_THAT(broken(without_length), HasSubstr("SIP/2.0 400 Missing Content-Length"));
    EXPECT_EQ(broken(std::string(100'000, 'x')), "") << "nobody to answer";
}

TEST_F(AgentServer, WhatIsForgottenAtOnceIsAnsweredOnceAndNewWhenItIsRepeated) {
    receive(Request{}.text());
    agent.respond_and_forget(now, take_heard<RequestArrived>().transaction, {.status = 503});
    drain();
    EXPECT_THAT(take_statuses(), ElementsAre(100, 503));
    EXPECT_EQ(agent.transaction_count(), 0U);
    wait(40s);
    EXPECT_THAT(take_statuses(), IsEmpty());
    receive(Request{}.text());
    EXPECT_TRUE(take_heard<RequestArrived>().transaction);
}

class AgentLimits : public AgentServer {
protected:
    static AgentConfig small() {
        AgentConfig config = test_config();
        config.max_transactions = 4;
        config.max_dialogs = 1;
        return config;
    }
    AgentLimits() : AgentServer(small()) {}
};

TEST_F(AgentLimits, OverTheLimitANewInviteGets503AndIsForgotten) {
    establish_call();
    receive(Request{.branch = "z9hG4bKx", .call_id = "call-2"}.text());
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(*sent[0].message.find(HeaderId::RetryAfter), std::to_string(kRetryAfterS));
    EXPECT_THAT(take_statuses(), ElementsAre(503));
    EXPECT_EQ(take_heard<InviteRefused>().reason.code, "too_many_dialogs");
    EXPECT_EQ(agent.transaction_count(), 1U);
}

TEST_F(AgentLimits, AFloodLeavesRoomForTheEndOfCalls) {
    establish_call();
    for (int i = 0; i < 10; ++i) {
        receive(Request{.method = "OPTIONS", .branch = fmt::format("z9hG4bKf{}", i), .call_id = "f"}
                    .text());
    }
    EXPECT_EQ(agent.transaction_count(), 4U);
    heard.clear();
    receive(Request{.method = "BYE", .branch = "z9hG4bKbye", .to_tag = tag, .cseq = 2}.text());
    EXPECT_EQ(take_heard<RequestArrived>().dialog, dialog);
}

TEST_F(AgentServer, AddressesTooLargeForADialogAreRefused) {
    const std::string header = "Record-Route: <sip:" + std::string(kMaxDialogBytes, 'p') + ">\r\n";
    receive(Request{.more = header}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(400));
    std::string routes = "Record-Route: <sip:p>";
    for (std::size_t i = 1; i < kMaxRouteSetEntries; ++i) routes += ",<sip:p>";
    receive(Request{.branch = "z9hG4bKfits", .more = routes + "\r\n"}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(100));
    receive(
        Request{.branch = "z9hG4bKmore", .more = routes + ",<sip:p>\r\n", .call_id = "2"}.text());
    EXPECT_THAT(take_statuses(), ElementsAre(400));
}

}  // namespace
}  // namespace earshot::sip
