// Phones that speak Opus in conferences whose focus is the recording client: with phones of other
// codecs, recorded, and while the child that decodes is killed; client and server by the real
// binary, phones by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <numbers>

#include "audio/wav.h"
#include "base/bytes.h"
#include "integration/harness.h"
#include "integration/voice_phone.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr double kAda = 500;
constexpr double kBo = 1100;
constexpr double kCy = 1900;

class FocusOpus : public testing::Test {
protected:
    void start(const std::string& focus = "chimes = false\n", const std::string& client = {}) {
        ASSERT_TRUE(server_.start()) << server_.log();
        ASSERT_TRUE(client_.start("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n" + client +
                                  "[focus]\nrooms = [\"conf-*\"]\n" + focus))
            << client_.log();
    }
    std::unique_ptr<VoicePhone> dial_in(char name, const std::string& codec, double hz) {
        auto phone = std::make_unique<VoicePhone>(name, client_.sip(),
                                                  "sip:conf-1@" + client_.sip(), codec, hz);
        const std::string answer = phone->dial();
        EXPECT_THAT(answer, testing::StartsWith("SIP/2.0 200")) << client_.log();
        if (codec == "opus") {
            EXPECT_THAT(answer, HasSubstr("a=rtpmap:111 opus/48000/2\r\n"));
            EXPECT_THAT(answer, HasSubstr("a=fmtp:111 useinbandfec=1;stereo=0"));
        }
        return phone;
    }
    // Half a second of it, from now on.
    static bool hears(VoicePhone& phone, double hz) {
        phone.forget();
        return eventually([&] { return phone.heard(hz) >= 25; });
    }
    // Of the processes whose parent the client is.
    pid_t decoder() const {
        for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
            if (!std::isdigit(static_cast<unsigned char>(entry.path().filename().string()[0])))
                continue;
            const std::string stat = read_file(entry.path() / "stat");
            const std::size_t name = stat.find("(earshot-opus) ");
            if (name == std::string::npos) continue;
            const std::string rest = stat.substr(name + 15);  // state, parent
            if (std::atoi(rest.c_str() + 2) == client_pid()) return std::atoi(stat.c_str());
        }
        return 0;
    }
    pid_t client_pid() const { return const_cast<TestClient&>(client_).process().pid(); }

    static std::size_t windows_with(const std::filesystem::path& file, double hz) {
        const std::string octets = read_file(file);
        const auto wav = audio::parse_wav(base::as_bytes(octets));
        if (!wav) return 0;
        const std::vector<std::int16_t> samples = audio::to_mono(*wav);
        const auto window = static_cast<std::size_t>(wav->format.rate / 50);
        std::size_t found = 0;
        for (std::size_t at = 0; at + window <= samples.size(); at += window) {
            double real = 0;
            double imaginary = 0;
            for (std::size_t i = 0; i < window; ++i) {
                const double phase =
                    2 * std::numbers::pi * hz * static_cast<double>(i) / wav->format.rate;
                real += samples[at + i] * std::cos(phase);
                imaginary += samples[at + i] * std::sin(phase);
            }
            if (2 * std::hypot(real, imaginary) / static_cast<double>(window) > 1000) ++found;
        }
        return found;
    }
    json recorded() const {
        const json all = server_.wait_for_recordings(1);
        return all.is_array() && all.size() == 1 ? all[0] : json();
    }
    // How much of a tone is in what the server gives out as one WAV.
    std::size_t recorded(const std::string& id, double hz) const {
        const std::string wav = (server_.scratch() / "all.wav").string();
        const Output got = server_.run({"export", id, "--format", "wav", "-o", wav, "--force"});
        EXPECT_EQ(got.exit_code, 0) << got.err;
        return windows_with(wav, hz);
    }

    TestServer server_;
    TestClient client_;
};

