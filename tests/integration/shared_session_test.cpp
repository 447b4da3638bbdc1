// Several calls in one recording session, a session that stands without calls, and the mix of a
// trading floor; client and server by the real binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <numbers>
#include <set>

#include "audio/wav.h"
#include "base/bytes.h"
#include "integration/harness.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class SharedSession : public testing::Test {
protected:
    void start(const std::string& rule, const std::string& more = {}) {
        ASSERT_TRUE(server_.start()) << server_.log();
        ASSERT_TRUE(client_.start("[client]\nservers = [\"" + server_.sip_uri() + "\"]\n" + more +
                                  "[[client.rule]]\nname = \"desk\"\n" + rule))
            << client_.log();
    }
    std::unique_ptr<Process> begin_call(std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"--duration", "90"});
        return client_.begin_call(std::move(more));
    }
    static void hang_up(Process& phones) {
        phones.signal(SIGINT);
        phones.wait();
    }
    // The recordings of running calls that are in that state.
    std::vector<json> in_state(std::string_view state) const {
        std::vector<json> found;
        const json calls = client_.calls();
        if (calls.is_array())
            for (const json& call : calls)
                for (const json& recording : call["recordings"])
                    if (recording["state"] == state) found.push_back(recording);
        return found;
    }
    bool are_recorded(std::size_t count) const {
        return eventually([&] { return in_state("recording").size() == count; });
    }
    // The server's newest recording once it fulfils that; null when it never does.
    json newest(const std::function<bool(const json&)>& condition) const {
        json found;
        eventually([&] {
            const json all = server_.list();
            if (all.is_array() && !all.empty() && condition(all[0])) found = all[0];
            return !found.is_null();
        });
        return found;
    }
    static std::size_t streams_with_media(const json& recording) {
        std::size_t count = 0;
        for (const json& stream : recording["streams"]) count += stream["packets"] > 0 ? 1 : 0;
        return count;
    }
    std::size_t count_events(std::string_view kind) const {
        const std::string log = client_.log();
        const std::string line = "recording: " + std::string(kind) + "\"";
        std::size_t count = 0;
        for (std::size_t at = log.find(line); at != std::string::npos; at = log.find(line, at + 1))
            ++count;
        return count;
    }
    std::string path(const std::string& name) const { return (client_.scratch() / name).string(); }

    TestServer server_;
    TestClient client_;
};

TEST_F(SharedSession, TwoCallsAreInOneRecordingSessionEachWithItsOwnStreams) {
    start("session = \"shared\"\n");
    const auto first = begin_call({"--party-a", "sip:ada@desk.example"});
    ASSERT_TRUE(are_recorded(1)) << client_.log() << server_.log();
    const auto second = begin_call({"--party-a", "sip:carla@desk.example"});
    ASSERT_TRUE(are_recorded(2)) << client_.calls().dump(1) << client_.log() << server_.log();
    const std::vector<json> recordings = in_state("recording");
    EXPECT_EQ(recordings[0]["rs_call_id"], recordings[1]["rs_call_id"]);
    EXPECT_NE(recordings[0]["session_id"], recordings[1]["session_id"]);
    EXPECT_EQ(recordings[0]["shared"], "desk");

    const json both = newest([](const json& it) { return streams_with_media(it) == 4; });
    ASSERT_FALSE(both.is_null()) << server_.list().dump(1) << client_.log();
    EXPECT_EQ(server_.list().size(), 1U);
    EXPECT_EQ(both["session_ids"].size(), 2U);

    // One hangs up: the other's recording goes on, and the first one's session has ended.
    hang_up(*first);
    ASSERT_TRUE(are_recorded(1));
    ASSERT_TRUE(eventually([&] { return count_events("stop") == 1; }));
    EXPECT_EQ(server_.list()[0]["state"], "recording");
    hang_up(*second);
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U) << client_.log();
    EXPECT_EQ(all[0]["state"], "complete") << all[0].dump(1);
    std::set<std::string> parties;
    for (const json& participant : all[0]["participants"])
        parties.insert(participant["aor"].get<std::string>());
    EXPECT_TRUE(parties.contains("sip:ada@desk.example")) << all[0].dump(1);
    EXPECT_TRUE(parties.contains("sip:carla@desk.example")) << all[0].dump(1);
    for (const json& stream : all[0]["streams"]) EXPECT_EQ(stream["lost"], 0) << all[0].dump(1);
}

