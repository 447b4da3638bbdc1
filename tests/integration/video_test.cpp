// Video in recorded calls by the real binary: made H.264 of `earshot call --video`, and ffmpeg as a
// sender of what others encode.
#include <gtest/gtest.h>

#include "integration/harness.h"
#include "integration/udp_client.h"

namespace earshot::integration {
namespace {

using nlohmann::json;

class Video : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(server_.start()) << server_.log(); }

    json call(std::vector<std::string> extra) const {
        std::vector<std::string> command{earshot_binary(),  "call",    "--to",
                                         server_.sip_uri(), "--video", "--json"};
        command.insert(command.end(), extra.begin(), extra.end());
        const Output ran = run_command(command);
        const json calls = json::parse(ran.out, nullptr, false);
        EXPECT_TRUE(calls.is_array() && calls.size() == 1) << ran.out << ran.err;
        return calls.is_array() && !calls.empty() ? calls[0] : json::object();
    }
    json recorded() const {
        const json list = server_.wait_for_recordings(1);
        return list.is_array() && !list.empty() ? list[0] : json::object();
    }
    static json stream(const json& recording, const std::string& label) {
        for (const json& one : recording.at("streams"))
            if (one.at("label") == label) return one;
        return json::object();
    }
    std::size_t count_events(const json& recording, const std::string& type,
                             const std::string& by) const {
        const Output exported = server_.run(
            {"export", recording.at("id").get<std::string>(), "--format", "json", "-o", "-"});
        const json all = json::parse(exported.out, nullptr, false);
        std::size_t count = 0;
        for (const json& event : all.value("events", json::array()))
            if (event.value("type", "") == type && event.value("by", "") == by) ++count;
        return count;
    }

    TestServer server_;
};

TEST_F(Video, OfBothPartiesIsRecordedBesideTheirVoices) {
    const json sent = call({"--duration", "2", "--video-rate", "500k"});
    EXPECT_EQ(sent.at("result"), "ok") << sent.dump();
    const json recording = recorded();
    ASSERT_EQ(recording.at("state"), "complete") << recording.dump();
    ASSERT_EQ(recording.at("streams").size(), 4U);
    for (const char* const label : {"3", "4"}) {
        const json video = stream(recording, label);
        const json& camera = sent.at("video").at(label == std::string{"3"} ? 0 : 1);
        EXPECT_EQ(video.at("media"), "video");
        EXPECT_EQ(video.at("codec"), "H264/90000");
        EXPECT_EQ(video.at("lost"), 0);
        EXPECT_EQ(video.at("packets"), camera.at("packets"));
        EXPECT_EQ(video.at("video").at("pictures"), camera.at("pictures"));
        EXPECT_EQ(video.at("video").at("key_pictures"), camera.at("key_pictures"));
        EXPECT_EQ(video.at("video").at("damaged"), 0);
        EXPECT_EQ(video.at("video").at("changes").at(0).at("width"), 176);
    }
    const Output shown = server_.run({"show", recording.at("id").get<std::string>()});
    EXPECT_NE(shown.out.find("H264/90000 176x144"), std::string::npos) << shown.out;
}

TEST_F(Video, GetsAgainWhatWasLostOnTheWay) {
    const json sent = call({"--duration", "4", "--video-lose", "40"});
    EXPECT_EQ(sent.at("result"), "ok");
    const json recording = recorded();
    const json& camera = sent.at("video").at(0);
    EXPECT_GT(camera.at("withheld").get<int>(), 5);
    EXPECT_GT(camera.at("nacks").get<int>(), 0);
    EXPECT_GT(camera.at("retransmitted").get<int>(), 0);
    // What was withheld at the very end, or while the machine stood still, is not asked for.
    EXPECT_LT(stream(recording, "3").at("lost").get<int>(), camera.at("withheld").get<int>());
}

// P-70.
TEST_F(Video, AsksForAKeyPictureByInfoWhereNoFeedbackIsNegotiated) {
    const json sent = call({"--duration", "3", "--video-lose", "40", "--video-without-feedback"});
    EXPECT_EQ(sent.at("result"), "ok");
    const json recording = recorded();
    const json& camera = sent.at("video").at(0);
    EXPECT_EQ(camera.at("nacks"), 0);
    EXPECT_GT(camera.at("key_requests").get<int>(), 0);
    EXPECT_GT(camera.at("key_pictures").get<int>(), 1);
    EXPECT_GT(count_events(recording, "key_frame_requested", "info"), 0U);
    EXPECT_GT(stream(recording, "3").at("video").at("damaged").get<int>(), 0);
}

// What real encoders and another packetiser make of it.
class FfmpegVideo : public Video {
protected:
    void record(const std::string& rtpmap, const std::string& fmtp,
                const std::vector<std::string>& encoder) {
        if (run_command({"ffmpeg", "-version"}).exit_code != 0)
            GTEST_SKIP() << "ffmpeg is not installed";
        UdpClient client(server_.sip_port());
        client.send(invite(client, "ffmpeg", "application/sdp",
                           "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
                           "m=video 40000 RTP/AVP 96\na=rtpmap:96 " +
                               rtpmap + "\na=fmtp:96 " + fmtp + "\na=sendonly\na=label:1\n"));
        const std::string answer = client.receive();
        ASSERT_TRUE(answer.starts_with("SIP/2.0 200")) << answer;
        client.send(in_dialog(client, answer, "ACK", 1));
        const std::string port =
            std::to_string(std::stoi(answer.substr(answer.find("m=video ") + 8)));
        std::vector<std::string> command{"ffmpeg",    "-nostdin", "-loglevel",
                                         "error",     "-re",      "-f",
                                         "lavfi",     "-i",       "testsrc=size=320x240:rate=25",
                                         "-frames:v", "25",       "-pix_fmt",
                                         "yuv420p"};
        command.insert(command.end(), encoder.begin(), encoder.end());
        for (const char* const one : {"-payload_type", "96", "-f", "rtp"}) command.push_back(one);
        command.push_back("rtp://127.0.0.1:" + port + "?pkt_size=1200");
        const Output ran = run_command(command);
        ASSERT_EQ(ran.exit_code, 0) << ran.err;
        client.send(in_dialog(client, answer, "BYE", 2));
        const json video = stream(recorded(), "1");
        EXPECT_EQ(video.at("lost"), 0) << video.dump();
        ASSERT_TRUE(video.contains("video")) << video.dump();
        EXPECT_EQ(video.at("video").at("pictures"), 25) << video.dump();
        EXPECT_GE(video.at("video").at("key_pictures").get<int>(), 1) << video.dump();
        EXPECT_EQ(video.at("video").at("damaged"), 0) << video.dump();
        EXPECT_EQ(video.at("video").at("changes").at(0).at("width"), 320) << video.dump();
        EXPECT_EQ(video.at("video").at("changes").at(0).at("height"), 240) << video.dump();
    }
};

TEST_F(FfmpegVideo, InH264) {
    record("H264/90000", "packetization-mode=1", {"-c:v", "libx264", "-tune", "zerolatency"});
}
TEST_F(FfmpegVideo, InH265) {
    record("H265/90000", "tx-mode=SRST",
           {"-c:v", "libx265", "-tune", "zerolatency", "-x265-params", "log-level=error"});
}
TEST_F(FfmpegVideo, InVp8) {
    record("VP8/90000", "max-fs=3600", {"-c:v", "libvpx", "-deadline", "realtime"});
}
TEST_F(FfmpegVideo, InVp9) {
    record("VP9/90000", "profile-id=0",
           {"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-strict",
            "experimental"});
}

}  // namespace
}  // namespace earshot::integration
