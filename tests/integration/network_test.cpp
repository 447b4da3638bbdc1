// How the server stands in the network: IP families, NAT, large messages, keep-alives, boxes that
// rewrite, connections and names that requests of ours follow.
#include <gtest/gtest.h>

#include <csignal>

#include "integration/harness.h"
#include "integration/tcp_client.h"
#include "integration/udp_client.h"
#include "integration/udp_service.h"

namespace earshot::integration {
namespace {

class Network : public testing::Test {
protected:
    void serve(const std::string& hosts, const std::string& toml = {}) {
        const auto file = server_.scratch() / "earshot.toml";
        write_file(file, toml);
        server_.listen_at(hosts);
        ASSERT_TRUE(server_.start({"--config", file.string()})) << server_.log();
    }
    // The answer to an INVITE with this SDP, which is acknowledged.
    std::string call(const std::string& call_id, const std::string& sdp) {
        client_ = std::make_unique<UdpClient>(server_.sip_port());
        client_->send(invite(*client_, call_id, "application/sdp", sdp));
        std::string answer = client_->receive();
        if (!answer.empty()) client_->send(in_dialog(*client_, answer, "ACK", 1));
        return answer;
    }

    TestServer server_;
    std::unique_ptr<UdpClient> client_;
};

TEST_F(Network, RecordsCallsOverIpv6AndIpv4AtOnce) {
    serve("127.0.0.1,[::1]");
    for (const char* host : {"[::1]", "127.0.0.1"}) {
        for (const char* transport : {"udp", "tcp"}) {
            const Output call =
                server_.run({"call", "--to", server_.sip_uri(transport, host), "--duration", "1"});
            EXPECT_EQ(call.exit_code, 0) << call.out << call.err << server_.log();
        }
    }
    const nlohmann::json recordings = server_.wait_for_recordings(4);
    ASSERT_EQ(recordings.size(), 4U);
    for (const auto& recording : recordings) {
        EXPECT_EQ(recording["state"], "complete") << recording;
        ASSERT_EQ(recording["streams"].size(), 2U) << recording;
        for (const auto& stream : recording["streams"]) {
            EXPECT_GE(stream["packets"], 45) << recording;
            EXPECT_EQ(stream["lost"], 0) << recording;
        }
    }
}

TEST_F(Network, GivesEachLineAPortOfTheFamilyOfItsOffer) {
    serve("127.0.0.1,[::1]");
    const std::string answer = call("families",
                                    "v=0\no=- 1 1 IN IP6 ::1\ns=-\nc=IN IP6 ::1\nt=0 0\n"
                                    "m=audio 40000 RTP/AVP 0\na=sendonly\na=label:1\n"
                                    "m=audio 40002 RTP/AVP 0\nc=IN IP4 127.0.0.1\n"
                                    "a=sendonly\na=label:2\n");
    EXPECT_NE(answer.find("c=IN IP6 ::1\r\nt=0 0\r\nm=audio "), std::string::npos) << answer;
    const auto second = answer.rfind("m=audio ");
    EXPECT_NE(answer.find("RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n", second), std::string::npos)
        << answer;
    EXPECT_NE(header_of(answer, "Contact").find("sip:127.0.0.1:"), std::string::npos) << answer;
}

TEST_F(Network, AReinviteThatChangesTheFamilyGetsANewStream) {
    serve("127.0.0.1,[::1]");
    const std::string answer = call("moves", kSdp);
    ASSERT_NE(answer.find("c=IN IP4 127.0.0.1"), std::string::npos) << answer;
    client_->send(in_dialog(*client_, answer, "INVITE", 2, "Content-Type: application/sdp\n",
                            "v=0\no=- 1 2 IN IP6 ::1\ns=-\nc=IN IP6 ::1\nt=0 0\n"
                            "m=audio 40000 RTP/AVP 0\na=sendonly\na=label:1\n"));
    const std::string moved = client_->receive();
    EXPECT_NE(moved.find("c=IN IP6 ::1"), std::string::npos) << moved;
    EXPECT_EQ(moved.find("m=audio 0"), std::string::npos) << moved;
}

TEST_F(Network, NamesTheAdvertisedAddressInContactAndSdp) {
    serve("127.0.0.1", "[sip]\nadvertised_address = \"203.0.113.7:15060\"\n");
    const std::string answer = call("nat", kSdp);
    EXPECT_EQ(header_of(answer, "Contact"), "<sip:203.0.113.7:15060>;+sip.srs") << answer;
    EXPECT_NE(answer.find("c=IN IP4 203.0.113.7\r\n"), std::string::npos) << answer;
    EXPECT_EQ(answer.find("127.0.0.1", answer.find("\r\n\r\n")), std::string::npos) << answer;
}

// ---- how large, how small
// ------------------------------------------------------------------------

std::string padded_body(std::size_t padding) {
    return std::string("--b\nContent-Type: application/sdp\n\n") + kSdp +
           "\n--b\nContent-Type: text/plain\n\n" + std::string(padding, 'x') + "\n--b--\n";
}

TEST_F(Network, TakesTheLargestDatagramThatUdpHas) {
    serve("127.0.0.1");
    client_ = std::make_unique<UdpClient>(server_.sip_port());
    constexpr std::size_t kLargest = 65'507;
    const auto write = [&](std::size_t padding) {
        return invite(*client_, "large", "multipart/mixed;boundary=b", padded_body(padding));
    };
    const std::size_t rest = write(60'000).size() - 60'000;
    const std::string message = write(kLargest - rest);
    ASSERT_EQ(message.size(), kLargest);
    client_->send(message);
    EXPECT_TRUE(client_->receive().starts_with("SIP/2.0 200")) << server_.log();
}

TEST_F(Network, TakesBodiesOverTcpThatNoDatagramHolds) {
    serve("127.0.0.1");
    client_ = std::make_unique<UdpClient>(server_.sip_port());  // for its port alone
    TcpClient tcp(server_.sip_port());
    std::string message =
        invite(*client_, "long", "multipart/mixed;boundary=b", padded_body(200'000));
    message.replace(message.find("SIP/2.0/UDP"), 11, "SIP/2.0/TCP");
    tcp.send(message.substr(0, 1000));
    tcp.send(message.substr(1000));
    EXPECT_TRUE(tcp.receive().starts_with("SIP/2.0 200")) << server_.log();
}

TEST_F(Network, AnswersKeepAlivesOfRfc5626AndGoesOn) {
    serve("127.0.0.1");
    TcpClient tcp(server_.sip_port());
    tcp.send("\r\n\r\n");
    EXPECT_EQ(tcp.receive_bytes(), "\r\n");
    client_ = std::make_unique<UdpClient>(server_.sip_port());
    client_->send("\r\n\r\n");
    client_->send(std::string("\0\0", 2));
    client_->send(
        std::string("\0\1\0\0\x21\x12\xa4\x42"
                    "abcdefghijkl",
                    20));
    const std::string binding = client_->receive();
    EXPECT_TRUE(
        binding.starts_with(std::string("\1\1\0\x0c\x21\x12\xa4\x42"
                                        "abcdefghijkl",
                                        20)))
        << binding;
    client_->send(invite(*client_, "after", "application/sdp", kSdp));
    EXPECT_TRUE(client_->receive().starts_with("SIP/2.0 200"));
}

// ---- boxes that rewrite
// --------------------------------------------------------------------------

// Without the header lines that begin so; in the body, without what is named.
std::string strip(std::string message, const std::string& what) {
    for (auto at = message.find(what); at != std::string::npos; at = message.find(what)) {
        const auto end = what.starts_with(';') ? at + what.size() : message.find('\n', at) + 1;
        message.erase(at, end - at);
    }
    const auto body = message.find("\r\n\r\n") + 4;
    const auto length = message.find("Content-Length: ");
    if (length == std::string::npos) return message;
    const auto line_end = message.find('\r', length);
    const std::size_t size = message.size() - body;
    return message.replace(length + 16, line_end - length - 16, std::to_string(size));
}

TEST_F(Network, ABoxThatStripsMarksAndLabelsCostsNoCallAndIsTold) {
    serve("127.0.0.1");
    struct Case {
        std::vector<std::string> stripped;
        std::vector<std::string> told;
    };
    const std::vector<Case> cases{{{"Require: siprec"}, {"no_option_tag"}},
                                  {{";+sip.src"}, {"no_feature_tag"}},
                                  {{"a=label:"}, {"no_label"}},
                                  {{"Require: siprec", ";+sip.src", "a=label:"},
                                   {"no_option_tag", "no_feature_tag", "no_label"}}};
    std::size_t calls = 0;
    for (const Case& one : cases) {
        const Middlebox box(server_.sip_port(), [&](std::string message) {
            for (const std::string& what : one.stripped) message = strip(std::move(message), what);
            return message;
        });
        const Output call = server_.run(
            {"call", "--to", "sip:rec@127.0.0.1:" + std::to_string(box.port()), "--duration", "1"});
        EXPECT_EQ(server_.wait_for_recordings(++calls).size(), calls) << call.out << call.err;
        const nlohmann::json newest = server_.list()[0];
        EXPECT_EQ(newest["streams"].size(), 2U) << newest;
        for (const auto& stream : newest["streams"]) EXPECT_GE(stream["packets"], 45) << newest;
        const std::string known =
            server_.run({"export", newest["id"], "--format", "json", "-o", "-"}).out;
        for (const std::string& code : one.told)
            EXPECT_NE(known.find('"' + code + '"'), std::string::npos) << code << known;
    }
}

// ---- where requests of ours go
// -------------------------------------------------------------------

// A call over this connection, whose Contact is the one given; established.
std::string call_over(TcpClient& tcp, const UdpClient& client, const std::string& contact) {
    std::string message = invite(client, "named", "application/sdp", kSdp);
    message.replace(message.find("SIP/2.0/UDP"), 11, "SIP/2.0/TCP");
    const auto at = message.find("Contact: ");
    message.replace(at, message.find('\r', at) - at, "Contact: <" + contact + ">;+sip.src");
    tcp.send(message);
    std::string answer = tcp.receive();
    EXPECT_TRUE(answer.starts_with("SIP/2.0 200")) << answer;
    std::string ack = in_dialog(client, answer, "ACK", 1);
    ack.replace(ack.find("SIP/2.0/UDP"), 11, "SIP/2.0/TCP");
    tcp.send(ack);
    return answer;
}

TEST_F(Network, RequestsInADialogGoOverTheConnectionThatTheClientOpened) {
    serve("127.0.0.1");
    const UdpClient client(server_.sip_port());
    TcpClient tcp(server_.sip_port());
    call_over(tcp, client, "sip:client@127.0.0.1:9;transport=tcp");
    server_.process().signal(SIGTERM);
    EXPECT_TRUE(tcp.receive().starts_with("BYE ")) << server_.log();
}

TEST_F(Network, OrOverAnotherOneWhoseAliasIsTheAddressOfTheContact) {  // RFC 5923
    serve("127.0.0.1");
    const UdpClient client(server_.sip_port());
    auto first = std::make_unique<TcpClient>(server_.sip_port());
    call_over(*first, client, "sip:client@127.0.0.1:9;transport=tcp");
    first.reset();
    TcpClient second(server_.sip_port());
    second.send(
        crlf("OPTIONS sip:recorder@127.0.0.1 SIP/2.0\n"
             "Via: SIP/2.0/TCP 127.0.0.1:9;alias;branch=z9hG4bKalias\nMax-Forwards: 70\n"
             "From: <sip:client@127.0.0.1>;tag=o\nTo: <sip:recorder@127.0.0.1>\nCall-ID: o\n"
             "CSeq: 1 OPTIONS\nContent-Length: 0\n\n"));
    EXPECT_TRUE(second.receive().starts_with("SIP/2.0 200"));
    server_.process().signal(SIGTERM);
    EXPECT_TRUE(second.receive().starts_with("BYE ")) << server_.log();
}

TEST_F(Network, RequestsToANameFollowItsRecordsAndPassOverADeadTarget) {  // RFC 3263
    std::uint16_t live_port = 0;
    const int live = bind_loopback(live_port);
    std::uint16_t dead_port = 0;
    ::close(bind_loopback(dead_port));
    ScriptedDns dns;
    dns.naptr("src.test", 10, "SIP+D2T", "_sip._tcp.src.test");
    dns.naptr("src.test", 20, "SIP+D2U", "_sip._udp.src.test");
    dns.srv("_sip._tcp.src.test", 0, dead_port, "host.src.test");
    dns.srv("_sip._udp.src.test", 0, live_port, "host.src.test");
    dns.loopback("host.src.test");
    dns.start();
    serve("127.0.0.1", "[sip]\ndns_servers = \"127.0.0.1:" + std::to_string(dns.port()) + "\"\n");
    const UdpClient client(server_.sip_port());
    auto tcp = std::make_unique<TcpClient>(server_.sip_port());
    call_over(*tcp, client, "sip:client@src.test");
    tcp.reset();  // so that its Contact is needed
    ASSERT_TRUE(eventually([&] { return server_.list().size() == 1; }));
    EXPECT_EQ(server_.run({"stop", server_.list()[0]["id"]}).exit_code, 0);
    pollfd ready{.fd = live, .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&ready, 1, 10'000), 1) << server_.log();
    UdpPeer ignored;
    const std::string bye = receive_from(live, ignored).value_or("");
    ::close(live);
    EXPECT_TRUE(bye.starts_with("BYE sip:client@src.test ")) << bye << server_.log();
}

TEST_F(Network, AByeAtTheEndDoesNotWaitForASilentDns) {
    const ScriptedDns silent;  // bound, never started
    serve("127.0.0.1",
          "[sip]\ndns_servers = \"127.0.0.1:" + std::to_string(silent.port()) + "\"\n");
    client_ = std::make_unique<UdpClient>(server_.sip_port());
    std::string message = invite(*client_, "named", "application/sdp", kSdp);
    const std::string contact = header_of(message, "Contact");
    message.replace(message.find(contact), contact.size(), "<sip:client@src.test>");
    client_->send(message);
    const std::string answer = client_->receive();
    ASSERT_TRUE(answer.starts_with("SIP/2.0 200")) << answer;
    client_->send(in_dialog(*client_, answer, "ACK", 1));
    ASSERT_TRUE(eventually([&] { return server_.list().size() == 1; }));
    // A re-INVITE waits for the DNS when the end comes; both leave at once.
    EXPECT_EQ(server_.run({"pause", server_.list()[0]["id"]}).exit_code, 0);
    server_.process().signal(SIGTERM);
    EXPECT_TRUE(client_->receive().starts_with("INVITE sip:client@src.test ")) << server_.log();
    EXPECT_TRUE(client_->receive().starts_with("BYE sip:client@src.test ")) << server_.log();
}

}  // namespace
}  // namespace earshot::integration
