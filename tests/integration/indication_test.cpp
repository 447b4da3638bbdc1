// That parties know of the recording, by the real binary: phones that understand a=record are told
// by it, others hear a tone or an announcement, wishes are obeyed as policy says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <numbers>

#include "audio/wav.h"
#include "base/bytes.h"
#include "integration/harness.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr double kToneHz = 1400;
constexpr std::size_t kWindow = 160;  // 20 ms, as the packets

// How much of the power of these samples is at that frequency, 0 to 1 (Goertzel).
double share_of(std::span<const std::int16_t> samples, double hz) {
    const double coefficient = 2 * std::cos(2 * std::numbers::pi * hz / 8000);
    double last = 0;
    double before = 0;
    double power = 0;
    for (const std::int16_t sample : samples) {
        const double now = sample + coefficient * last - before;
        before = last;
        last = now;
        power += static_cast<double>(sample) * sample;
    }
    if (power == 0) return 0;
    return (last * last + before * before - coefficient * last * before) /
           (power * static_cast<double>(samples.size()) / 2);
}

// The windows of a WAV file in which that frequency stands out.
std::vector<std::size_t> windows_with(const std::filesystem::path& file, double hz) {
    const std::string octets = read_file(file);
    const auto wav = audio::parse_wav(base::as_bytes(octets));
    std::vector<std::size_t> found;
    if (!wav) return found;
    const std::vector<std::int16_t> samples = audio::to_mono(*wav);
    for (std::size_t i = 0; (i + 1) * kWindow <= samples.size(); ++i)
        if (share_of(std::span(samples).subspan(i * kWindow, kWindow), hz) > 0.08)
            found.push_back(i);
    return found;
}

void write_tone(const std::filesystem::path& file, double hz, std::size_t samples) {
    std::vector<std::int16_t> words(samples);
    for (std::size_t i = 0; i < samples; ++i)
        words[i] = static_cast<std::int16_t>(
            9000 * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / 8000));
    base::Bytes wav = audio::make_wav_header({}, samples);
    audio::append_samples(words, wav);
    write_file(file, base::as_text(wav));
}

class Indication : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(server_.start()) << server_.log(); }
    std::string config(const std::string& more = {}) const {
        return "[client]\nservers = [\"" + server_.sip_uri() + "\"]\n" + more;
    }
    std::string path(const std::string& name) const { return (client_.scratch() / name).string(); }
    json call(std::vector<std::string> more = {}) const {
        if (std::find(more.begin(), more.end(), "--duration") == more.end())
            more.insert(more.begin(), {"--duration", "2"});
        const json run = client_.call(std::move(more));
        return run.is_object() ? run["calls"][0] : json{};
    }
    // A call in the background, once `state` holds for its recording; its Call-ID.
    std::string begin(std::vector<std::string> more, std::string_view state = "recording") {
        more.insert(more.begin(), {"--duration", "60"});
        phones_ = client_.begin_call(std::move(more));
        return wait_for(client_, state);
    }
    static std::string wait_for(const TestClient& client, std::string_view state) {
        std::string call_id;
        eventually([&] {
            for (const json& call : client.calls())
                for (const json& recording : call["recordings"])
                    if (recording["state"] == state) call_id = call["call_id"];
            return !call_id.empty();
        });
        return call_id;
    }
    json end() {
        phones_->signal(SIGINT);
        phones_->wait();
        const json run = json::parse(read_file(client_.scratch() / "call.json"), nullptr, false);
        return run.is_object() ? run["calls"][0] : json{};
    }
    static std::vector<std::string> changes(const json& phone) {
        std::vector<std::string> states;
        for (const json& change : phone["record_changes"]) states.push_back(change["state"]);
        return states;
    }
    // Both parties have taken so many descriptions that say so.
    static bool are_told(const TestClient& client, const std::string& state, std::size_t times) {
        return eventually([&] {
            const std::string log = client.log();
            return count_of(log, "The caller has been told anew: " + state) >= times &&
                   count_of(log, "The callee has been told anew: " + state) >= times;
        });
    }
    static std::size_t count_of(const std::string& text, const std::string& what) {
        std::size_t count = 0;
        for (std::size_t at = text.find(what); at != std::string::npos;
             at = text.find(what, at + 1))
            ++count;
        return count;
    }
    static bool logs(const TestClient& client, std::string_view text) {
        return eventually([&] { return client.log().find(text) != std::string::npos; });
    }

    TestServer server_;
    TestClient client_;
    std::unique_ptr<Process> phones_;
};

TEST_F(Indication, P21_AwarePhonesAreToldBeforeTheFirstWordAndHearNothingElse) {
    ASSERT_TRUE(client_.start(config())) << client_.log();
    const json run = call({"--heard-a", path("a.wav")});
    for (const char* phone : {"a", "b"}) {
        EXPECT_EQ(run[phone]["record"], json({"on"})) << run.dump(1);
        EXPECT_EQ(changes(run[phone]), std::vector<std::string>{"on"})
            << "by the description that sets up the call: " << run.dump(1);
        EXPECT_EQ(run[phone]["sources"], 1);
        EXPECT_EQ(run[phone]["lost"], 0);
    }
    EXPECT_TRUE(windows_with(path("a.wav"), kToneHz).empty());
    EXPECT_THAT(client_.log(), HasSubstr("The caller is told by a=record."));
}