TEST_F(FocusOpus, PhonesOfThreeCodecsHearEachOtherAndAllAreRecorded) {
    start("chimes = false\n", "tone_interval_s = 2\n");
    const auto ada = dial_in('a', "opus", kAda);
    const auto bo = dial_in('b', "G722", kBo);
    const auto cy = dial_in('c', "PCMU", kCy);
    EXPECT_TRUE(hears(*ada, kBo)) << client_.log();
    EXPECT_TRUE(hears(*ada, kCy));
    EXPECT_TRUE(hears(*bo, kAda));
    EXPECT_TRUE(hears(*bo, kCy));
    EXPECT_TRUE(hears(*cy, kAda));
    EXPECT_TRUE(hears(*cy, kBo));
    ada->forget();
    EXPECT_TRUE(eventually([&] { return ada->heard() >= 50; }));
    EXPECT_EQ(ada->heard(kAda), 0U);  // not itself
    // Who does not know a=record hears that it is recorded.
    EXPECT_TRUE(eventually([&] { return ada->heard(1400) >= 10; }));
    for (const auto* phone : {&ada, &bo, &cy}) (*phone)->hang_up();

    const json recording = recorded();
    ASSERT_TRUE(recording.is_object()) << client_.log();
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1);
    ASSERT_EQ(recording["streams"].size(), 3U) << recording.dump(1);
    std::vector<std::string> codecs;
    for (const json& stream : recording["streams"]) {
        codecs.push_back(stream.value("codec", ""));
        EXPECT_EQ(stream["lost"], 0) << stream.dump(1);
    }
    EXPECT_THAT(codecs, testing::UnorderedElementsAre(HasSubstr("opus"), HasSubstr("G722"),
                                                      HasSubstr("PCMU")));
    EXPECT_EQ(decoder(), 0);  // the last room is over
}

TEST_F(FocusOpus, AMixHasAllVoices) {
    start("record = \"mixed\"\nchimes = false\n");
    const auto ada = dial_in('a', "opus", kAda);
    const auto bo = dial_in('b', "opus", kBo);
    const auto cy = dial_in('c', "PCMU", kCy);
    EXPECT_TRUE(hears(*bo, kAda)) << client_.log();
    EXPECT_TRUE(hears(*cy, kBo));
    // A while of that for the recording, too.
    cy->forget();
    EXPECT_TRUE(eventually([&] { return cy->heard(kAda) >= 100; }));
    for (const auto* phone : {&ada, &bo, &cy}) (*phone)->hang_up();
    const json recording = recorded();
    ASSERT_TRUE(recording.is_object()) << client_.log();
    ASSERT_EQ(recording["streams"].size(), 1U) << recording.dump(1);
    const std::string id = recording["id"];
    for (const double hz : {kAda, kBo, kCy}) EXPECT_GE(recorded(id, hz), 50U) << hz;
}

TEST_F(FocusOpus, WhenTheDecoderDiesItIsStartedAgainAndTold) {
    start();
    const auto ada = dial_in('a', "opus", kAda);
    const auto bo = dial_in('b', "PCMU", kBo);
    ASSERT_TRUE(hears(*bo, kAda)) << client_.log();
    const pid_t first = decoder();
    ASSERT_GT(first, 0);
    ::kill(first, SIGKILL);
    EXPECT_TRUE(eventually([&] { return decoder() > 0 && decoder() != first; }));
    EXPECT_TRUE(hears(*bo, kAda));
    EXPECT_TRUE(hears(*ada, kBo));
    EXPECT_TRUE(eventually([&] {
        return client_.log().find("recording: decoder_fault") != std::string::npos;
    })) << client_.log();
    ada->hang_up();
    bo->hang_up();
    // Each stream was copied as it came, whatever became of the mix.
    const json recording = recorded();
    ASSERT_TRUE(recording.is_object()) << client_.log();
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1);
    for (const json& stream : recording["streams"]) EXPECT_EQ(stream["lost"], 0) << stream.dump(1);
}

TEST_F(FocusOpus, WhoSendsNonsenseDisturbsNobodyElse) {
    start();
    const auto ada = dial_in('a', "opus", kAda);
    const auto bo = dial_in('b', "opus", kBo);
    const auto eve = dial_in('e', "opus", kCy);
    ASSERT_TRUE(hears(*bo, kAda)) << client_.log();
    const pid_t before = decoder();
    eve->babble(true);
    EXPECT_TRUE(hears(*bo, kAda));
    EXPECT_TRUE(hears(*ada, kBo));
    ada->forget();
    EXPECT_TRUE(eventually([&] { return ada->heard() >= 100; }));
    EXPECT_GE(ada->heard(kBo), 90U);
    EXPECT_EQ(decoder(), before);
    for (const auto* phone : {&ada, &bo, &eve}) (*phone)->hang_up();
}

TEST_F(FocusOpus, WhoComesIsHeardByAChime) {
    start("");
    const auto ada = dial_in('a', "opus", kAda);
    ASSERT_TRUE(eventually([&] { return ada->heard() >= 25; }));
    ada->forget();
    const auto bo = dial_in('b', "PCMU", kBo);
    EXPECT_TRUE(eventually([&] { return ada->heard(660) >= 3 && ada->heard(880) >= 3; }));
    ada->hang_up();
    bo->hang_up();
}

}  // namespace
}  // namespace earshot::integration
