// Requests by TLS: whose certificate is wanted, and that a sips: URI leads nowhere else (RFC 3261
// §26.2, RFC 5922 §7.3).
#include <gmock/gmock.h>

#include "sip/agent_fixture.h"
#include "sip/dialog.h"

namespace earshot::sip {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

AgentConfig tls_config() {
    AgentConfig config = test_config();
    config.listeners.push_back(
        {Transport::Tls, "192.0.2.1:5061", "sip:192.0.2.1:5061;transport=tls"});
    config.tcp_above_bytes = 300;
    return config;
}

class AgentTls : public AgentFixture {
protected:
    AgentTls() : AgentFixture(tls_config()) {}

    static Flow tls_at(const char* address, std::uint64_t connection = 0) {
        return {Transport::Tls, 2, connection, *base::parse_net_address(address)};
    }
    // As AgentFixture::drain(), with the names that were asked for.
    void drain_names() {
        while (auto action = agent.poll_action()) {
            if (auto* send = std::get_if<SendBytes>(&*action)) {
                ParsedMessage parsed = parse_message(std::string_view(*send->bytes));
                names.push_back(send->tls_name);
                sent.push_back({send->flow, std::move(parsed.message), send->transaction,
                                send->dialog, send->is_retransmission});
            } else {
                heard.push_back(std::move(*action));
            }
        }
    }
    TransactionId invite(const std::string& uri, std::vector<Target> targets) {
        const auto id =
            agent.start_request(now, {.request_uri = uri, .from = "sip:src@192.0.2.1", .to = uri});
        drain_names();
        agent.on_located(now, *id, std::move(targets));
        drain_names();
        return *id;
    }
    std::string answer_to(const Message& request, const std::string& contact) {
        return fmt::format(
            "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=peer\r\nCall-ID: {}\r\nCSeq: {} "
            "{}\r\nContact: <{}>\r\nContent-Length: 0\r\n\r\n",
            *request.first_value(HeaderId::Via), *request.find(HeaderId::From),
            *request.find(HeaderId::To), request.call_id(), request.cseq().number,
            request.method_name(), contact);
    }
    // An INVITE to that URI, answered over connection 9.
    DialogId call(const std::string& uri, const std::string& contact) {
        invite(uri, {{Transport::Tls, *base::parse_net_address("192.0.2.20:5061")}});
        const std::string text = answer_to(sent.back().message, contact);
        receive(text, tls_at("192.0.2.20:5061", 9));
        const DialogId dialog = take_heard<ResponseArrived>().dialog;
        EXPECT_TRUE(agent.ack(now, dialog, {}));
        drain_names();
        return dialog;
    }

    std::vector<std::string> names;
};

TEST_F(AgentTls, WantsTheHostOfTheUriAndNotWhereDnsLed) {
    invite("sips:rec@example.com", {{Transport::Tls, *base::parse_net_address("192.0.2.20:5061")}});
    EXPECT_EQ(names.back(), "example.com");
    EXPECT_EQ(sent.back().flow.transport, Transport::Tls);
    EXPECT_EQ(sent.back().message.top_via().transport, "TLS");
    EXPECT_EQ(*sent.back().message.find(HeaderId::Contact), "<sips:192.0.2.1:5061>;+sip.srs");
}

TEST_F(AgentTls, TellsAPlainContactWhereTheUriIsPlain) {
    invite("sip:rec@example.com;transport=tls",
           {{Transport::Tls, *base::parse_net_address("192.0.2.20:5061")}});
    EXPECT_EQ(names.back(), "example.com");
    EXPECT_EQ(*sent.back().message.find(HeaderId::Contact),
              "<sip:192.0.2.1:5061;transport=tls>;+sip.srs");
}

TEST_F(AgentTls, WantsNobodyByUdp) {
    invite("sip:rec@example.com", {{Transport::Udp, *base::parse_net_address("192.0.2.20:5060")}});
    EXPECT_EQ(names.back(), "");
}

TEST_F(AgentTls, WantsTheHostOfTheFirstRoute) {
    const auto id = agent.start_request(now, {.request_uri = "sips:rec@example.com",
                                              .from = "sip:a@b",
                                              .to = "sips:rec@example.com",
                                              .routes = {"<sips:proxy.example.com;lr>"}});
    drain_names();
    agent.on_located(now, *id, {{Transport::Tls, *base::parse_net_address("192.0.2.20:5061")}});
    drain_names();
    EXPECT_EQ(names.back(), "proxy.example.com");
}

// A Contact is often a bare address, which no certificate bears: who answered must be there again.
TEST_F(AgentTls, WantsWhoAnsweredWhereTheContactIsABareAddress) {
    const DialogId dialog = call("sips:rec@example.com", "sips:192.0.2.20:5061");
    EXPECT_EQ(names.back(), "example.com");  // the ACK
    agent.on_flow_closed(now, tls_at("192.0.2.20:5061", 9));
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "BYE"}));
    drain_names();
    EXPECT_EQ(names.back(), "example.com");
    EXPECT_EQ(sent.back().flow.connection, 0U);
    EXPECT_EQ(sent.back().flow.transport, Transport::Tls);
}

