// Debian's sipp signals, our sender plays two streams to the ports of the answer; what is in the
// finished recording is compared octet by octet with what was sent.
#include <gtest/gtest.h>

#include "audio/g711.h"
#include "audio/wav.h"
#include "integration/harness.h"
#include "tools/rtp_pattern.h"

namespace earshot::integration {
namespace {

constexpr std::uint32_t kPackets = 150;  // 3 s
constexpr std::uint32_t kLostPacket = 70;

Output run_sipp(const TestServer& server, const std::string& transport) {
    return run_command({"sipp",
                        "127.0.0.1:" + std::to_string(server.sip_port()),
                        "-sf",
                        scenario("two_streams.xml"),
                        "-m",
                        "1",
                        "-t",
                        transport,
                        "-i",
                        "127.0.0.1",
                        "-timeout",
                        "30s",
                        "-timeout_error",
                        "-nostdin",
                        "-key",
                        "sender",
                        tool("rtp_sender"),
                        "-key",
                        "packets",
                        std::to_string(kPackets),
                        "-key",
                        "lose",
                        std::to_string(kLostPacket)});
}

// The samples of one sent packet.
std::vector<std::int16_t> sent_samples(std::uint32_t stream, std::uint32_t packet) {
    const auto payload = tools::rtp_pattern(stream, packet);
    std::vector<std::int16_t> samples(payload.size());
    audio::decode_g711(audio::G711Law::Mu, payload, samples);
    return samples;
}

// Where stream `stream` begins in this channel: the place of its first packet. -1: nowhere.
long find_start(const std::vector<std::int16_t>& channel, std::uint32_t stream) {
    const auto first = sent_samples(stream, 0);
    const auto at = std::search(channel.begin(), channel.end(), first.begin(), first.end());
    return at == channel.end() ? -1 : at - channel.begin();
}

std::vector<std::int16_t> channel_of(const audio::WavAudio& audio, std::size_t channel) {
    std::vector<std::int16_t> samples;
    for (std::size_t i = channel; i < audio.samples.size(); i += audio.format.channels)
        samples.push_back(audio.samples[i]);
    return samples;
}

void expect_recorded(const TestServer& server, const nlohmann::json& recording) {
    const std::string id = recording["id"];
    const Output exported = server.run({"export", id, "--format", "wav", "-o", "-"});
    ASSERT_EQ(exported.exit_code, 0) << exported.err;
    const auto wav = audio::parse_wav(base::as_bytes(exported.out));
    ASSERT_TRUE(wav);
    ASSERT_EQ(wav->format, (audio::WavFormat{.rate = 8000, .channels = 2}));
    for (std::uint32_t stream = 0; stream < 2; ++stream) {
        const auto channel = channel_of(*wav, stream);
        const long start = find_start(channel, stream);
        ASSERT_GE(start, 0) << "stream " << stream << " is not in its channel";
        for (std::uint32_t packet = 0; packet < kPackets; ++packet) {
            const auto at = static_cast<std::size_t>(start) + packet * 160U;
            ASSERT_LE(at + 160, channel.size());
            const std::vector<std::int16_t> heard(channel.begin() + static_cast<long>(at),
                                                  channel.begin() + static_cast<long>(at) + 160);
            const auto expected = packet == kLostPacket ? std::vector<std::int16_t>(160)
                                                        : sent_samples(stream, packet);
            ASSERT_EQ(heard, expected) << "stream " << stream << ", packet " << packet;
        }
    }
}

class Sipp : public testing::TestWithParam<std::string> {};

TEST_P(Sipp, SignalsAndTwoStreamsAreRecordedOctetByOctet) {
    TestServer server;
    ASSERT_TRUE(server.start()) << server.log();
    const Output sipp = run_sipp(server, GetParam());
    ASSERT_EQ(sipp.exit_code, 0) << sipp.out << sipp.err << server.log();

    const nlohmann::json recordings = server.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server.log();
    const nlohmann::json& recording = recordings[0];
    EXPECT_EQ(recording["state"], "complete") << recording;
    EXPECT_EQ(recording["session_ids"], nlohmann::json({"hVpd7YQgRW2nD22h7q60JQ=="}));
    EXPECT_EQ(recording["headers"]["X-Agent-Id"], "4711");
    ASSERT_EQ(recording["participants"].size(), 2U);
    EXPECT_EQ(recording["participants"][0]["name"], "Ada Lindqvist");
    EXPECT_EQ(recording["participants"][1]["aor"], "sip:bo@desk.example");
    ASSERT_EQ(recording["streams"].size(), 2U);
    for (const auto& stream : recording["streams"]) {
        EXPECT_EQ(stream["codec"], "PCMU/8000");
        EXPECT_EQ(stream["packets"], kPackets - 1);
        EXPECT_EQ(stream["lost"], 1);
        ASSERT_EQ(stream["gaps"].size(), 1U) << stream;
        EXPECT_EQ(stream["gaps"][0]["reason"], "lost");
        EXPECT_EQ(stream["gaps"][0]["duration_ms"], 20);
    }
    expect_recorded(server, recording);
    const Output verified = server.run({"verify", recording["id"]});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    EXPECT_EQ(server.stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(Transports, Sipp, testing::Values("u1", "t1"), [](const auto& transport) {
    return transport.param == "u1" ? "Udp" : "Tcp";
});

}  // namespace
}  // namespace earshot::integration
