// The recording client by the real binary: two phones call each other through it, our server
// records.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <sstream>
#include <thread>

#include "integration/fake_hook.h"
#include "integration/harness.h"

namespace earshot::integration {
namespace {

using nlohmann::json;

const std::vector<std::string> kShortCall{"--duration", "2", "--party-a",
                                          "\"Ada\" <sip:ada@desk.example>"};

std::vector<std::string> and_more(std::vector<std::string> arguments,
                                  std::vector<std::string> more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

// Both phones heard all that the other said.
void expect_undisturbed(const json& run, std::size_t calls = 1) {
    ASSERT_TRUE(run.is_object());
    EXPECT_EQ(run["summary"]["results"], json({{"ok", calls}})) << run.dump(1);
    EXPECT_GT(run["summary"]["packets"]["sent"], 100U) << run["summary"];
    EXPECT_EQ(run["summary"]["packets"]["lost"], 0U) << run["summary"];
}

class Client : public testing::Test {
protected:
    static std::string servers(const std::vector<std::string>& uris) {
        std::string list;
        for (const std::string& uri : uris) list += (list.empty() ? "\"" : ", \"") + uri + "\"";
        return "[client]\nservers = [" + list + "]\n";
    }
    std::string recorded_here() const { return servers({server_.sip_uri()}); }
    // The first running call with a recording in that state; null when none comes to be.
    json wait_for_state(std::string_view state) const {
        json found;
        eventually([&] {
            for (const json& call : client_.calls())
                for (const json& recording : call["recordings"])
                    if (recording["state"] == state) found = call;
            return !found.is_null();
        });
        return found;
    }
    std::size_t count_events(std::string_view kind) const {
        const std::string log = client_.log();
        const std::string line = "recording: " + std::string(kind);
        std::size_t count = 0;
        for (std::size_t at = log.find(line); at != std::string::npos; at = log.find(line, at + 1))
            ++count;
        return count;
    }

    // The lines of dialogs that have begun and not ended, by number.
    static std::set<std::uint64_t> read_dialogs_of(const TestClient& client) {
        std::set<std::uint64_t> open;
        std::istringstream lines(read_file(client.data() / "dialogs.jsonl"));
        for (std::string line; std::getline(lines, line);) {
            const json entry = json::parse(line, nullptr, false);
            if (entry.contains("n")) open.insert(entry["n"].get<std::uint64_t>());
            if (entry.contains("ended")) open.erase(entry["ended"].get<std::uint64_t>());
        }
        return open;
    }

    TestServer server_;
    TestClient client_;
};

TEST_F(Client, RecordsACallThatGoesThroughIt) {
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start(recorded_here())) << client_.log();
    expect_undisturbed(client_.call(kShortCall));
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    const json& recording = recordings[0];
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1);
    ASSERT_EQ(recording["streams"].size(), 2U);
    for (const json& stream : recording["streams"]) {
        EXPECT_GT(stream["packets"], 80U);
        EXPECT_EQ(stream["lost"], 0U);
    }
    ASSERT_EQ(recording["participants"].size(), 2U);
    EXPECT_EQ(recording["participants"][0]["aor"], "sip:ada@desk.example");
    EXPECT_EQ(recording["participants"][0]["name"], "Ada");
    EXPECT_EQ(count_events("start"), 1U);
    EXPECT_EQ(count_events("stop"), 1U);
    EXPECT_EQ(client_.stop(), 0) << client_.log();
}

TEST_F(Client, MakesNoRecordingOfACallThatNobodyAnswers) {
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start(recorded_here())) << client_.log();
    const json run = client_.call({"--reject", "486"});
    EXPECT_EQ(run["calls"][0]["sip_status"], 486) << run.dump(1);
    EXPECT_EQ(count_events("start"), 0U);
    EXPECT_EQ(server_.list().size(), 0U);
}

