// Requests of ours to host names: located, sent, sent elsewhere (RFC 3263).
#include <gmock/gmock.h>

#include "sip/agent_fixture.h"
#include "sip/agent_limits.h"
#include "sip/digest.h"
#include "sip/quarantine.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

Target udp(const char* address) { return {Transport::Udp, *base::parse_net_address(address)}; }
Target tcp(const char* address) { return {Transport::Tcp, *base::parse_net_address(address)}; }

class AgentDelivery : public AgentFixture {
protected:
    // A request to a name whose targets are these.
    TransactionId ask(const std::string& method, std::vector<Target> targets) {
        const auto id = agent.start_request(now, {.method = method,
                                                  .request_uri = "sip:src@example.com",
                                                  .from = "sip:srs@192.0.2.1",
                                                  .to = "sip:src@example.com"});
        EXPECT_TRUE(id);
        drain();
        const auto located = take_heard<LocateTarget>();
        EXPECT_EQ(located.transaction, *id);
        EXPECT_EQ(located.uri, "sip:src@example.com");
        agent.on_located(now, *id, std::move(targets));
        drain();
        return *id;
    }
    std::vector<std::string> take_places() {
        std::vector<std::string> places;
        for (const Sent& one : sent) {
            std::string place =
                std::string(via_name(one.flow.transport)) + " " + base::to_string(one.flow.remote);
            if (one.message.method() != Method::Ack && !one.is_retransmission)
                places.push_back(std::move(place));
        }
        sent.clear();
        return places;
    }
    std::string answer_to(const Message& request, int status, const std::string& more = {}) {
        return fmt::format(
            "SIP/2.0 {} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=peer\r\nCall-ID: {}\r\nCSeq: {} "
            "{}\r\n{}Content-Length: 0\r\n\r\n",
            status, *request.first_value(HeaderId::Via), *request.find(HeaderId::From),
            *request.find(HeaderId::To), request.call_id(), request.cseq().number,
            request.method_name(), more);
    }
    // Answers the newest request.
    void answer(int status, const std::string& more = {}) {
        const std::string text = answer_to(sent.back().message, status, more);
        const Flow flow = sent.back().flow;
        receive(text, flow);
    }
};

TEST_F(AgentDelivery, SendsToTheFirstTargetWithItsViaAndContact) {
    ask("INVITE", {tcp("192.0.2.20:5066"), udp("192.0.2.21:5060")});
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].flow.listener, 1);
    EXPECT_EQ(sent[0].message.top_via().transport, "TCP");
    EXPECT_EQ(*sent[0].message.find(HeaderId::Contact),
              "<sip:192.0.2.1:5060;transport=tcp>;+sip.srs");
    EXPECT_THAT(take_places(), ElementsAre("TCP 192.0.2.20:5066"));
}

TEST_F(AgentDelivery, WaitsUntilItIsLocatedAndTellsThatTheNameLeadsNowhere) {
    const auto id = agent.start_request(now, {.method = "OPTIONS",
                                              .request_uri = "sip:example.com",
                                              .from = "sip:a@b",
                                              .to = "sip:example.com",
                                              .routes = {"<sip:proxy.example.com;lr>"}});
    drain();
    EXPECT_EQ(take_heard<LocateTarget>().uri, "sip:proxy.example.com;lr");
    EXPECT_EQ(agent.deadline(), now + kMaxLocationTime);
    EXPECT_THAT(sent, IsEmpty());
    agent.on_located(now, *id, {});
    drain();
    const auto failed = take_heard<TransportFailed>();
    EXPECT_EQ(failed.transaction, *id);
    EXPECT_EQ(failed.lookup, TransportFailed::Lookup::NothingFound);
    EXPECT_FALSE(agent.deadline());
    EXPECT_EQ(agent.transaction_count(), 0U);
    agent.on_located(now, *id, {udp("192.0.2.20:5060")});  // late: nobody waits
    drain();
    EXPECT_THAT(sent, IsEmpty());
}

