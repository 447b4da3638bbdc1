// RFC 6341 section 4: the use cases about media (see use_cases_test.cpp).
#include <chrono>
#include <csignal>
#include <filesystem>
#include <set>
#include <thread>

#include "integration/udp_client.h"
#include "use-cases/use_case.h"

namespace earshot::use_cases {
namespace {

using integration::eventually;
using integration::header_of;
using integration::UdpClient;
using testing::HasSubstr;

std::uint16_t port_of(const std::string& address) {
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
}

// The port of the n-th m-line.
std::uint16_t media_port(const std::string& message, std::size_t line) {
    std::size_t at = message.find("\r\nm=");
    for (; line > 0 && at != std::string::npos; --line) at = message.find("\r\nm=", at + 1);
    if (at == std::string::npos) return 0;
    const std::size_t from = message.find(' ', at) + 1;
    return static_cast<std::uint16_t>(std::stoi(message.substr(from)));
}

// 60 packets from one socket, at a pace that every receiver keeps up with.
void send_rtp(std::uint16_t port, char payload_type) {
    const UdpClient sender(port);
    for (char number = 1; number <= 60; ++number) {
        std::string packet{'\x80', payload_type, 0, number, 0, 0, number, 0, 1, 2, 3, payload_type};
        sender.send(packet + std::string(160, 'v'));
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
}

// 4: what nobody said is a gap that playback shows, and the first word is there.
TEST_F(UseCase, PersistentTheFirstWordIsThereAndPlaybackKeepsTheGaps) {
    start("start_at = \"invite\"\n");
    const json run = call({"--ring", "1", "--hold-at", "2"}, "6");
    const json recording = recordings(1)[0];
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1);
    EXPECT_EQ(packets_of(recording), run["summary"]["packets"]["sent"].get<std::uint64_t>());
    EXPECT_GT(gaps_of(recording, "held"), 1000) << recording.dump(1);
    const auto wav = server_.scratch() / "call.wav";
    const std::string id = recording["id"];
    ASSERT_EQ(server_.run({"export", id, "--format", "stereo", "-o", wav.string()}).exit_code, 0);
    // 8000 samples a second of two channels of 16 bits: the whole call, its hold included.
    EXPECT_GT(std::filesystem::file_size(wav), 32'000U * 5) << recording.dump(1);
}

// 4: a recording session that stands before the call, and after it (RFC 7866 section 10).
TEST_F(UseCase, PersistentTheSessionStandsBeforeTheCallAndAfterIt) {
    start("start_at = \"invite\"\n[[client.rule]]\nname = \"desk\"\nsession = \"persistent\"\n");
    const auto stands = [&] {
        const json all = server_.list();
        return all.is_array() && all.size() == 1 && all[0]["state"] == "recording";
    };
    ASSERT_TRUE(integration::eventually(stands)) << client_.log() << server_.log();
    const json run = call({"--ring", "1"}, "3");
    const auto sent = run["summary"]["packets"]["sent"].get<std::uint64_t>();
    EXPECT_TRUE(integration::eventually([&] { return packets_of(server_.list()[0]) == sent; }))
        << server_.list().dump(1) << sent;
    EXPECT_TRUE(stands());
    EXPECT_EQ(client_.stop(), 0);
    EXPECT_EQ(recordings(1)[0]["state"], "complete");
}

// 6: a portal speaks before anybody answers, the caller dials into it.
TEST_F(UseCase, VoicePortalPromptsAndDigitsAreRecorded) {
    start("start_at = \"early\"\n");
    const json run = call(
        {"--early", "--ring", "2", "--dtmf", "42", "--party-b", "sip:ivr@portal.example"}, "4");
    EXPECT_EQ(run["calls"][0]["b"]["digits"], "42") << run.dump(1);
    const json recording = recordings(1)[0];
    expect_whole(recording);
    std::string digits;
    for (const json& event : events_of(recording))
        if (event.value("type", "") == "dtmf") digits += event.dump();
    EXPECT_THAT(digits, HasSubstr("\"4\"")) << events_of(recording).dump(1);
    EXPECT_THAT(digits, HasSubstr("\"2\"")) << events_of(recording).dump(1);
    // The prompt of the 2 s before the answer is there, too.
    EXPECT_GT(packets_of(recording), 2 * 4 * 50U + 80) << recording.dump(1);
}

// 11: sound and picture of both sides: four streams, each with its medium and its speaker.
TEST_F(UseCase, MultiChannelSoundAndPictureOfBothSidesAreStreamsOfTheirOwn) {
    start();
    const UdpClient ada(port_of(client_.sip()));
    const UdpClient bo(port_of(client_.sip()));
    const auto sdp = [](int port) {
        return "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio " +
               std::to_string(port) + " RTP/AVP 0\nm=video " + std::to_string(port + 2) +
               " RTP/AVP 96\na=rtpmap:96 H264/90000\n";
    };
    const auto with_body = [](const std::string& head, const std::string& body) {
        const std::string text = integration::crlf(body);
        return integration::crlf(head) +
               "Content-Type: application/sdp\r\nContent-Length: " + std::to_string(text.size()) +
               "\r\n\r\n" + text;
    };
    const std::string at_ada = "127.0.0.1:" + std::to_string(ada.port());
    const std::string at_bo = "127.0.0.1:" + std::to_string(bo.port());
    ada.send(with_body("INVITE sip:bo@" + at_bo + " SIP/2.0\nVia: SIP/2.0/UDP " + at_ada +
                           ";branch=z9hG4bKav\nMax-Forwards: 70\nFrom: <sip:ada@desk.example>;tag=a"
                           "\nTo: <sip:bo@desk.example>\nCall-ID: av\nCSeq: 1 INVITE\nContact: "
                           "<sip:ada@" +
                           at_ada + ">\n",
                       sdp(41000)));
    const std::string offered = bo.receive();
    std::string ok = integration::answer_to(offered, "200 OK", "Contact: <sip:bo@" + at_bo + ">\n");
    ok.replace(ok.find("Content-Length: 0"), std::string::npos, "");
    ok.insert(ok.find("\r\n", ok.find("\r\nTo: ") + 2), ";tag=b");
    bo.send(ok + "Content-Type: application/sdp\r\nContent-Length: " +
            std::to_string(integration::crlf(sdp(42000)).size()) + "\r\n\r\n" +
            integration::crlf(sdp(42000)));
    const std::string answered = ada.receive();
    ASSERT_THAT(answered, testing::StartsWith("SIP/2.0 200")) << client_.log();
    const auto in_dialog = [&](const std::string& method, int cseq) {
        return method + " sip:bo@" + client_.sip() + " SIP/2.0\r\nVia: SIP/2.0/UDP " + at_ada +
               ";branch=z9hG4bK" + method +
               "\r\nMax-Forwards: 70\r\nFrom: " + header_of(answered, "From") +
               "\r\nTo: " + header_of(answered, "To") +
               "\r\nCall-ID: av\r\nCSeq: " + std::to_string(cseq) + " " + method +
               "\r\nContent-Length: 0\r\n\r\n";
    };
    ada.send(in_dialog("ACK", 1));
    ASSERT_FALSE(wait_for_state("recording").is_null()) << client_.log();

    // To the ports that face Ada and to those that face Bo.
    for (const std::string& told : {answered, offered}) {
        send_rtp(media_port(told, 0), 0);
        send_rtp(media_port(told, 1), 96);
    }
    ada.send(in_dialog("BYE", 2));
    const json recording = recordings(1)[0];
    expect_whole(recording, 4);
    std::multiset<std::string> media;
    for (const json& stream : recording["streams"])
        media.insert(stream["media"].get<std::string>());
    EXPECT_EQ(media, (std::multiset<std::string>{"audio", "audio", "video", "video"}));
}

// 12: an analysis hears each speaker apart while the call runs, beside the archive.
TEST_F(UseCase, RealTimeMediaAnAnalysisHearsEachSpeakerWhileTheCallRuns) {
    TestServer analysis;
    ASSERT_TRUE(analysis.start()) << analysis.log();
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start("[[client.rule]]\nname = \"archive\"\n" +
                              servers({server_.sip_uri()}) +
                              "[[client.rule]]\nname = \"analysis\"\ninstance = \"analysis\"\n" +
                              servers({analysis.sip_uri()})))
        << client_.log();
    const auto phones =
        client_.begin_call({"--duration", "20", "--party-a", "\"Ada\" <sip:ada@desk.example>"});
    // Both voices have arrived there before the call is over.
    json live;
    EXPECT_TRUE(eventually([&] {
        const json all = analysis.list();
        if (!all.is_array() || all.size() != 1 || all[0]["state"] != "recording") return false;
        live = all[0];
        const json& streams = live["streams"];
        return streams.size() == 2 && streams[0].value("packets", 0) > 20 &&
               streams[1].value("packets", 0) > 20;
    })) << live.dump(1);
    EXPECT_EQ(client_.calls().size(), 1U);
    phones->signal(SIGINT);
    phones->wait();
    const json there = analysis.wait_for_recordings(1);
    ASSERT_EQ(there.size(), 1U);
    ASSERT_EQ(there[0]["participants"].size(), 2U) << there[0].dump(1);
    EXPECT_EQ(there[0]["participants"][0]["name"], "Ada");
    std::set<std::string> labels;
    for (const json& stream : there[0]["streams"])
        labels.insert(stream["label"].get<std::string>());
    EXPECT_EQ(labels.size(), 2U);
    EXPECT_EQ(recordings(1)[0]["session_ids"], there[0]["session_ids"]);
}

}  // namespace
}  // namespace earshot::use_cases