TEST_F(Client, BeginsWithEarlyMediaWhereItIsToldSo) {
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start(recorded_here() + "start_at = \"early\"\n")) << client_.log();
    const json run = client_.call({"--early", "--ring", "2", "--reject", "486"});
    EXPECT_EQ(run["calls"][0]["sip_status"], 486) << run.dump(1);
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    EXPECT_EQ(count_events("start"), 1U);
    EXPECT_EQ(count_events("stop"), 1U);
}

TEST_F(Client, BeginsWithTheInviteSoThatNoSyllableIsClipped) {
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start(recorded_here() + "start_at = \"invite\"\n")) << client_.log();
    const json run = client_.call(and_more(kShortCall, {"--ring", "1"}));
    expect_undisturbed(run);
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0].dump(1);
    std::uint64_t recorded = 0;
    for (const json& stream : recordings[0]["streams"])
        recorded += stream["packets"].get<std::uint64_t>();
    EXPECT_EQ(recorded, run["summary"]["packets"]["sent"].get<std::uint64_t>())
        << recordings[0].dump(1) << run.dump(1);
}

TEST_F(Client, AsksTheNextServerWhenOneDoesNotRecord) {
    ASSERT_TRUE(server_.start()) << server_.log();
    const std::string nobody = "sip:rec@127.0.0.1:" + std::to_string(free_port());
    ASSERT_TRUE(client_.start(servers({nobody, server_.sip_uri()}) + "server_silence_ms = 300\n"))
        << client_.log();
    expect_undisturbed(client_.call(kShortCall));
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U);
    EXPECT_EQ(count_events("refused"), 1U) << client_.log();
    EXPECT_EQ(count_events("start"), 1U);
}

TEST_F(Client, DoesNotDisturbACallThatCannotBeRecorded) {
    const std::string nobody = "sip:rec@127.0.0.1:" + std::to_string(free_port());
    ASSERT_TRUE(client_.start(servers({nobody}))) << client_.log();
    expect_undisturbed(client_.call(kShortCall));
    EXPECT_EQ(count_events("start"), 0U);
    EXPECT_EQ(count_events("stop"), 0U);
}

TEST_F(Client, EndsACallThatMustBeRecordedAndCannotBe) {
    const std::string nobody = "sip:rec@127.0.0.1:" + std::to_string(free_port());
    ASSERT_TRUE(client_.start(servers({nobody}) + "mandatory = true\nserver_silence_ms = 500\n"))
        << client_.log();
    const json run = client_.call({"--duration", "60"});
    ASSERT_TRUE(run.is_object());
    EXPECT_NE(run["calls"][0]["result"], "ok") << run.dump(1);
    EXPECT_THAT(client_.log(), testing::HasSubstr("must be recorded"));
    EXPECT_THAT(client_.run({"doctor", "--client"}).out,
                testing::HasSubstr("1 recording sessions went to no recording server"));
}

TEST_F(Client, ACallGoesOnWhenItsServerDies) {
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start(recorded_here())) << client_.log();
    const auto phones = client_.begin_call({"--duration", "3"});
    ASSERT_FALSE(wait_for_state("recording").is_null()) << client_.log();
    server_.kill();
    EXPECT_EQ(phones->wait(), 0);
    expect_undisturbed(json::parse(read_file(client_.scratch() / "call.json"), nullptr, false));
}

TEST_F(Client, EndsWhatAKillHasCutAtItsNextStart) {
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start(recorded_here())) << client_.log();
    const auto phones = client_.begin_call({"--duration", "600"});
    ASSERT_FALSE(wait_for_state("recording").is_null()) << client_.log();
    // Both legs and the recording session, each on a line of its own.
    ASSERT_TRUE(eventually([&] {
        const std::string left = read_file(client_.data() / "dialogs.jsonl");
        return std::count(left.begin(), left.end(), '\n') >= 3;
    }));
    client_.process().signal(SIGKILL);
    client_.process().wait();
    // A line that was cut is passed over.
    write_file(client_.data() / "dialogs.jsonl",
               read_file(client_.data() / "dialogs.jsonl") + R"({"n":99,"uri":"sip)");
    ASSERT_TRUE(client_.start(recorded_here())) << client_.log();
    EXPECT_TRUE(eventually([&] { return !phones->is_running(); }));
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    EXPECT_THAT(client_.log(), testing::HasSubstr("the last run was interrupted"));
    EXPECT_THAT(client_.log(), testing::HasSubstr("cannot be read"));
    // And records at once.
    expect_undisturbed(client_.call(kShortCall));
    EXPECT_EQ(server_.wait_for_recordings(2).size(), 2U);
    EXPECT_EQ(client_.stop(), 0) << client_.log();
    EXPECT_TRUE(read_dialogs_of(client_).empty());
}

