// Reliable provisional responses of ours (RFC 3262 §3), and what a TU may write in the Agent's
// place.
#include <gmock/gmock.h>

#include "sip/agent_fixture.h"
#include "sip/agent_limits.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kInvite =
    "INVITE sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1\r\n"
    "From: <sip:a@192.0.2.9>;tag=peer\r\nTo: <sip:b@192.0.2.1>\r\nCall-ID: call-1\r\n"
    "CSeq: 7 INVITE\r\nContact: <sip:a@192.0.2.9:5070>\r\nSupported: 100rel\r\n"
    "Content-Length: 0\r\n\r\n";

class AgentProvisional : public AgentFixture {
protected:
    void ring() {
        receive(kInvite);
        invite = take_heard<RequestArrived>().transaction;
        sent.clear();
        dialog = respond(invite, {.status = 183, .is_reliable = true});
        rseq = sent.empty() ? 0 : rseq_of(sent.front().message);
        tag = agent.find_dialog(dialog)->local_tag;
    }

    static unsigned rseq_of(const Message& message) {
        return static_cast<unsigned>(
            std::stoul(std::string(message.find(HeaderId::Rseq).value_or("0"))));
    }

    void prack(const std::string& rack) {
        ++cseq;
        receive(fmt::format(
            "PRACK sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKp{}\r\n"
            "From: <sip:a@192.0.2.9>;tag=peer\r\nTo: <sip:b@192.0.2.1>;tag={}\r\n"
            "Call-ID: call-1\r\nCSeq: {} PRACK\r\nRAck: {}\r\nContent-Length: 0\r\n\r\n",
            cseq, tag, cseq, rack));
    }

    TransactionId invite;
    DialogId dialog;
    std::string tag;
    unsigned rseq = 0;
    int cseq = 7;
};

TEST_F(AgentProvisional, SendsTheResponseAgainUntilItsPrack) {
    ring();
    EXPECT_TRUE(sent.front().message.lists(HeaderId::Require, "100rel"));
    EXPECT_GT(rseq, 0U);
    sent.clear();
    wait(4s);  // 0.5, 1.5, 3.5 s
    EXPECT_THAT(take_statuses(), ElementsAre(183, 183, 183));
    prack(fmt::format("{} 7 INVITE", rseq));
    const auto arrived = take_heard<RequestArrived>();
    EXPECT_EQ(arrived.message.method(), Method::Prack);
    EXPECT_EQ(arrived.dialog, dialog);
    respond(arrived.transaction, {.status = 200});
    sent.clear();
    wait(30s);
    EXPECT_THAT(sent, IsEmpty());
}

TEST_F(AgentProvisional, AnswersAPrackOfNothing481) {  // §3
    ring();
    sent.clear();
    for (const std::string& rack :
         {fmt::format("{} 7 INVITE", rseq + 1), fmt::format("{} 8 INVITE", rseq),
          fmt::format("{} 7 UPDATE", rseq), std::string("x"), std::string("1")}) {
        prack(rack);
        EXPECT_THAT(take_statuses(), ElementsAre(481)) << rack;
    }
    EXPECT_THAT(heard, IsEmpty());
    prack(fmt::format("{} 7 INVITE", rseq));
    heard.clear();
    prack(fmt::format("{} 7 INVITE", rseq));
    EXPECT_THAT(take_statuses(), ElementsAre(481));
}

TEST_F(AgentProvisional, KeepsTheNextOnesUntilThePrack) {
    ring();
    respond(invite, {.status = 180});  // an unreliable one need not wait
    respond(invite, {.status = 181, .is_reliable = true});
    respond(invite, {.status = 182});  // but not before those that were said earlier
    respond(invite, {.status = 200});
    EXPECT_FALSE(agent.respond(now, invite, {.status = 200}).has_value());
    EXPECT_THAT(take_statuses(), ElementsAre(183, 180));
    prack(fmt::format("{} 7 INVITE", rseq));
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(rseq_of(sent.front().message), rseq + 1);
    EXPECT_THAT(take_statuses(), ElementsAre(181));
    prack(fmt::format("{} 7 INVITE", rseq + 1));
    EXPECT_THAT(take_statuses(), ElementsAre(182, 200));
    EXPECT_TRUE(agent.find_dialog(dialog)->is_confirmed);
}

TEST_F(AgentProvisional, RefusesWithoutWaiting) {
    ring();
    respond(invite, {.status = 200});
    respond(invite, {.status = 486});
    EXPECT_THAT(take_statuses(), ElementsAre(183, 486));
    EXPECT_FALSE(agent.find_dialog(dialog).has_value());
}

TEST_F(AgentProvisional, TellsWhenNoPrackComes) {
    ring();
    wait(32s);
    const auto no_ack = take_heard<NoAck>();
    EXPECT_TRUE(no_ack.is_prack);
    EXPECT_EQ(no_ack.invite, invite);
    sent.clear();
    wait(60s);
    EXPECT_THAT(sent, IsEmpty());
    respond(invite, {.status = 504});
    EXPECT_THAT(take_statuses(), ElementsAre(504));
}