TEST_F(AgentDelivery, FailsWhenItIsNotLocatedInTime) {
    const auto id = agent.start_request(
        now, {.request_uri = "sip:example.com", .from = "sip:a@b", .to = "sip:example.com"});
    drain();
    wait(kMaxLocationTime - 1ms);
    EXPECT_TRUE(std::holds_alternative<LocateTarget>(heard.back()));
    wait(1ms);
    const auto failed = take_heard<TransportFailed>();
    EXPECT_EQ(failed.transaction, *id);
    EXPECT_EQ(failed.lookup, TransportFailed::Lookup::TimedOut);
    EXPECT_EQ(agent.transaction_count(), 0U);
    agent.on_located(now, *id, {udp("192.0.2.20:5060")});  // late
    drain();
    EXPECT_THAT(sent, IsEmpty());
}

TEST_F(AgentDelivery, ALocatedRequestThatCannotBeSentIsNoFaultOfItsName) {
    const TransactionId id = ask("OPTIONS", {udp("192.0.2.20:5060")});
    agent.on_send_failed(now, id);
    drain();
    EXPECT_EQ(take_heard<TransportFailed>().lookup, TransportFailed::Lookup::Fine);
}

TEST_F(AgentDelivery, AnInviteThatIsCancelledBeforeItIsLocatedIsNeverSent) {
    const auto id = agent.start_request(
        now, {.request_uri = "sip:example.com", .from = "sip:a@b", .to = "sip:example.com"});
    EXPECT_TRUE(agent.cancel(now, *id));
    drain();
    EXPECT_EQ(take_heard<TransportFailed>().transaction, *id);
    agent.on_located(now, *id, {udp("192.0.2.20:5060")});
    drain();
    EXPECT_THAT(sent, IsEmpty());
    EXPECT_FALSE(agent.deadline());
}

TEST_F(AgentDelivery, GoesOnAfterATransportErrorASilenceAndA503) {
    const TransactionId id =
        ask("INVITE", {udp("192.0.2.20:5060"), udp("192.0.2.21:5060"), udp("192.0.2.22:5060")});
    const std::string first_branch(sent[0].message.top_via().branch());
    EXPECT_THAT(take_places(), ElementsAre("UDP 192.0.2.20:5060"));
    agent.on_send_failed(now, id);
    drain();
    EXPECT_NE(sent[0].message.top_via().branch(), first_branch);
    EXPECT_EQ(sent[0].transaction, id);
    EXPECT_THAT(take_places(), ElementsAre("UDP 192.0.2.21:5060"));
    wait(33s);
    EXPECT_THAT(take_places(), ElementsAre("UDP 192.0.2.22:5060"));
    EXPECT_THAT(heard, IsEmpty());
    wait(33s);
    EXPECT_EQ(take_heard<TransactionTimedOut>().transaction, id);
}

TEST_F(AgentDelivery, A503IsAcknowledgedAndTheNextTargetAsked) {
    const TransactionId id = ask("INVITE", {udp("192.0.2.20:5060"), tcp("192.0.2.21:5060")});
    answer(503);
    ASSERT_EQ(sent.size(), 3U);
    EXPECT_EQ(sent[1].message.method(), Method::Ack);
    EXPECT_EQ(base::to_string(sent[1].flow.remote), "192.0.2.20:5060");
    EXPECT_EQ(base::to_string(sent[2].flow.remote), "192.0.2.21:5060");
    EXPECT_THAT(heard, IsEmpty());
    answer(200, "Contact: <sip:src@192.0.2.21>\r\n");
    const auto response = take_heard<ResponseArrived>();
    EXPECT_EQ(response.transaction, id);
    EXPECT_TRUE(agent.ack(now, response.dialog, {}));
}

TEST_F(AgentDelivery, TheLast503IsTheTus) {
    const TransactionId id = ask("OPTIONS", {udp("192.0.2.20:5060"), udp("192.0.2.21:5060")});
    answer(503);
    answer(503);
    const auto response = take_heard<ResponseArrived>();
    EXPECT_EQ(response.transaction, id);
    EXPECT_EQ(response.message.status(), 503);
}

TEST_F(AgentDelivery, OtherRefusalsAreNotTriedElsewhere) {
    ask("OPTIONS", {udp("192.0.2.20:5060"), udp("192.0.2.21:5060")});
    answer(486);
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 486);
    EXPECT_EQ(sent.size(), 1U);
}