TEST_F(AgentTls, LeavesNoDialogOfASipsUriToUdp) {
    const DialogId dialog = call("sips:rec@example.com", "sip:192.0.2.20:5060;transport=udp");
    agent.on_flow_closed(now, tls_at("192.0.2.20:5061", 9));
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "BYE"}));
    drain_names();
    EXPECT_EQ(sent.back().flow.transport, Transport::Tls);
}

TEST_F(AgentTls, AsksForTheNameOfADialogOfASipsUriByTlsAlone) {
    const DialogId dialog = call("sips:rec@example.com", "sip:node7.example.com");
    agent.on_flow_closed(now, tls_at("192.0.2.20:5061", 9));
    ASSERT_TRUE(agent.send_request(now, dialog, {.method = "BYE"}));
    drain_names();
    EXPECT_EQ(take_heard<LocateTarget>().uri, "sips:node7.example.com");
}

TEST_F(AgentTls, SendsWhatIsLongByTlsWhereItIsAskedTo) {
    const auto id = agent.start_request(now, {.request_uri = "sips:rec@example.com",
                                              .from = "sip:a@b",
                                              .to = "sips:rec@example.com",
                                              .content_type = "text/plain",
                                              .body = std::string(2000, 'x')});
    drain_names();
    agent.on_located(now, *id, {{Transport::Tls, *base::parse_net_address("192.0.2.20:5061")}});
    drain_names();
    EXPECT_EQ(sent.back().flow.transport, Transport::Tls);
    sent.clear();
    agent.on_send_failed(now, *id);
    drain_names();
    EXPECT_THAT(sent, IsEmpty());  // no other way
    EXPECT_EQ(take_heard<TransportFailed>().transaction, *id);
}

TEST_F(AgentTls, AnswersASipsUriWithASipsContact) {
    const auto request = [&](const std::string& uri, const std::string& call_id) {
        receive(
            fmt::format("INVITE {} SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.9:5061;branch=z9hG4bK{}\r\n"
                        "From: <sip:a@b>;tag=1\r\nTo: <{}>\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\n"
                        "Contact: <sip:192.0.2.9:5061;transport=tls>\r\nContent-Length: 0\r\n\r\n",
                        uri, call_id, uri, call_id),
            tls_at("192.0.2.9:40000", 4));
        const auto arrived = take_heard<RequestArrived>();
        respond(arrived.transaction, {.status = 200});
        return std::string(*sent.back().message.find(HeaderId::Contact));
    };
    EXPECT_EQ(request("sips:rec@192.0.2.1", "one"), "<sips:192.0.2.1:5061>;+sip.srs");
    EXPECT_EQ(request("sip:rec@192.0.2.1;transport=tls", "two"),
              "<sip:192.0.2.1:5061;transport=tls>;+sip.srs");
}

TEST(SecuredContact, SaysSipsAndNothingTwice) {
    EXPECT_EQ(secured_contact("sip:192.0.2.1:5061;transport=tls"), "sips:192.0.2.1:5061");
    EXPECT_EQ(secured_contact("sips:192.0.2.1:5061"), "sips:192.0.2.1:5061");
}

}  // namespace
}  // namespace earshot::sip