TEST_F(SharedSession, ACallThatIsPausedOrStoppedLeavesTheOtherAlone) {
    start("session = \"shared\"\n");
    const auto first = begin_call();
    ASSERT_TRUE(are_recorded(1)) << client_.log();
    const std::string call = client_.calls()[0]["call_id"];
    const auto second = begin_call();
    ASSERT_TRUE(are_recorded(2)) << client_.log();
    ASSERT_EQ(client_.run({"pause", call, "--client"}).exit_code, 0);
    EXPECT_TRUE(eventually([&] { return in_state("paused").size() == 1; }));
    EXPECT_EQ(in_state("recording").size(), 1U);
    ASSERT_EQ(client_.run({"resume", call, "--client"}).exit_code, 0);
    EXPECT_TRUE(are_recorded(2)) << client_.log();
    ASSERT_EQ(client_.run({"stop", call, "--client"}).exit_code, 0);
    EXPECT_TRUE(are_recorded(1)) << client_.log();
    EXPECT_EQ(server_.list()[0]["state"], "recording");
    // It may be recorded again, in new lines of the same session.
    ASSERT_EQ(client_.run({"start", call, "--client"}).exit_code, 0);
    EXPECT_TRUE(are_recorded(2)) << client_.log();
    hang_up(*first);
    hang_up(*second);
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U) << server_.list().dump(1);
}

// RFC 7866 section 10: it stands before the first call, between calls, and again after its server
// was away.
TEST_F(SharedSession, APersistentSessionLivesThroughCallsAndARestartOfItsServer) {
    start("session = \"persistent\"\n", "probe_interval_ms = 500\nserver_silence_ms = 2000\n");
    ASSERT_FALSE(newest([](const json& it) { return it["state"] == "recording"; }).is_null())
        << client_.log() << server_.log();
    for (const std::string count : {"1", "2"}) {
        const json run = client_.call({"--duration", "2"});
        EXPECT_EQ(run["summary"]["results"]["ok"], 1U) << run.dump(1);
        const std::size_t calls = count == "1" ? 1 : 2;
        const json standing = newest([&](const json& it) {
            return it["session_ids"].size() == calls && streams_with_media(it) == 2 * calls;
        });
        EXPECT_FALSE(standing.is_null()) << server_.list().dump(1) << client_.log();
    }
    EXPECT_EQ(server_.list().size(), 1U);
    EXPECT_EQ(count_events("start"), 2U) << client_.log();
    EXPECT_EQ(count_events("session_start"), 1U) << client_.log();

    ASSERT_TRUE(are_recorded(0)) << client_.log();  // what is shown is up to a second old
    const auto phones = begin_call();
    ASSERT_TRUE(are_recorded(1)) << client_.log();
    const std::string session_id = in_state("recording")[0]["session_id"];
    server_.kill();
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(eventually([&] { return count_events("session_start") == 2; })) << client_.log();
    ASSERT_TRUE(are_recorded(1)) << client_.log();
    EXPECT_EQ(in_state("recording")[0]["session_id"], session_id);
    // By the session_id of the call both recording sessions are pieces of one recording.
    const json again = newest([&](const json& it) {
        std::size_t heard = 0;
        for (const json& stream : it["streams"])
            heard += stream.value("state", "") == "active" && stream["packets"] > 0 ? 1 : 0;
        return it["state"] == "recording" && heard == 2;
    });
    ASSERT_FALSE(again.is_null()) << server_.list().dump(1) << client_.log();
    hang_up(*phones);
    EXPECT_EQ(client_.stop(), 0);
    EXPECT_FALSE(newest([](const json& it) { return it["state"] != "recording"; }).is_null())
        << server_.list().dump(1);
}

// ---- the mix ------------------------------------------------------------------------------------

constexpr std::size_t kWindow = 160;  // 20 ms

double share_of(std::span<const std::int16_t> samples, double hz, double rate) {
    double real = 0;
    double imaginary = 0;
    double power = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double phase = 2 * std::numbers::pi * hz * static_cast<double>(i) / rate;
        real += samples[i] * std::cos(phase);
        imaginary += samples[i] * std::sin(phase);
        power += static_cast<double>(samples[i]) * samples[i];
    }
    if (power == 0) return 0;
    return (real * real + imaginary * imaginary) * 2 /
           (power * static_cast<double>(samples.size()));
}

// How many windows of a WAV file have that tone in them.
std::size_t windows_with(const std::filesystem::path& file, double hz) {
    const std::string octets = read_file(file);
    const auto wav = audio::parse_wav(base::as_bytes(octets));
    if (!wav) return 0;
    const std::vector<std::int16_t> samples = audio::to_mono(*wav);
    const std::size_t window = kWindow * wav->format.rate / 8000;
    std::size_t found = 0;
    for (std::size_t i = 0; (i + 1) * window <= samples.size(); ++i)
        if (share_of(std::span(samples).subspan(i * window, window), hz,
                     static_cast<double>(wav->format.rate)) > 0.05)
            ++found;
    return found;
}

void write_tone(const std::filesystem::path& file, double hz, std::size_t samples) {
    std::vector<std::int16_t> words(samples);
    for (std::size_t i = 0; i < samples; ++i)
        words[i] = static_cast<std::int16_t>(
            3500 * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / 8000));
    base::Bytes wav = audio::make_wav_header({}, samples);
    audio::append_samples(words, wav);
    write_file(file, base::as_text(wav));
}