TEST_F(AgentDelivery, AFailedTargetIsTriedLastUntilItsTimeIsOverOrItAnswers) {
    const std::vector<Target> both{udp("192.0.2.20:5060"), udp("192.0.2.21:5060")};
    agent.on_send_failed(now, ask("OPTIONS", both));
    drain();
    answer(200);
    sent.clear();
    ask("OPTIONS", both);
    answer(200);
    EXPECT_THAT(take_places(), ElementsAre("UDP 192.0.2.21:5060"));
    wait(kQuarantineTime);
    ask("OPTIONS", both);
    EXPECT_THAT(take_places(), ElementsAre("UDP 192.0.2.20:5060"));
}

TEST_F(AgentDelivery, ACancelledInviteIsNotSentElsewhere) {
    const TransactionId id = ask("INVITE", {udp("192.0.2.20:5060"), udp("192.0.2.21:5060")});
    EXPECT_TRUE(agent.cancel(now, id));
    agent.on_send_failed(now, id);
    drain();
    EXPECT_EQ(take_heard<TransportFailed>().transaction, id);
    EXPECT_EQ(sent.size(), 1U);
}

TEST_F(AgentDelivery, PassesOverTargetsThatNoListenerReaches) {
    ask("OPTIONS", {{Transport::Tls, *base::parse_net_address("192.0.2.20:5061")},
                    udp("[2001:db8::20]:5060"),
                    udp("192.0.2.21:5060")});
    EXPECT_THAT(take_places(), ElementsAre("UDP 192.0.2.21:5060"));
}

TEST_F(AgentDelivery, ABodyIsSentAgainWithEachTry) {
    const auto id = agent.start_request(now, {.request_uri = "sip:example.com",
                                              .from = "sip:a@b",
                                              .to = "sip:example.com",
                                              .content_type = "application/sdp",
                                              .body = "v=0\r\n"});
    agent.on_located(now, *id, {udp("192.0.2.20:5060"), udp("192.0.2.21:5060")});
    agent.on_send_failed(now, *id);
    drain();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(base::as_text(sent[1].message.body()), "v=0\r\n");
    EXPECT_EQ(sent[0].message.call_id(), sent[1].message.call_id());
    EXPECT_EQ(sent[0].message.cseq().number, sent[1].message.cseq().number);
}

// A client whose Contact is a name: its requests are looked for, and go to where it was heard from
// when the name leads nowhere.
class AgentNamedPeer : public AgentDelivery {
protected:
    void establish() {
        receive(
            "INVITE sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1"
            "\r\nFrom: <sip:src@example.com>;tag=peer\r\nTo: <sip:srs@192.0.2.1>\r\nCall-ID: c\r\n"
            "CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:src@src.example.com>\r\n"
            "Content-Length: 0\r\n\r\n");
        dialog_ = respond(take_heard<RequestArrived>().transaction, {.status = 200});
        receive(fmt::format(
            "ACK sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK2"
            "\r\nFrom: <sip:src@example.com>;tag=peer\r\nTo: <sip:srs@192.0.2.1>;tag={}\r\n"
            "Call-ID: c\r\nCSeq: 1 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            agent.find_dialog(dialog_)->local_tag));
        heard.clear();
        sent.clear();
    }
    TransactionId send(const std::string& method) {
        const auto id = agent.send_request(now, dialog_, {.method = method});
        EXPECT_TRUE(id);
        drain();
        EXPECT_EQ(take_heard<LocateTarget>().uri, "sip:src@src.example.com");
        return *id;
    }
    DialogId dialog_;
};

TEST_F(AgentNamedPeer, GetsRequestsAndTheirAckWhereItsNameLeads) {
    establish();
    agent.on_located(now, send("INVITE"), {udp("192.0.2.30:5066")});
    drain();
    EXPECT_FALSE(agent.send_request(now, dialog_, {.method = "INVITE"}));  // one at a time
    answer(200, "Contact: <sip:src@src.example.com>\r\n");
    take_heard<ResponseArrived>();
    sent.clear();
    EXPECT_TRUE(agent.ack(now, dialog_, {}));
    drain();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(base::to_string(sent[0].flow.remote), "192.0.2.30:5066");
}

TEST_F(AgentNamedPeer, GetsThemWhereItWasHeardFromWhenItsNameLeadsNowhere) {
    establish();
    agent.on_located(now, send("BYE"), {});
    drain();
    EXPECT_THAT(take_places(), ElementsAre("UDP 192.0.2.9:5070"));
    wait(33s);
    EXPECT_FALSE(agent.find_dialog(dialog_));
}

TEST_F(AgentNamedPeer, GetsThemThereAlsoWhenTheDnsIsSilent) {
    establish();
    send("INVITE");
    wait(kMaxLocationTime - 1ms);
    EXPECT_THAT(take_places(), IsEmpty());
    wait(1ms);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].message.method(), Method::Invite);
    answer(200, "Contact: <sip:src@src.example.com>\r\n");
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 200);
    EXPECT_THAT(take_places(), ElementsAre("UDP 192.0.2.9:5070"));
}