TEST_F(AgentProvisional, AnswersARepeatedInviteWithTheLastResponse) {
    ring();
    respond(invite, {.status = 180});
    sent.clear();
    receive(kInvite);
    EXPECT_THAT(take_statuses(), ElementsAre(180));
}

TEST_F(AgentProvisional, KeepsNoMoreThanItsLimitForAPrack) {
    ring();
    for (std::size_t i = 0; i < kMaxWaitingResponses; ++i) {
        EXPECT_TRUE(agent.respond(now, invite, {.status = 183, .is_reliable = true}).has_value());
    }
    EXPECT_FALSE(agent.respond(now, invite, {.status = 183, .is_reliable = true}).has_value());
}

TEST_F(AgentProvisional, LeavesThePrackToATuThatWantsIt) {
    OutOfDialogSpec spec{.request_uri = "sip:b@192.0.2.9", .from = "sip:a@x", .to = "sip:b@x"};
    spec.flow = udp_from("192.0.2.9:5060");
    spec.content_type = "application/sdp";
    spec.body = "v=0\r\n";
    spec.leaves_prack = true;
    ASSERT_TRUE(agent.start_request(now, spec).has_value());
    drain();
    const Message invite_out = sent.back().message;
    sent.clear();
    receive(
        fmt::format("SIP/2.0 183 X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=b\r\nCall-ID: {}\r\n"
                    "CSeq: 1 INVITE\r\nRequire: 100rel\r\nRSeq: 5\r\nContent-Length: 0\r\n\r\n",
                    *invite_out.find(HeaderId::Via), *invite_out.find(HeaderId::From),
                    *invite_out.find(HeaderId::To), invite_out.call_id()));
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 183);
    EXPECT_THAT(sent, IsEmpty());
}

TEST_F(AgentProvisional, WritesTheTusOwnLinesInPlaceOfItsOwn) {
    OutOfDialogSpec spec{.request_uri = "sip:b@192.0.2.9", .from = "sip:a@x", .to = "sip:b@x"};
    spec.flow = udp_from("192.0.2.9:5060");
    spec.headers = {{"Max-Forwards", "12"}, {"User-Agent", "Phone/1"}};
    spec.contact_parameters = ";audio";
    ASSERT_TRUE(agent.start_request(now, spec).has_value());
    drain();
    const Message& out = sent.back().message;
    EXPECT_THAT(out.all(HeaderId::MaxForwards), ElementsAre("12"));
    EXPECT_THAT(out.all(HeaderId::UserAgent), ElementsAre("Phone/1"));
    EXPECT_THAT(out.all(HeaderId::Contact), ElementsAre("<sip:192.0.2.1:5060>;audio"));

    receive(kInvite);
    respond(take_heard<RequestArrived>().transaction,
            {.status = 200, .headers = {{"Server", "PBX/2"}}, .contact_parameters = ""});
    const Message& ok = sent.back().message;
    EXPECT_THAT(ok.all(HeaderId::Server), ElementsAre("PBX/2"));
    EXPECT_THAT(ok.all(HeaderId::Contact), ElementsAre("<sip:192.0.2.1:5060>"));
}

TEST_F(AgentProvisional, LooksForTheNextHopInsteadOfTheRequestUri) {
    OutOfDialogSpec spec{.request_uri = "sip:b@example.com", .from = "sip:a@x", .to = "sip:b@x"};
    spec.next_hop = "sip:pbx.example.com";
    ASSERT_TRUE(agent.start_request(now, spec).has_value());
    drain();
    const auto locate = take_heard<LocateTarget>();
    EXPECT_EQ(locate.uri, "sip:pbx.example.com");
    agent.on_located(now, locate.transaction,
                     {{Transport::Udp, *base::parse_net_address("192.0.2.7:5060")}});
    drain();
    EXPECT_EQ(sent.back().message.request_uri(), "sip:b@example.com");
    EXPECT_FALSE(sent.back().message.has(HeaderId::Route));
}

TEST_F(AgentProvisional, PutsGivenHeadersIntoTheCancel) {  // RFC 3326
    OutOfDialogSpec spec{.request_uri = "sip:b@192.0.2.9", .from = "sip:a@x", .to = "sip:b@x"};
    spec.flow = udp_from("192.0.2.9:5060");
    const auto id = agent.start_request(now, spec);
    ASSERT_TRUE(id.has_value());
    drain();
    const Message out = sent.back().message;
    ASSERT_TRUE(agent.cancel(now, *id, {{"Reason", "SIP;cause=200"}}).has_value());
    receive(
        fmt::format("SIP/2.0 180 X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=b\r\nCall-ID: {}\r\n"
                    "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                    *out.find(HeaderId::Via), *out.find(HeaderId::From), *out.find(HeaderId::To),
                    out.call_id()));
    ASSERT_EQ(sent.back().message.method(), Method::Cancel);
    EXPECT_EQ(*sent.back().message.find(HeaderId::Reason), "SIP;cause=200");
}

}  // namespace
}  // namespace earshot::sip