TEST_F(Indication, P22_OthersHearAToneAsSoonAsTheyAreRecordedAndTheRecordingHasNone) {
    ASSERT_TRUE(client_.start(config("tone_interval_s = 1\ntone_level_db = -12\n")))
        << client_.log();
    const json run = call({"--not-aware", "--heard-a", path("a.wav"), "--heard-b", path("b.wav")});
    EXPECT_EQ(run["result"], "ok") << run.dump(1);
    EXPECT_EQ(run["a"]["record_changes"].size(), 0U);
    EXPECT_EQ(run["a"]["lost"], 0) << "the tone is in the packets that pass";
    const std::vector<std::size_t> tone = windows_with(path("a.wav"), kToneHz);
    EXPECT_GE(tone.size(), 15U) << "two tones of ten packets";
    EXPECT_FALSE(windows_with(path("b.wav"), kToneHz).empty());
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U);
    ASSERT_FALSE(tone.empty());
    // What was said before the recording began, in packets: what both clocks agree on. What was
    // heard counts the tone's own packets at the end, too, when nobody speaks any more.
    const auto of_a = recordings[0]["streams"][0]["packets"].get<std::size_t>();
    const auto of_b = recordings[0]["streams"][1]["packets"].get<std::size_t>();
    const std::size_t before = run["b"]["sent"].get<std::size_t>() - std::max(of_a, of_b);
    EXPECT_LE(tone.front(), before + 10) << "within 200 ms of the start of the recording";
    std::printf("tone %zu ms after the first packet, recording %zu ms\n", tone.front() * 20,
                before * 20);
    const std::string id = recordings[0]["id"];
    const Output exported =
        server_.run({"export", id, "--format", "stereo", "-o", path("recorded.wav")});
    ASSERT_EQ(exported.exit_code, 0) << exported.err;
    EXPECT_TRUE(windows_with(path("recorded.wav"), kToneHz).empty());
}

TEST_F(Indication, ATonesSilenceIsFilledWhileAPhoneIsOnHoldWithoutMusic) {
    ASSERT_TRUE(client_.start(config("tone_interval_s = 1\n"))) << client_.log();
    const json run = call({"--not-aware", "--hold-at", "0.5", "--heard-b", path("b.wav")});
    EXPECT_EQ(run["result"], "ok") << run.dump(1);
    EXPECT_FALSE(windows_with(path("b.wav"), kToneHz).empty());
}

TEST_F(Indication, AnAnnouncementIsHeardAloneBeforeTheRecordingBegins) {
    constexpr double kWordsHz = 2000;
    write_tone(path("told.wav"), kWordsHz, 8000);
    ASSERT_TRUE(client_.start(config("indication = \"announcement\"\nannouncement = \"" +
                                     path("told.wav") + "\"\nannounce_first = true\n")))
        << client_.log();
    const json run = call({"--duration", "4", "--not-aware", "--heard-a", path("a.wav")});
    EXPECT_EQ(run["result"], "ok") << run.dump(1);
    const std::vector<std::size_t> words = windows_with(path("a.wav"), kWordsHz);
    ASSERT_GE(words.size(), 45U);
    EXPECT_LE(words.back() - words.front(), 60U) << "once";
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    const auto recorded = recordings[0]["streams"][0]["packets"].get<std::size_t>();
    EXPECT_LE(recorded + words.size(), run["a"]["heard"].get<std::size_t>() + 5)
        << "nothing that was said before they knew";
    EXPECT_GT(recorded, 20U);
}

TEST_F(Indication, AnAnnouncementFileThatIsNotThereIsAFaultOfTheConfiguration) {
    EXPECT_FALSE(client_.start(
        config("indication = \"announcement\"\nannouncement = \"" + path("nothing.wav") + "\"\n")));
    EXPECT_THAT(client_.log(), HasSubstr("nothing.wav"));
}

TEST_F(Indication, WhatIsAgreedIsInMetadataAndEventsAndNotHeard) {
    ASSERT_TRUE(client_.start(
        config("indication = \"agreed\"\nagreed_reason = \"Clause 7 & the sign at the door\"\n")))
        << client_.log();
    const json run = call({"--not-aware", "--heard-a", path("a.wav")});
    EXPECT_EQ(run["result"], "ok") << run.dump(1);
    EXPECT_TRUE(windows_with(path("a.wav"), kToneHz).empty());
    EXPECT_TRUE(logs(client_, "The caller is told by what was agreed: Clause 7 & the sign"));
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U);
    const Output xml = server_.run(
        {"export", recordings[0]["id"].get<std::string>(), "--format", "xml", "-o", "-"});
    EXPECT_THAT(xml.out, HasSubstr("means=\"agreed\"")) << xml.err;
    EXPECT_THAT(xml.out, HasSubstr("Clause 7 &amp; the sign at the door"));
}

