// Peers behind a NAT: answered and asked where they were heard from, whatever they call themselves.
#include <gmock/gmock.h>

#include "sip/agent_fixture.h"

namespace earshot::sip {
namespace {

AgentConfig config() {
    AgentConfig config = test_config();
    config.sees_through_nat = true;
    return config;
}

class AgentNat : public AgentFixture {
protected:
    AgentNat() : AgentFixture(config()) { peer = udp_from("198.51.100.7:40000"); }

    static std::string request(std::string_view method, int cseq, std::string_view to_tag,
                               std::string_view contact, std::string_view more = {},
                               std::string_view via = "192.168.1.5:5070;rport") {
        return fmt::format(
            "{} sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{}{}\r\n"
            "From: <sip:a@b>;tag=a\r\nTo: <sip:srs@192.0.2.1>{}{}\r\nCall-ID: c\r\nCSeq: {} {}\r\n"
            "Contact: <{}>\r\n{}Content-Length: 0\r\n\r\n",
            method, via, method, cseq, to_tag.empty() ? "" : ";tag=", to_tag, cseq, method, contact,
            more);
    }
    // A call of the peer, answered and acknowledged.
    DialogId accept(std::string_view contact = "sip:a@192.168.1.5:5070",
                    std::string_view more = {}) {
        receive(request("INVITE", 1, "", contact, more));
        const DialogId dialog = respond(take_heard<RequestArrived>().transaction, {.status = 200});
        tag = agent.find_dialog(dialog)->local_tag;
        receive(request("ACK", 1, tag, contact));
        sent.clear();
        heard.clear();
        return dialog;
    }
    Sent ask(DialogId dialog, std::string method = "INFO") {
        EXPECT_TRUE(agent.send_request(now, dialog, {.method = std::move(method)}));
        drain();
        return sent.back();
    }

    std::string tag;
};

TEST_F(AgentNat, AnswersAHiddenPeerWhereItWasHeardEvenIfItDoesNotAskForRport) {
    receive(request("OPTIONS", 1, "", "sip:a@192.168.1.5", "", "192.168.1.5:5099"));
    respond(take_heard<RequestArrived>().transaction, {.status = 200});
    EXPECT_EQ(base::to_string(sent.back().flow.remote), "198.51.100.7:40000");
    EXPECT_THAT(std::string(*sent.back().message.find(HeaderId::Via)),
                testing::HasSubstr("received=198.51.100.7"));
}

TEST_F(AgentNat, AsksAHiddenPeerByItsOwnUriOverTheFlowItCameOn) {
    const Sent info = ask(accept());
    EXPECT_EQ(base::to_string(info.flow.remote), "198.51.100.7:40000");
    EXPECT_EQ(info.message.request_uri(), "sip:a@192.168.1.5:5070");
}

TEST_F(AgentNat, FollowsItWhenTheNatHasChosenAnotherPort) {
    const DialogId dialog = accept();
    peer = udp_from("198.51.100.7:40999");
    receive(request("INFO", 2, tag, "sip:a@192.168.1.5:5070"));
    EXPECT_EQ(base::to_string(ask(dialog).flow.remote), "198.51.100.7:40999");
}

TEST_F(AgentNat, ObeysAContactThatCanBeReached) {
    EXPECT_EQ(base::to_string(ask(accept("sip:a@203.0.113.9:5070")).flow.remote),
              "203.0.113.9:5070");
}

TEST_F(AgentNat, ObeysAContactThatAReinviteHasMoved) {
    const DialogId dialog = accept();
    receive(request("UPDATE", 2, tag, "sip:a@203.0.113.9:5070"));
    respond(take_heard<RequestArrived>().transaction, {.status = 200});
    EXPECT_EQ(base::to_string(ask(dialog).flow.remote), "203.0.113.9:5070");
}

// The proxy is who we speak to; where its phone is is its business.
TEST_F(AgentNat, ObeysTheRouteOfAProxyThatIsReached) {
    const DialogId dialog =
        accept("sip:a@192.168.1.5:5070", "Record-Route: <sip:203.0.113.50;lr>\r\n");
    EXPECT_EQ(base::to_string(ask(dialog).flow.remote), "203.0.113.50:5060");
}

TEST_F(AgentNat, AsksACalleeBehindANatWhereItAnsweredFrom) {
    const auto id = agent.start_request(now, {.request_uri = "sip:b@198.51.100.7:40000",
                                              .from = "<sip:a@b>",
                                              .to = "<sip:b@b>",
                                              .flow = peer});
    ASSERT_TRUE(id);
    drain();
    const Message invite = sent.back().message;
    receive(
        fmt::format("SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=b\r\nCall-ID: {}\r\n"
                    "CSeq: 1 INVITE\r\nContact: <sip:b@10.1.1.1>\r\nContent-Length: 0\r\n\r\n",
                    *invite.first_value(HeaderId::Via), *invite.find(HeaderId::From),
                    *invite.find(HeaderId::To), invite.call_id()));
    const DialogId dialog = take_heard<ResponseArrived>().dialog;
    ASSERT_TRUE(agent.ack(now, dialog, {}));
    drain();
    EXPECT_EQ(base::to_string(sent.back().flow.remote), "198.51.100.7:40000");
    EXPECT_EQ(sent.back().message.request_uri(), "sip:b@10.1.1.1");
}

// Both in private networks: the Contact is another host of the same one, unless the TU knows.
TEST_F(AgentNat, WithinAPrivateNetworkTheFlowIsKeptOnlyWhereItIsPinned) {
    for (const bool is_pinned : {false, true}) {
        const Flow phone = udp_from("10.0.0.4:5060");
        const auto id = agent.start_request(now, {.request_uri = "sip:b@10.9.9.9",
                                                  .from = "<sip:a@b>",
                                                  .to = "<sip:b@b>",
                                                  .flow = phone,
                                                  .keeps_flow = is_pinned});
        ASSERT_TRUE(id);
        drain();
        const Message invite = sent.back().message;
        receive(
            fmt::format("SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=b\r\nCall-ID: {}\r\n"
                        "CSeq: 1 INVITE\r\nContact: <sip:b@10.9.9.9>\r\nContent-Length: 0\r\n\r\n",
                        *invite.first_value(HeaderId::Via), *invite.find(HeaderId::From),
                        *invite.find(HeaderId::To), invite.call_id()),
            phone);
        ASSERT_TRUE(agent.ack(now, take_heard<ResponseArrived>().dialog, {}));
        drain();
        EXPECT_EQ(base::host_to_string(sent.back().flow.remote),
                  is_pinned ? "10.0.0.4" : "10.9.9.9");
    }
}

// We are behind a NAT ourselves: 192.0.2.1 is what it forwards.
class AgentBehindNat : public AgentFixture {
protected:
    AgentBehindNat() : AgentFixture(config()) {}