// Its server takes a second to answer, and lacks nothing of that second. A last packet of each
// phone may cross the BYE.
TEST_F(Client, RecordsFromTheAnswerOn) {
    FakeHook hook([] {
        std::this_thread::sleep_for(std::chrono::seconds{1});
        return http::make_response(200, "application/json", R"({"action":"record"})");
    });
    const std::string path = (server_.scratch() / "earshot.toml").string();
    write_file(path, "[decision]\nurl = \"" + hook.url() + "\"\ndeadline_ms = 20000\n");
    ASSERT_TRUE(server_.start({"--config", path})) << server_.log();
    ASSERT_TRUE(client_.start(recorded_here() + "[media]\nring_ms = 5000\n")) << client_.log();
    const json run = client_.call({"--duration", "4"});
    expect_undisturbed(run);
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0].dump(1);
    std::uint64_t recorded = 0;
    for (const json& stream : recordings[0]["streams"]) {
        recorded += stream["packets"].get<std::uint64_t>();
        EXPECT_EQ(stream["lost"], 0U);
    }
    const std::uint64_t sent = run["summary"]["packets"]["sent"];
    EXPECT_GE(recorded + 2, sent) << recordings[0].dump(1) << run.dump(1);
    EXPECT_LE(recorded, sent);
}

TEST_F(Client, IsControlledWhileACallRuns) {
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start(recorded_here() + "on_demand = true\n")) << client_.log();
    const auto phones = client_.begin_call({"--duration", "60"});
    const json waiting = wait_for_state("waiting");
    ASSERT_FALSE(waiting.is_null()) << client_.log();
    const std::string call = waiting["call_id"];
    const auto obey = [&](std::vector<std::string> words) {
        words.insert(words.begin() + 1, {call, "--client"});
        return client_.run(words);
    };
    EXPECT_EQ(obey({"pause"}).exit_code, 5);  // 409: nothing runs
    const Output started = obey({"start"});
    EXPECT_EQ(started.exit_code, 0) << started.err;
    EXPECT_FALSE(wait_for_state("recording").is_null());
    EXPECT_EQ(obey({"start"}).exit_code, 0);  // repeating is harmless
    EXPECT_EQ(obey({"pause"}).exit_code, 0);
    EXPECT_FALSE(wait_for_state("paused").is_null());
    EXPECT_EQ(obey({"pause"}).exit_code, 0);
    EXPECT_EQ(obey({"resume"}).exit_code, 0);
    EXPECT_FALSE(wait_for_state("recording").is_null());
    const Output sent = client_.run({"send", call, "--method", "INFO", "--header", "X-Order: 4711",
                                     "--body", "hello", "--content-type", "text/plain"});
    EXPECT_EQ(sent.exit_code, 0) << sent.err;
    EXPECT_EQ(obey({"stop"}).exit_code, 0);
    EXPECT_FALSE(wait_for_state("ended").is_null());
    EXPECT_EQ(client_.run({"pause", "nobody@nowhere", "--client"}).exit_code, 3);
    const Output shown = client_.run({"calls"});
    EXPECT_THAT(shown.out, testing::HasSubstr(call));
    phones->signal(SIGINT);
    phones->wait();
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U);
    EXPECT_EQ(count_events("start"), 1U);
    EXPECT_EQ(count_events("stop"), 1U);
}