// RFC 6341 REQ-008, RFC 8068 section 3.5: all voices of three calls in one stream, and the metadata
// of each.
TEST_F(SharedSession, TheVoicesOfAFloorAreMixedToOneStream) {
    start("session = \"persistent\"\nsession_name = \"floor 1\"\nmix = true\n");
    ASSERT_FALSE(newest([](const json& it) { return it["state"] == "recording"; }).is_null())
        << client_.log() << server_.log();
    const std::vector<double> tones{400, 750, 1100, 1500, 1950, 2500};
    std::vector<std::unique_ptr<Process>> calls;
    for (std::size_t i = 0; i < 3; ++i) {
        std::vector<std::string> flags;
        for (const std::size_t side : {0U, 1U}) {
            const std::string file = path("tone" + std::to_string(2 * i + side) + ".wav");
            write_tone(file, tones[2 * i + side], 8000 * 60);
            flags.insert(flags.end(), {side == 0 ? "--audio-a" : "--audio-b", file});
        }
        flags.insert(flags.end(), {"--party-a", "sip:trader" + std::to_string(i) + "@floor.example",
                                   "--header", "X-Desk: 7"});
        calls.push_back(begin_call(flags));
    }
    ASSERT_TRUE(are_recorded(3)) << client_.log();
    const json mixed = newest([](const json& it) {
        return it["streams"].size() == 1 && it["streams"][0]["packets"] > 200 &&
               it["session_ids"].size() == 3;
    });
    ASSERT_FALSE(mixed.is_null()) << server_.list().dump(1) << client_.log();
    for (const auto& call : calls) hang_up(*call);
    // The session stands, and needs no new offer for those who came and went.
    EXPECT_EQ(server_.list()[0]["state"], "recording");
    EXPECT_EQ(count_events("session_start"), 1U) << client_.log();
    EXPECT_EQ(client_.stop(), 0);
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0]["state"], "complete") << all[0].dump(1);
    EXPECT_EQ(all[0]["participants"].size(), 6U) << all[0].dump(1);
    EXPECT_EQ(all[0]["streams"].size(), 1U) << all[0].dump(1);

    const std::string wav = path("floor.wav");
    ASSERT_EQ(server_.run({"export", all[0]["id"], "--format", "stereo", "-o", wav}).exit_code, 0);
    for (const double hz : tones) EXPECT_GE(windows_with(wav, hz), 100U) << hz;
    EXPECT_LT(windows_with(wav, 3200), 20U);
}

TEST_F(SharedSession, APausedCallIsNotInTheMix) {
    start("session = \"persistent\"\nmix = true\n");
    write_tone(path("secret.wav"), 1100, 8000 * 60);
    write_tone(path("other.wav"), 400, 8000 * 60);
    const auto other = begin_call({"--audio-a", path("other.wav"), "--audio-b", path("other.wav")});
    ASSERT_TRUE(are_recorded(1)) << client_.log();
    const std::string kept = client_.calls()[0]["call_id"];
    const auto secret =
        begin_call({"--audio-a", path("secret.wav"), "--audio-b", path("secret.wav")});
    ASSERT_TRUE(are_recorded(2)) << client_.log();
    for (const json& call : client_.calls()) {
        if (call["call_id"] == kept) continue;
        ASSERT_EQ(client_.run({"pause", call["call_id"], "--client"}).exit_code, 0);
    }
    ASSERT_TRUE(eventually([&] { return in_state("paused").size() == 1; }));
    const auto packets = [&] { return server_.list()[0]["streams"][0]["packets"].get<int>(); };
    const int before = packets();
    ASSERT_TRUE(eventually([&] { return packets() > before + 250; })) << server_.list().dump(1);
    hang_up(*secret);
    hang_up(*other);
    EXPECT_EQ(client_.stop(), 0);
    const json all = server_.wait_for_recordings(1);
    ASSERT_EQ(all.size(), 1U);
    const std::string wav = path("floor.wav");
    ASSERT_EQ(server_.run({"export", all[0]["id"], "--format", "stereo", "-o", wav}).exit_code, 0);
    const std::size_t heard = windows_with(wav, 400);
    EXPECT_GE(heard, 250U);
    EXPECT_LE(windows_with(wav, 1100) + 200, heard) << "during the pause only the other is heard";
}

TEST_F(SharedSession, ReloadedRulesEndASessionThatNobodyWantsAnyMore) {
    start("session = \"persistent\"\n");
    ASSERT_FALSE(newest([](const json& it) { return it["state"] == "recording"; }).is_null());
    write_file(client_.scratch() / "client.toml",
               "[client]\nservers = [\"" + server_.sip_uri() + "\"]\n");
    client_.process().signal(SIGHUP);
    EXPECT_FALSE(newest([](const json& it) { return it["state"] != "recording"; }).is_null())
        << client_.log();
    EXPECT_THAT(client_.log(), Not(HasSubstr("not reloaded")));
}

}  // namespace
}  // namespace earshot::integration
