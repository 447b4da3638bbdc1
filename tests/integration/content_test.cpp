// What a call carries beside voice, by the real binaries: shared content, real-time text, keys that
// are pressed; recorded by the server, and through the recording client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <regex>
#include <set>

#include "base/bytes.h"
#include "integration/agent_phone.h"
#include "integration/harness.h"
#include "integration/udp_client.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

// A UDP socket at 127.0.0.1 with a port of its own.
class MediaSocket {
public:
    MediaSocket() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof own;
        ::bind(socket_, reinterpret_cast<sockaddr*>(&own), size);
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size);
        port_ = ntohs(own.sin_port);
    }
    MediaSocket(const MediaSocket&) = delete;
    MediaSocket& operator=(const MediaSocket&) = delete;
    ~MediaSocket() { ::close(socket_); }
    std::uint16_t port() const { return port_; }

    void send(std::uint16_t to_port, std::uint8_t payload_type, std::string_view payload,
              std::uint32_t ticks) {
        base::Bytes packet{0x80, payload_type};
        base::append_u16(packet, sequence_++);
        base::append_u32(packet, timestamp_ += ticks);
        base::append_u32(packet, port_);  // an SSRC of its own
        base::append(packet, base::as_bytes(payload));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(to_port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::sendto(socket_, packet.data(), packet.size(), 0,
                           reinterpret_cast<sockaddr*>(&to), sizeof to),
                  static_cast<ssize_t>(packet.size()));
    }

private:
    int socket_;
    std::uint16_t port_ = 0;
    std::uint16_t sequence_ = 1;
    std::uint32_t timestamp_ = 1000;
};

// The ports of an SDP's m= lines.
std::vector<std::uint16_t> ports_of(const std::string& sdp) {
    static const std::regex kMedia("m=[a-z]+ ([0-9]+) ");
    std::vector<std::uint16_t> ports;
    for (auto it = std::sregex_iterator(sdp.begin(), sdp.end(), kMedia);
         it != std::sregex_iterator(); ++it)
        ports.push_back(static_cast<std::uint16_t>(std::stoi((*it)[1])));
    return ports;
}

constexpr std::string_view kVideo = "RTP/AVP 99\na=rtpmap:99 VP8/90000\n";

std::string content_sdp(const std::array<MediaSocket, 4>& sockets, std::string_view direction) {
    const auto port = [&](std::size_t i) { return std::to_string(sockets[i].port()); };
    const std::string way = "a=" + std::string(direction) + "\n";
    return "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio " + port(0) +
           " RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n" + way + "m=video " + port(1) +
           " " + std::string(kVideo) + "a=content:main\n" + way + "m=video " + port(2) + " " +
           std::string(kVideo).insert(11, "i=Plan B\n") + "a=content:slides\n" + way + "m=text " +
           port(3) + " RTP/AVP 98\na=rtpmap:98 t140/1000\n" + way;
}

// The digit 5 of telephone-event, at its end.
const std::string kFive("\x05\x8a\x03\x20", 4);

void talk(std::array<MediaSocket, 4>& sockets, const std::vector<std::uint16_t>& ports) {
    ASSERT_GE(ports.size(), 4U);
    for (int i = 0; i < 5; ++i) {
        sockets[0].send(ports[0], 0, std::string(160, '\xd5'), 160);
        sockets[1].send(ports[1], 99, std::string(50, 'c'), 3000);
        sockets[2].send(ports[2], 99, std::string(50, 's'), 3000);
    }
    sockets[0].send(ports[0], 101, kFive, 0);
    for (const char* text : {"Hel", "o", "\b", "lo\r\n", "Bye"})
        sockets[3].send(ports[3], 98, text, 300);
}

json role_of(const json& recording, const std::string& media, std::size_t nth = 0) {
    for (const json& stream : recording["streams"])
        if (stream["media"] == media && nth-- == 0) return stream.value("role", json());
    return "no such stream";
}

class Content : public testing::Test {
protected:
    json timeline(const std::string& id) const {
        const Output out = server_.run({"export", id, "--format", "timeline", "-o", "-"});
        return json::parse(out.out, nullptr, false);
    }
    std::string exported(const std::string& id, const std::string& format) const {
        return server_.run({"export", id, "--format", format, "-o", "-"}).out;
    }

    TestServer server_;
    std::array<MediaSocket, 4> sockets_;
};

TEST_F(Content, OfARecordingSessionIsToldApartAndReadAlong) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const UdpClient client(server_.sip_port());
    client.send(invite(client, "content1", "application/sdp", content_sdp(sockets_, "sendonly")));
    const std::string answer = client.receive();
    ASSERT_THAT(answer, testing::StartsWith("SIP/2.0 200")) << server_.log();
    client.send(in_dialog(client, answer, "ACK", 1));
    talk(sockets_, ports_of(answer));
    client.send(in_dialog(client, answer, "INFO", 2, "Content-Type: application/dtmf-relay\n",
                          "Signal=7\nDuration=160\n"));
    ASSERT_THAT(client.receive(), testing::StartsWith("SIP/2.0 200"));
    client.send(in_dialog(client, answer, "BYE", 3));
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    const std::string id = recordings[0]["id"];
    EXPECT_EQ(role_of(recordings[0], "video", 0), "camera") << recordings[0].dump(1);
    EXPECT_EQ(role_of(recordings[0], "video", 1), "content");
    EXPECT_EQ(role_of(recordings[0], "audio"), json());
    const json all = timeline(id);
    ASSERT_TRUE(all.is_object());
    ASSERT_EQ(all["texts"].size(), 1U) << all.dump(1);
    EXPECT_EQ(all["texts"][0]["keys"].size(), 5U);
    EXPECT_EQ(all["texts"][0]["lines"][0]["text"], "Hello");
    EXPECT_EQ(all["texts"][0]["lines"][1]["text"], "Bye");
    EXPECT_EQ(all["sharing"].size(), 1U) << all.dump(1);
    EXPECT_THAT(exported(id, "vtt"), HasSubstr("Hello"));
    EXPECT_THAT(exported(id, "srt"), HasSubstr("Hello"));
    EXPECT_THAT(exported(id, "txt"), HasSubstr(": Bye\n"));
    EXPECT_THAT(exported(id, "json"), HasSubstr(R"("digit":"5")"));
    EXPECT_THAT(exported(id, "json"), HasSubstr(R"("digit":"7")"));
    EXPECT_THAT(exported(id, "pcap"), HasSubstr(kFive));
}