TEST_F(Client, RecordsACallByTwoInstancesAtOnce) {
    TestServer other;
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(other.start()) << other.log();
    ASSERT_TRUE(client_.start("[[client.rule]]\nname = \"all\"\nservers = \"" + server_.sip_uri() +
                              "\"\n[[client.rule]]\nname = \"qm\"\ninstance = \"quality\"\n"
                              "servers = \"" +
                              other.sip_uri() +
                              "\"\ngroup = \"team {from.user}\"\n"
                              "session_extension = \"<x>{from.name}</x>\"\n"))
        << client_.log();
    expect_undisturbed(client_.call(kShortCall));
    const json here = server_.wait_for_recordings(1);
    const json there = other.wait_for_recordings(1);
    ASSERT_EQ(here.size(), 1U) << client_.log();
    ASSERT_EQ(there.size(), 1U) << client_.log();
    EXPECT_EQ(here[0]["session_ids"], there[0]["session_ids"]);
    EXPECT_TRUE(here[0]["group"].is_null());
    EXPECT_TRUE(there[0]["group"].is_string());
    EXPECT_THAT(there[0]["extensions"].dump(), testing::HasSubstr("Ada"));
}

// The examples of the OpenSIPS module's manual (docs/from-opensips.md).
TEST_F(Client, ObeysTheThreeExamplesOfHold) {
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start(recorded_here() + R"(
[[client.on]]
name = "hold"
event = "hold"
action = "pause"
[[client.on]]
name = "unhold"
event = "unhold"
action = "resume"
[[client.on]]
name = "tell hold"
event = "hold"
action = "send"
method = "INFO"
content_type = "text/plain"
body = "hold {call_id}"
)")) << client_.log();
    const auto phones = client_.begin_call({"--duration", "8", "--hold-at", "1"});
    EXPECT_FALSE(wait_for_state("paused").is_null()) << client_.log();
    EXPECT_FALSE(wait_for_state("recording").is_null()) << client_.log();
    EXPECT_EQ(phones->wait(), 0);
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U);
    EXPECT_EQ(count_events("pause"), 1U);
    EXPECT_EQ(count_events("resume"), 1U);
    EXPECT_EQ(count_events("request_answered"), 1U) << client_.log();
}

// Both kinds of keys are one memory: the code to start is told by RTP, that to stop by INFO.
TEST_F(Client, StartsAndStopsByCodesThatThePhonesDial) {
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(client_.start(recorded_here() + R"(on_demand = true
[[client.on]]
name = "start code"
event = "dtmf"
digits = "*1"
by = "caller"
action = "start"
[[client.on]]
name = "stop code"
event = "dtmf"
digits = "*2"
by = "caller"
action = "stop"
)")) << client_.log();
    const auto by_rtp = client_.begin_call({"--duration", "60", "--dtmf", "7*1"});
    EXPECT_FALSE(wait_for_state("recording").is_null()) << client_.log();
    by_rtp->signal(SIGINT);
    by_rtp->wait();
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U);
    const auto by_info = client_.begin_call({"--duration", "60", "--dtmf-info", "*1*2"});
    EXPECT_FALSE(wait_for_state("ended").is_null()) << client_.log();
    by_info->signal(SIGINT);
    by_info->wait();
    const auto both = client_.begin_call({"--duration", "60", "--dtmf", "*1,,*2"});
    EXPECT_FALSE(wait_for_state("ended").is_null()) << client_.log();
    both->signal(SIGINT);
    both->wait();
    EXPECT_THAT(client_.log(), testing::HasSubstr("trigger stop code"));
}

TEST_F(Client, TellsHowItIs) {
    ASSERT_TRUE(client_.start("")) << client_.log();
    const Output doctor = client_.run({"doctor", "--client"});
    EXPECT_EQ(doctor.exit_code, 0) << doctor.err;
    EXPECT_THAT(doctor.out, testing::HasSubstr("calls"));
    EXPECT_THAT(client_.run({"calls"}).out, testing::HasSubstr("No calls run"));
    EXPECT_EQ(client_.run({"page", "--client"}).exit_code, 0);
    EXPECT_EQ(client_.stop(), 0);
}

}  // namespace
}  // namespace earshot::integration