TEST_F(AgentNamedPeer, IsNotLookedForAnyMoreWhenTheProgramEnds) {
    establish();
    send("INVITE");
    agent.stop_locating(now);
    drain();
    EXPECT_THAT(take_places(), ElementsAre("UDP 192.0.2.9:5070"));
    EXPECT_TRUE(agent.send_request(now, dialog_, {.method = "BYE"}));
    drain();
    EXPECT_THAT(heard, IsEmpty());
    EXPECT_THAT(take_places(), ElementsAre("UDP 192.0.2.9:5070"));
}

TEST_F(AgentNamedPeer, ADialogThatEndsMeanwhileLeavesNothing) {
    establish();
    const std::size_t before = agent.transaction_count();  // of the INVITE: RFC 6026
    const TransactionId id = send("BYE");
    agent.end_dialog(now, dialog_);
    agent.on_located(now, id, {});
    drain();
    EXPECT_EQ(agent.transaction_count(), before);
}

// A peer that asks for a password in the dialog (RFC 3261 §22.2), whatever it is asked.
class AgentChallenged : public AgentNamedPeer {
protected:
    void challenge(const std::string& more = {}) {
        answer(401,
               "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"" + more + "\r\n");
    }
    void challenge_by_proxy() {
        answer(407, "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n\", qop=\"auth\"\r\n");
    }
    std::string credentials_of(const Message& message) const {
        return std::string(message.find(HeaderId::Authorization).value_or(""));
    }
    void trust(const char* host) {
        agent.authenticate_as(dialog_, {.username = "us", .password = "rose"},
                              *base::parse_net_address(host));
    }
    void establish_with_credentials() {
        establish();
        trust("192.0.2.9:5060");   // the port is not the matter
        agent.stop_locating(now);  // its name is not the matter here
    }
    TransactionId ask_in_dialog(const std::string& method) {
        const auto id = agent.send_request(now, dialog_, {.method = method});
        EXPECT_TRUE(id);
        drain();
        return *id;
    }
};

TEST_F(AgentChallenged, GetsTheRequestOnceMoreWithCredentials) {
    establish_with_credentials();
    const TransactionId id = ask_in_dialog("UPDATE");
    const std::uint32_t cseq = sent.back().message.cseq().number;
    challenge();
    EXPECT_THAT(heard, IsEmpty());
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[1].message.cseq().number, cseq + 1);
    EXPECT_NE(sent[1].message.top_via().branch(), sent[0].message.top_via().branch());
    const auto given = parse_digest_answer(credentials_of(sent[1].message));
    ASSERT_TRUE(given);
    EXPECT_EQ(given->username, "us");
    EXPECT_EQ(given->response, digest_response(*given, "rose", "UPDATE"));
    answer(200);
    EXPECT_EQ(take_heard<ResponseArrived>().transaction, id);
}

TEST_F(AgentChallenged, AnAckRepeatsTheCredentialsOfItsInvite) {
    establish_with_credentials();
    ask_in_dialog("INVITE");
    challenge();
    EXPECT_FALSE(agent.send_request(now, dialog_, {.method = "INVITE"}));  // still the same one
    answer(200, "Contact: <sip:src@src.example.com>\r\n");
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 200);
    const std::string given = credentials_of(sent.back().message);
    sent.clear();
    EXPECT_TRUE(agent.ack(now, dialog_, {}));
    drain();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(credentials_of(sent[0].message), given);

    ask_in_dialog("INVITE");  // whose ACK repeats none when it needed none
    answer(200, "Contact: <sip:src@src.example.com>\r\n");
    EXPECT_TRUE(agent.ack(now, dialog_, {}));
    drain();
    EXPECT_EQ(sent.back().message.method(), Method::Ack);
    EXPECT_EQ(credentials_of(sent.back().message), "");
}

