// How the server stands in the network: IPv6, both families at once, addresses behind a NAT.
#include <gtest/gtest.h>

#include "integration/harness.h"
#include "integration/udp_client.h"

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

}  // namespace
}  // namespace earshot::integration