    static AgentConfig config() {
        AgentConfig config = test_config();
        for (AgentListener& listener : config.listeners) {
            listener.inner_sent_by = "10.1.0.2:5062";
            listener.inner_contact = "sip:10.1.0.2:5062";
        }
        config.is_inside = [](std::string_view host) { return host == "10.1.0.9"; };
        return config;
    }
    Message asked(std::string_view whom) {
        EXPECT_TRUE(agent.start_request(now, {.request_uri = "sip:b@b",
                                              .from = "<sip:a@b>",
                                              .to = "<sip:b@b>",
                                              .flow = udp_from(whom)}));
        drain();
        return sent.back().message;
    }
};

TEST_F(AgentBehindNat, TellsPeersOnOurSideWhereWeAreAndAllOthersWhatIsForwarded) {
    const Message inner = asked("10.1.0.9:5060");
    EXPECT_EQ(inner.top_via().host, "10.1.0.2");
    EXPECT_EQ(*inner.find(HeaderId::Contact), "<sip:10.1.0.2:5062>;+sip.srs");
    const Message outer = asked("198.51.100.7:5060");
    EXPECT_EQ(outer.top_via().host, "192.0.2.1");
    EXPECT_EQ(*outer.find(HeaderId::Contact), "<sip:192.0.2.1:5060>;+sip.srs");
}

TEST_F(AgentBehindNat, AnswersThemTheSameWay) {
    for (const char* host : {"10.1.0.9", "198.51.100.7"}) {
        receive(fmt::format("INVITE sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
                            "{0}:5060;rport;branch=z9hG4bK{0}\r\nFrom: <sip:a@b>;tag=a\r\n"
                            "To: <sip:srs@192.0.2.1>\r\nCall-ID: {0}\r\nCSeq: 1 INVITE\r\n"
                            "Contact: <sip:a@{0}>\r\nContent-Length: 0\r\n\r\n",
                            host),
                udp_from(std::string(host) + ":5060"));
        respond(take_heard<RequestArrived>().transaction, {.status = 200});
        const bool is_inner = std::string_view(host) == "10.1.0.9";
        EXPECT_EQ(*sent.back().message.find(HeaderId::Contact),
                  is_inner ? "<sip:10.1.0.2:5062>;+sip.srs" : "<sip:192.0.2.1:5060>;+sip.srs");
    }
}

}  // namespace
}  // namespace earshot::sip
