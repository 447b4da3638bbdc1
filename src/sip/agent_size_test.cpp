// Requests that are too long for UDP (RFC 3261 §18.1.1).
#include <gmock/gmock.h>

#include "sip/agent_fixture.h"
#include "sip/agent_limits.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

AgentConfig config() {
    AgentConfig config = test_config();
    config.tcp_above_bytes = 1300;
    return config;
}

class AgentSize : public AgentFixture {
protected:
    AgentSize() : AgentFixture(config()) {}

    // An INVITE of so many octets as UDP would carry, to where the URI leads.
    TransactionId invite(std::size_t bytes, const std::string& uri = "sip:srs@192.0.2.9") {
        const auto send = [&](std::size_t body) {
            const auto id = agent.start_request(now, {.request_uri = uri,
                                                      .from = "sip:src@192.0.2.1",
                                                      .to = "sip:srs@192.0.2.9",
                                                      .content_type = "text/plain",
                                                      .body = std::string(body, 'x')});
            EXPECT_TRUE(id);
            drain();
            if (!heard.empty() && std::holds_alternative<LocateTarget>(heard.back())) {
                heard.clear();
                agent.on_located(now, *id,
                                 {{Transport::Udp, *base::parse_net_address("192.0.2.9:5060")}});
                drain();
            }
            return *id;
        };
        if (overhead_ == 0) {
            const auto probe = send(100);
            overhead_ = size_of_last() - 100;
            agent.on_send_failed(now, probe);
            drain();
            heard.clear();
            sent.clear();
        }
        return send(bytes - overhead_);
    }
    std::size_t size_of_last() const { return sent.back().message.raw().size(); }
    std::vector<Transport> take_transports() {
        std::vector<Transport> all;
        for (const Sent& one : sent)
            if (!one.is_retransmission && one.message.method() != Method::Ack)
                all.push_back(one.flow.transport);
        sent.clear();
        return all;
    }
    std::string answer_to(const Message& request, int status, const std::string& more = {}) {
        return fmt::format(
            "SIP/2.0 {} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=peer\r\nCall-ID: {}\r\nCSeq: {} "
            "{}\r\n{}Content-Length: 0\r\n\r\n",
            status, *request.first_value(HeaderId::Via), *request.find(HeaderId::From),
            *request.find(HeaderId::To), request.call_id(), request.cseq().number,
            request.method_name(), more);
    }

    std::size_t overhead_ = 0;  // of an INVITE beside its body of three digits or more
};

TEST_F(AgentSize, SendsByUdpWhatFitsAndByTcpWhatIsOneOctetLonger) {
    invite(1300);
    EXPECT_EQ(size_of_last(), 1300U);
    EXPECT_THAT(take_transports(), ElementsAre(Transport::Udp));
    invite(1301);
    const Message request = sent.back().message;
    EXPECT_EQ(request.top_via().transport, "TCP");
    EXPECT_THAT(std::string(*request.find(HeaderId::Contact)), testing::HasSubstr("transport=tcp"));
    EXPECT_EQ(base::to_string(sent.back().flow.remote), "192.0.2.9:5060");
    EXPECT_THAT(take_transports(), ElementsAre(Transport::Tcp));
}

TEST_F(AgentSize, GoesBackToUdpWhereNoConnectionCanBeMadeAndStaysThereForAWhile) {
    const TransactionId id = invite(4000);
    EXPECT_THAT(take_transports(), ElementsAre(Transport::Tcp));
    agent.on_send_failed(now, id);
    drain();
    EXPECT_THAT(heard, IsEmpty());
    EXPECT_EQ(sent.back().message.top_via().transport, "UDP");
    EXPECT_THAT(take_transports(), ElementsAre(Transport::Udp));
    invite(4000);
    EXPECT_THAT(take_transports(), ElementsAre(Transport::Udp));
    now += kWithoutTcpTime;
    invite(4000);
    EXPECT_THAT(take_transports(), ElementsAre(Transport::Tcp));
}

TEST_F(AgentSize, TellsOfTheFailureOnceUdpHasFailedToo) {
    const TransactionId id = invite(4000);
    agent.on_send_failed(now, id);
    agent.on_send_failed(now, id);
    drain();
    EXPECT_EQ(take_heard<TransportFailed>().transaction, id);
}

TEST_F(AgentSize, DoesNotRepeatByUdpWhatHasArrived) {
    const TransactionId id = invite(4000);
    receive(answer_to(sent.back().message, 100), sent.back().flow);
    heard.clear();
    sent.clear();
    agent.on_send_failed(now, id);
    drain();
    EXPECT_EQ(take_heard<TransportFailed>().transaction, id);
    EXPECT_THAT(sent, IsEmpty());
}

TEST_F(AgentSize, ObeysAUriThatSaysUdp) {
    invite(4000, "sip:srs@192.0.2.9;transport=udp");
    EXPECT_THAT(take_transports(), ElementsAre(Transport::Udp));
}

TEST_F(AgentSize, ALongRequestOfADialogGoesByTcpToo) {
    const TransactionId id = invite(700);
    receive(answer_to(sent.back().message, 200, "Contact: <sip:srs@192.0.2.9:5060>\r\n"),
            sent.back().flow);
    const DialogId dialog = take_heard<ResponseArrived>().dialog;
    ASSERT_TRUE(id);
    ASSERT_TRUE(agent.ack(now, dialog, {}));
    drain();
    sent.clear();
    const auto update = agent.send_request(now, dialog,
                                           {.method = "UPDATE",
                                            .content_type = "application/rs-metadata+xml",
                                            .body = std::string(3000, 'x')});
    ASSERT_TRUE(update);
    drain();
    EXPECT_THAT(take_transports(), ElementsAre(Transport::Tcp));
    agent.on_send_failed(now, *update);
    drain();
    EXPECT_THAT(take_transports(), ElementsAre(Transport::Udp));
}

TEST_F(AgentSize, AFlowThatIsTheOnlyWayIsKept) {
    const auto id = agent.start_request(now, {.request_uri = "sip:b@192.168.1.5",
                                              .from = "sip:src@192.0.2.1",
                                              .to = "sip:b@192.0.2.9",
                                              .flow = udp_from("198.51.100.7:40000"),
                                              .content_type = "text/plain",
                                              .body = std::string(4000, 'x'),
                                              .keeps_flow = true});
    ASSERT_TRUE(id);
    drain();
    EXPECT_THAT(take_transports(), ElementsAre(Transport::Udp));
}

TEST_F(AgentSize, ACancelFollowsItsInviteByUdp) {
    const TransactionId id = invite(4000);
    agent.on_send_failed(now, id);
    drain();
    receive(answer_to(sent.back().message, 180), sent.back().flow);
    sent.clear();
    ASSERT_TRUE(agent.cancel(now, id));
    drain();
    EXPECT_EQ(sent.back().message.method(), Method::Cancel);
    EXPECT_EQ(sent.back().flow.transport, Transport::Udp);
}

}  // namespace
}  // namespace earshot::sip