TEST_F(Indication, P39_AwarePhonesAreToldOfEachChangeInMidCall) {
    ASSERT_TRUE(client_.start(config("on_demand = true\n"))) << client_.log();
    const std::string call_id = begin({}, "waiting");
    ASSERT_FALSE(call_id.empty()) << client_.log();
    const auto obey = [&](const char* verb) {
        return client_.run({verb, call_id, "--client"}).exit_code;
    };
    EXPECT_EQ(obey("start"), 0);
    EXPECT_FALSE(wait_for(client_, "recording").empty());
    EXPECT_TRUE(are_told(client_, "on", 1));
    EXPECT_EQ(obey("pause"), 0);
    EXPECT_TRUE(are_told(client_, "paused", 1));
    EXPECT_EQ(obey("resume"), 0);
    EXPECT_TRUE(are_told(client_, "on", 2));
    EXPECT_EQ(obey("stop"), 0);
    EXPECT_TRUE(are_told(client_, "off", 1));
    const json run = end();
    for (const char* phone : {"a", "b"}) {
        EXPECT_EQ(changes(run[phone]), (std::vector<std::string>{"on", "paused", "on", "off"}))
            << run.dump(1) << client_.log();
        EXPECT_EQ(run[phone]["lost"], 0);
    }
}

TEST_F(Indication, P47_P48_ItPassesThroughAChainAndIsOffOnlyWhenAllHaveStopped) {
    TestClient far;
    ASSERT_TRUE(far.start(config("on_demand = true\n"))) << far.log();
    ASSERT_TRUE(client_.start(config("on_demand = true\nnext_hop = \"sip:" + far.sip() + "\"\n")))
        << client_.log();
    const std::string near_call = begin({}, "waiting");
    const std::string far_call = wait_for(far, "waiting");
    ASSERT_FALSE(near_call.empty() || far_call.empty()) << client_.log() << far.log();
    const auto obey = [](const TestClient& client, const char* verb, const std::string& call) {
        EXPECT_EQ(client.run({verb, call, "--client"}).exit_code, 0);
    };
    obey(far, "start", far_call);
    EXPECT_TRUE(are_told(far, "on", 1)) << far.log();
    obey(client_, "start", near_call);
    EXPECT_FALSE(wait_for(client_, "recording").empty());
    EXPECT_TRUE(logs(client_, "The callee has been told anew: on.")) << client_.log();
    obey(client_, "stop", near_call);
    EXPECT_FALSE(wait_for(client_, "ended").empty());
    EXPECT_TRUE(logs(client_, "The callee has been told anew: off.")) << client_.log();
    const json run = end();
    EXPECT_EQ(run["a"]["record"], json({"on"}))
        << "the other one records it still" << run.dump(1) << client_.log();
    EXPECT_EQ(changes(run["a"]), std::vector<std::string>{"on"}) << run.dump(1);
    EXPECT_EQ(run["b"]["record"], json({"on"})) << run.dump(1) << far.log();
}

TEST_F(Indication, P40_P41_AWishAtTheBeginningIsHonouredAndTheOutcomeIsTold) {
    ASSERT_TRUE(client_.start(config("recordpref = \"honour\"\n"))) << client_.log();
    const json run = call({"--recordpref", "off"});
    EXPECT_EQ(run["result"], "ok") << run.dump(1);
    EXPECT_EQ(run["a"]["record"], json({"off"})) << run.dump(1);
    EXPECT_EQ(run["b"]["record"], json({"off"})) << run.dump(1);
    EXPECT_EQ(server_.list().size(), 0U);
    EXPECT_THAT(client_.log(), HasSubstr("preference"));
}

TEST_F(Indication, P40_P41_AWishInMidCallIsHonouredAndTheAnswerTellsTheOutcome) {
    ASSERT_TRUE(client_.start(config("recordpref = \"honour\"\n"))) << client_.log();
    const json run = call({"--duration", "3", "--recordpref", "off", "--recordpref-at", "1.5"});
    EXPECT_EQ(run["result"], "ok") << run.dump(1);
    for (const char* phone : {"a", "b"})
        EXPECT_EQ(changes(run[phone]), (std::vector<std::string>{"on", "off"})) << run.dump(1);
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U);
}

TEST_F(Indication, P40_AWishThatPolicyIgnoresChangesNothingAndThatIsTold) {
    ASSERT_TRUE(client_.start(config())) << client_.log();
    const json run = call({"--recordpref", "off"});
    EXPECT_EQ(run["a"]["record"], json({"on"})) << run.dump(1);
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U);
    EXPECT_THAT(client_.log(), HasSubstr("ignored"));
}

TEST_F(Indication, P51_AWishBeginsWhatIsOnDemand) {
    ASSERT_TRUE(client_.start(config("on_demand = true\nrecordpref = \"honour\"\n")))
        << client_.log();
    const json run = call({"--duration", "3", "--recordpref", "on", "--recordpref-at", "1"});
    EXPECT_EQ(run["a"]["record"], json({"on"})) << run.dump(1);
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U) << client_.log();
}

}  // namespace
}  // namespace earshot::integration