TEST_F(AgentChallenged, AByeEndsTheDialogOnlyWithItsLastAnswer) {
    establish_with_credentials();
    ask_in_dialog("BYE");
    challenge();
    EXPECT_TRUE(agent.find_dialog(dialog_));
    EXPECT_EQ(sent.back().message.method(), Method::Bye);
    answer(200);
    EXPECT_FALSE(agent.find_dialog(dialog_));
}

TEST_F(AgentChallenged, WrongOrUnknownCredentialsAreTheTus) {
    establish_with_credentials();
    ask_in_dialog("UPDATE");
    challenge();
    challenge(", stale=true");
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 401);
    ask_in_dialog("UPDATE");
    answer(401, "WWW-Authenticate: Basic realm=\"r\"\r\n");
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 401);
}

TEST_F(AgentChallenged, AProxyAndThePeerBehindItAreBothAnsweredOnce) {
    establish_with_credentials();
    ask_in_dialog("INVITE");
    challenge_by_proxy();
    challenge();
    EXPECT_THAT(heard, IsEmpty());
    const auto has_both = [](const Message& message) {
        return message.all(HeaderId::ProxyAuthorization).size() == 1 &&
               message.all(HeaderId::Authorization).size() == 1;
    };
    EXPECT_TRUE(has_both(sent.back().message));
    answer(200, "Contact: <sip:src@src.example.com>\r\n");
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 200);
    EXPECT_TRUE(agent.ack(now, dialog_, {}));
    drain();
    EXPECT_EQ(sent.back().message.method(), Method::Ack);
    EXPECT_TRUE(has_both(sent.back().message));

    ask_in_dialog("UPDATE");
    challenge_by_proxy();
    challenge();
    challenge_by_proxy();
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 407);
}

// The peer says where its name leads: nobody there but the host that is trusted gets an answer.
TEST_F(AgentChallenged, GetsNoCredentialsAtAnotherHost) {
    establish();
    trust("192.0.2.9:5060");
    agent.on_located(now, send("UPDATE"), {udp("192.0.2.66:5060")});
    drain();
    challenge();
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 401);
    EXPECT_EQ(sent.size(), 1U);
}

TEST_F(AgentChallenged, CredentialsAreNotTakenAlongToTheNextTarget) {
    establish();
    trust("192.0.2.9:5060");
    agent.on_located(now, send("UPDATE"), {udp("192.0.2.9:5070"), udp("192.0.2.66:5060")});
    drain();
    challenge();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_NE(credentials_of(sent[1].message), "");
    answer(503);
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 503);
    EXPECT_EQ(sent.size(), 2U);
}

TEST_F(AgentChallenged, NeitherDoesAnAckTakeThemAlongToANewContact) {
    establish_with_credentials();
    ask_in_dialog("INVITE");
    challenge();
    answer(200, "Contact: <sip:src@192.0.2.66>\r\n");
    sent.clear();
    EXPECT_TRUE(agent.ack(now, dialog_, {}));
    drain();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(base::to_string(sent[0].flow.remote), "192.0.2.66:5060");
    EXPECT_EQ(credentials_of(sent[0].message), "");
}

TEST_F(AgentChallenged, IsAsBeforeWithoutCredentials) {
    establish();
    agent.stop_locating(now);
    ask_in_dialog("UPDATE");
    challenge();
    EXPECT_EQ(take_heard<ResponseArrived>().message.status(), 401);
    EXPECT_EQ(sent.size(), 1U);
}

TEST(Quarantine, HoldsNoMoreThanItsLimit) {
    Quarantine quarantine;
    base::TimePoint now{1h};
    const auto target = [](std::size_t i) {
        Target one = udp("192.0.2.1:1");
        one.address.port = static_cast<std::uint16_t>(i + 1);
        return one;
    };
    for (std::size_t i = 0; i <= kMaxQuarantined; ++i) quarantine.add(target(i), now += 1ms);
    EXPECT_FALSE(quarantine.holds(target(0), now));
    EXPECT_TRUE(quarantine.holds(target(1), now));
    EXPECT_TRUE(quarantine.holds(target(kMaxQuarantined), now));
    EXPECT_FALSE(quarantine.holds(target(kMaxQuarantined), now + kQuarantineTime));
}

}  // namespace
}  // namespace earshot::sip