TEST_F(Content, OfKeysIsStoredNowhereWhereThatIsWanted) {
    ASSERT_TRUE(server_.start({}, {"EARSHOT_MEDIA_STORE_DIGITS=false"})) << server_.log();
    const UdpClient client(server_.sip_port());
    client.send(invite(client, "content2", "application/sdp", content_sdp(sockets_, "sendonly")));
    const std::string answer = client.receive();
    ASSERT_THAT(answer, testing::StartsWith("SIP/2.0 200")) << server_.log();
    client.send(in_dialog(client, answer, "ACK", 1));
    talk(sockets_, ports_of(answer));
    client.send(in_dialog(client, answer, "INFO", 2, "Content-Type: application/dtmf-relay\n",
                          "Signal=7\nDuration=160\n"));
    ASSERT_THAT(client.receive(), testing::StartsWith("SIP/2.0 200"));
    client.send(in_dialog(client, answer, "BYE", 3));
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    const std::string id = recordings[0]["id"];
    const std::string told = exported(id, "json");
    EXPECT_THAT(told, Not(HasSubstr(R"("digit")")));
    EXPECT_THAT(told, HasSubstr("digits_not_stored"));
    EXPECT_THAT(told, HasSubstr(R"("digits_blanked":1)"));
    const std::string packets = exported(id, "pcap");
    EXPECT_THAT(packets, Not(HasSubstr(kFive)));
    EXPECT_THAT(packets, Not(HasSubstr("Signal=7")));
    EXPECT_THAT(packets, HasSubstr("application/dtmf-relay"));
    for (const json& stream : recordings[0]["streams"]) EXPECT_EQ(stream["lost"], 0) << stream;
}

// BFCP, which says who may present, stays between the phones.
TEST_F(Content, PassesThroughTheClientAndIsRecorded) {
    ASSERT_TRUE(server_.start()) << server_.log();
    TestClient client;
    ASSERT_TRUE(client.start("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n"))
        << client.log();
    AgentPhones phones(client.sip());
    AgentPhone& ada = phones.add("ada");
    AgentPhone& bo = phones.add("bo");
    const std::string floor =
        "m=application 50000 UDP/BFCP *\nc=IN IP4 127.0.0.1\na=floorctrl:c-s\n"
        "a=floorid:1 mstrm:3\n";
    auto spec = ada.request_to(bo.uri());
    spec.body = crlf(content_sdp(sockets_, "sendonly") + floor);
    ada.start(spec);
    const auto arrived = phones.request_at(bo, sip::Method::Invite);
    const std::string seen{base::as_text(arrived.message.body())};
    EXPECT_THAT(seen, HasSubstr(crlf(floor)));
    EXPECT_THAT(seen, HasSubstr("a=content:slides"));
    std::array<MediaSocket, 4> own;
    auto answer = bo.answer();
    answer.body = crlf(content_sdp(own, "recvonly") + floor);
    const sip::DialogId callee = bo.respond(arrived.transaction, answer);
    std::optional<sip::ResponseArrived> answered;
    ASSERT_TRUE(phones.serve_until([&] {
        answered = ada.take<sip::ResponseArrived>(
            [](const auto& response) { return response.message.status() >= 200; });
        return answered.has_value();
    }));
    ASSERT_EQ(answered->message.status(), 200);
    ada.acknowledge(answered->dialog);
    const auto relayed = ports_of(std::string{base::as_text(answered->message.body())});
    // The phones go on speaking SIP meanwhile.
    ASSERT_TRUE(phones.serve_until([&] {
        for (const json& call : client.calls())
            for (const json& recording : call["recordings"])
                if (recording["state"] == "recording") return true;
        return false;
    })) << client.log();
    talk(sockets_, relayed);
    // It has all reached the server before the call ends.
    EXPECT_TRUE(phones.serve_until([&] {
        const json list = server_.list();
        std::size_t streams = 0;
        for (const json& stream : list[0]["streams"]) streams += stream["packets"] >= 5 ? 1 : 0;
        return streams == 4;
    })) << server_.list().dump(1);
    phones.hang_up(bo, callee, ada);
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server_.log();
    const json all = timeline(recordings[0]["id"]);
    ASSERT_TRUE(all.is_object());
    ASSERT_EQ(all["sharing"].size(), 1U) << all.dump(1) << recordings[0].dump(1);
    EXPECT_EQ(all["sharing"][0]["presenter"], ada.uri());
    EXPECT_EQ(all["sharing"][0]["title"], "Plan B");
    std::set<std::string> texts;
    for (const json& text : all["texts"])
        for (const json& line : text["lines"]) texts.insert(line["text"].get<std::string>());
    EXPECT_EQ(texts, (std::set<std::string>{"Hello", "Bye"})) << all.dump(1);
}

}  // namespace
}  // namespace earshot::integration
