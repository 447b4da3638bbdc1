// What an operator relies on: stops, crashes, refusals, bad input; with the real binary and real
// calls.
#include <gtest/gtest.h>

#include <csignal>
#include <future>
#include <sstream>
#include <thread>

#include "integration/harness.h"
#include "integration/udp_client.h"

namespace earshot::integration {
namespace {

Output place_call(const TestServer& server, std::vector<std::string> extra = {}) {
    std::vector<std::string> command{"call", "--to", server.sip_uri(), "--json"};
    command.insert(command.end(), extra.begin(), extra.end());
    return server.run(std::move(command));
}

// A call that outlasts the test's patience: something else ends it.
std::unique_ptr<Process> start_long_call(const TestServer& server) {
    const std::vector<std::string> command{earshot_binary(), "call",       "--to",
                                           server.sip_uri(), "--duration", "30"};
    return std::make_unique<Process>(command, server.scratch() / "call.out",
                                     server.scratch() / "call.err");
}

// Waits until the one call has both of its streams.
bool is_in_mid_call(const TestServer& server) {
    return eventually([&] {
        const auto list = server.list();
        return list.is_array() && list.size() == 1 && list[0]["streams"].size() == 2;
    });
}

TEST(Server, MissesTheFolderOfRecordingsOnlyWhereThereWasOne) {
    TestServer server;
    const auto starts_again = [&] {
        EXPECT_EQ(server.stop(), 0);
        EXPECT_TRUE(server.start()) << server.log();
        return server.log().find("no folder recordings") != std::string::npos;
    };
    ASSERT_TRUE(server.start()) << server.log();
    EXPECT_FALSE(starts_again()) << server.log();  // nothing has been recorded yet
    std::filesystem::remove_all(server.data() / "recordings");
    EXPECT_TRUE(starts_again()) << server.log();
}

TEST(Server, RecordsACallOfOurOwnClientOverBothTransports) {
    TestServer server;
    ASSERT_TRUE(server.start()) << server.log();
    for (const char* transport : {"udp", "tcp"}) {
        const Output call =
            server.run({"call", "--to", server.sip_uri(transport), "--duration", "2", "--json"});
        ASSERT_EQ(call.exit_code, 0) << call.out << call.err << server.log();
        const auto sent = nlohmann::json::parse(call.out);
        ASSERT_EQ(sent.size(), 1U);
        EXPECT_EQ(sent[0]["sip_status"], 200);
        EXPECT_EQ(sent[0]["result"], "ok");
    }
    const nlohmann::json recordings = server.wait_for_recordings(2);
    ASSERT_EQ(recordings.size(), 2U);
    for (const auto& recording : recordings) {
        EXPECT_EQ(recording["state"], "complete") << recording;
        for (const auto& stream : recording["streams"]) {
            EXPECT_GE(stream["packets"], 95);
            EXPECT_EQ(stream["lost"], 0);
        }
    }
    // The folder of the one in the place of the other is whole and signed, but not that recording.
    const auto folder_of = [&](const nlohmann::json& recording) {
        const auto shown = nlohmann::json::parse(
            server.run({"show", recording["id"].get<std::string>(), "--json"}).out);
        return server.data() / "recordings" / shown["directory"].get<std::string>();
    };
    const std::string id = recordings[0]["id"];
    EXPECT_EQ(server.run({"verify", id}).exit_code, 0);
    std::filesystem::remove_all(folder_of(recordings[0]));
    std::filesystem::copy(folder_of(recordings[1]), folder_of(recordings[0]),
                          std::filesystem::copy_options::recursive);
    const Output substituted = server.run({"verify", id});
    EXPECT_EQ(substituted.exit_code, 1);
    EXPECT_NE(substituted.out.find("holds the recording"), std::string::npos) << substituted.out;
}

TEST(Server, HoldIsAGapWithItsReasonOnOneTimeline) {
    TestServer server;
    ASSERT_TRUE(server.start()) << server.log();
    const Output call = place_call(server, {"--duration", "5", "--hold-at", "1"});
    ASSERT_EQ(call.exit_code, 0) << call.out << call.err << server.log();
    const nlohmann::json recordings = server.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U);
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0];
    EXPECT_GT(recordings[0]["duration_ms"], 4500);
    std::set<std::string> reasons;
    for (const auto& stream : recordings[0]["streams"]) {
        for (const auto& gap : stream["gaps"]) {
            EXPECT_GT(gap["duration_ms"], 1500) << gap;
            reasons.insert(gap["reason"]);
        }
        EXPECT_EQ(stream["lost"], 0) << stream;
    }
    // Who is held sends nothing by the metadata; the other one's stream is inactive with it.
    EXPECT_EQ(reasons, (std::set<std::string>{"held", "paused"})) << recordings[0];
}

TEST(Server, KillInMidCallLeavesAPartialRecordingOfWhatWasCommitted) {
    TestServer server;
    ASSERT_TRUE(server.start()) << server.log();
    const auto call = start_long_call(server);
    ASSERT_TRUE(is_in_mid_call(server)) << server.log();
    std::this_thread::sleep_for(
        std::chrono::seconds{3});  // some media, that there is something to lose
    server.kill();
    call->signal(SIGKILL);
    ASSERT_TRUE(server.start()) << server.log();
    const nlohmann::json recordings = server.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server.log();
    EXPECT_EQ(recordings[0]["state"], "partial") << recordings[0];
    EXPECT_EQ(recordings[0]["reason"]["code"], "interrupted") << recordings[0];
    for (const auto& stream : recordings[0]["streams"]) EXPECT_GE(stream["packets"], 100) << stream;
    const std::string id = recordings[0]["id"];
    EXPECT_EQ(server.run({"verify", id}).exit_code, 0);
    const auto attempts = server.wait_for_attempts(1);
    ASSERT_EQ(attempts.size(), 1U);
    EXPECT_EQ(attempts[0]["outcome"], "recorded") << attempts;
    const auto wav = server.scratch() / "a.wav";
    const Output exported =
        server.run({"export", id, "--format", "stereo", "-o", wav.string(), "--json"});
    EXPECT_EQ(exported.exit_code, 0);
    EXPECT_EQ(nlohmann::json::parse(exported.out)["bytes"], std::filesystem::file_size(wav));
    EXPECT_EQ(server.stop(), 0);
}

TEST(Server, StopInMidCallEndsItAndStoresIt) {
    TestServer server;
    ASSERT_TRUE(server.start()) << server.log();
    const auto call = start_long_call(server);
    ASSERT_TRUE(is_in_mid_call(server)) << server.log();
    std::this_thread::sleep_for(std::chrono::seconds{1});
    EXPECT_EQ(server.stop(), 0) << server.log();
    EXPECT_LT(call->wait(), 127);  // our BYE ended it, no signal and no missing program
    ASSERT_TRUE(server.start()) << server.log();
    const nlohmann::json recordings = server.list();
    ASSERT_EQ(recordings.size(), 1U);
    EXPECT_EQ(recordings[0]["state"], "partial") << recordings[0];
    EXPECT_EQ(recordings[0]["reason"]["code"], "stopped") << recordings[0];
}

TEST(Server, AKillWithFourCaptureThreadsIsRecoveredByOne) {
    TestServer server;
    ASSERT_TRUE(server.start({}, {"EARSHOT_MEDIA_WORKERS=4"})) << server.log();
    Process calls({earshot_binary(), "call", "--to", server.sip_uri(), "--count", "12", "--rate",
                   "50", "--duration", "20"},
                  server.scratch() / "calls.out", server.scratch() / "calls.err");
    ASSERT_TRUE(eventually([&] {
        const nlohmann::json running = server.list();
        return running.is_array() && running.size() == 12 &&
               std::filesystem::exists(server.data() / "journal" / "3");
    })) << server.log();
    std::this_thread::sleep_for(std::chrono::seconds{1});
    server.kill();
    calls.signal(SIGKILL);
    ASSERT_TRUE(server.start({}, {"EARSHOT_MEDIA_WORKERS=1"})) << server.log();
    const nlohmann::json recordings = server.wait_for_recordings(12);
    ASSERT_EQ(recordings.size(), 12U) << server.log();
    for (const auto& recording : recordings) {
        EXPECT_EQ(recording["state"], "partial") << recording;
        for (const auto& stream : recording["streams"]) EXPECT_GT(stream["packets"], 0) << stream;
    }
}

TEST(Server, MalformedMetadataCostsNoMediaAndIsAnEvent) {
    TestServer server;
    ASSERT_TRUE(server.start()) << server.log();
    const UdpClient client(server.sip_port());
    const std::string body = std::string("--b\nContent-Type: application/sdp\n\n") + kSdp +
                             "\n--b\nContent-Type: application/rs-metadata+xml\n\n"
                             "<recording><session></recording>\n--b--\n";
    client.send(invite(client, "badmeta", "multipart/mixed;boundary=b", body));
    const std::string answer = client.receive();
    EXPECT_EQ(answer.rfind("SIP/2.0 200", 0), 0U) << answer;
    nlohmann::json list;
    ASSERT_TRUE(eventually([&] {
        list = server.list();
        return list.is_array() && list.size() == 1;
    }));
    EXPECT_EQ(server.stop(), 0);
    ASSERT_TRUE(server.start());
    const Output shown = server.run({"export", list[0]["id"], "--format", "json", "-o", "-"});
    EXPECT_NE(shown.out.find("metadata_error"), std::string::npos) << shown.out << shown.err;
}

TEST(Server, MalformedSipIsAnswered400AndTheServerGoesOn) {
    TestServer server;
    ASSERT_TRUE(server.start()) << server.log();
    const UdpClient client(server.sip_port());
    client.send(std::string("\0\1\2 garbage", 12));
    const std::string own = "127.0.0.1:" + std::to_string(client.port());
    client.send(crlf("INVITE sip:recorder@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP " + own +
                     ";branch=z9hG4bKx\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>\nCSeq: 1 INVITE\n\n"));
    const std::string answer = client.receive();
    EXPECT_EQ(answer.rfind("SIP/2.0 400", 0), 0U) << answer;
    EXPECT_NE(answer.find("Call-ID"), std::string::npos) << answer;
    const auto attempts = server.wait_for_attempts(1);
    ASSERT_EQ(attempts.size(), 1U) << attempts;
    EXPECT_EQ(attempts[0]["reason"]["code"], "malformed");
    const Output call = place_call(server, {"--duration", "1"});
    EXPECT_EQ(call.exit_code, 0) << call.out << server.log();
}

TEST(Server, WithoutRoomOnTheDiskNewCallsGet503AndDoctorSaysWhy) {
    TestServer server;
    write_file(server.scratch() / "full.toml", "[storage]\nmin_free_mib = 1000000000\n");
    ASSERT_TRUE(server.start({"--config", (server.scratch() / "full.toml").string()}))
        << server.log();
    Output doctor;
    ASSERT_TRUE(eventually([&] {
        doctor = server.run({"doctor"});
        return doctor.out.find("storage.min_free_mib") != std::string::npos;
    })) << doctor.out
        << doctor.err;
    EXPECT_EQ(doctor.exit_code, 1);
    const Output call = place_call(server, {"--duration", "1"});
    EXPECT_EQ(call.exit_code, 1);
    EXPECT_EQ(nlohmann::json::parse(call.out)[0]["sip_status"], 503) << call.out;
    const auto rows = server.wait_for_attempts(1);
    ASSERT_EQ(rows.size(), 1U) << rows;
    EXPECT_EQ(rows[0]["outcome"], "refused");
    EXPECT_EQ(rows[0]["reason"]["code"], "storage_full");
}

TEST(Server, DoctorListsWhatEachClientSendsWronglyAndWhatWasDone) {
    TestServer server;
    write_file(server.scratch() / "peers.toml",
               "[[peer]]\nname = \"lab\"\naddresses = [\"127.0.0.1\"]\n");
    ASSERT_TRUE(server.start({"--config", (server.scratch() / "peers.toml").string()}))
        << server.log();
    const UdpClient client(server.sip_port());
    std::string unlabelled = kSdp;
    unlabelled.erase(unlabelled.find("a=label:1\n"));
    client.send(invite(client, "nolabel", "application/sdp", unlabelled));
    EXPECT_EQ(client.receive().rfind("SIP/2.0 200", 0), 0U);
    nlohmann::json clients;
    ASSERT_TRUE(eventually([&] {
        const Output doctor = server.run({"doctor", "--json"});
        clients = nlohmann::json::parse(doctor.out, nullptr, false)["clients"];
        return clients.is_array() && clients.size() == 1 && clients[0]["faults"].size() == 1;
    })) << clients;
    EXPECT_EQ(clients[0]["peer"], "lab");
    EXPECT_EQ(clients[0]["calls"], 1);
    EXPECT_EQ(clients[0]["faults"][0]["code"], "no_label");
    EXPECT_EQ(clients[0]["faults"][0]["count"], 1);
    const Output table = server.run({"doctor"});
    EXPECT_NE(table.out.find("a media line has no a=label"), std::string::npos) << table.out;
    EXPECT_NE(table.out.find("known by its index"), std::string::npos) << table.out;
}

TEST(Server, SecondOneOnTheSameDataIsRefusedWithTheFirstOnesPid) {
    TestServer server;
    ASSERT_TRUE(server.start()) << server.log();
    const Output second = run_command({earshot_binary(), "server", "--data", server.data().string(),
                                       "--sip", "127.0.0.1:0", "--http", "127.0.0.1:0"});
    EXPECT_EQ(second.exit_code, 1);
    EXPECT_NE(second.err.find(std::to_string(server.process().pid())), std::string::npos)
        << second.err;
}

TEST(Server, ConfigurationMistakeStopsTheStartWithFileLineKeyAndSuggestion) {
    const TemporaryDirectory directory;
    const auto file = directory.path() / "earshot.toml";
    write_file(file, "[sip]\nlistne = \"127.0.0.1:5060\"\n");
    const Output started = run_command({earshot_binary(), "server", "--config", file.string(),
                                        "--data", (directory.path() / "data").string()});
    EXPECT_EQ(started.exit_code, 2);
    EXPECT_NE(
        started.err.find(file.string() + ":2: sip.listne: unknown key (did you mean \"listen\"?)"),
        std::string::npos)
        << started.err;
    EXPECT_EQ(run_command({earshot_binary(), "config", "check", file.string()}).exit_code, 1);
    const Output told = run_command({earshot_binary(), "config", "check", "--json", file.string()});
    EXPECT_EQ(told.exit_code, 1);
    const auto mistake = nlohmann::json::parse(told.out, nullptr, false);
    EXPECT_EQ(mistake["ok"], false);
    EXPECT_EQ(mistake["error"]["line"], 2);
    EXPECT_EQ(mistake["error"]["key"], "sip.listne");
}

TEST(Server, ReloadAppliesTheNewFileOrNothing) {
    TestServer server;
    const auto file = server.scratch() / "earshot.toml";
    write_file(file, "[log]\nlevel = \"info\"\n");
    ASSERT_TRUE(server.start({"--config", file.string()})) << server.log();
    write_file(file, "[sip]\nmax_calls = 0\n");
    server.process().signal(SIGHUP);
    ASSERT_TRUE(eventually([&] { return server.log().find("not reloaded") != std::string::npos; }))
        << server.log();
    // The reason is in the line itself, for who reads the log by machine, and in doctor.
    const auto line_with = [&](const std::string& text) {
        std::istringstream lines(server.log());
        for (std::string line; std::getline(lines, line);)
            if (line.find(text) != std::string::npos) return nlohmann::json::parse(line);
        return nlohmann::json();
    };
    EXPECT_NE(line_with("not reloaded")["reason"].get<std::string>().find("sip.max_calls: "),
              std::string::npos)
        << server.log();
    EXPECT_TRUE(eventually(
        [&] { return server.run({"doctor"}).out.find("was not reloaded") != std::string::npos; }));
    write_file(file,
               "[storage]\nlinger_ms = 500\ntoo_short_ms = 5\n"
               "[[peer]]\nname = \"sbc\"\naddresses = [\"192.0.2.1\"]\n");
    server.process().signal(SIGHUP);
    ASSERT_TRUE(eventually(
        [&] { return server.log().find("configuration reloaded") != std::string::npos; }));
    EXPECT_EQ(line_with("configuration reloaded")["keys"], "storage.too_short_ms") << server.log();
    const Output call = place_call(server, {"--duration", "1"});
    EXPECT_EQ(nlohmann::json::parse(call.out)[0]["sip_status"], 403) << call.out;
}

TEST(Server, NoRunningCallNoticesAReload) {
    TestServer server;
    const auto file = server.scratch() / "earshot.toml";
    write_file(file, "[log]\nlevel = \"info\"\n");
    ASSERT_TRUE(server.start({"--config", file.string()})) << server.log();
    auto running = std::async(std::launch::async, [&] {
        return place_call(server, {"--duration", "4"});
    });
    ASSERT_TRUE(eventually([&] { return server.list().size() == 1; })) << server.log();
    // Not even one that would turn its client away and leaves no room for another.
    write_file(file,
               "[sip]\nmax_calls = 1\nstrict = true\n"
               "[[peer]]\nname = \"sbc\"\naddresses = [\"192.0.2.1\"]\n");
    server.process().signal(SIGHUP);
    ASSERT_TRUE(eventually(
        [&] { return server.log().find("configuration reloaded") != std::string::npos; }));
    const Output call = running.get();
    EXPECT_EQ(call.exit_code, 0) << call.out << call.err << server.log();
    const nlohmann::json recordings = server.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U);
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings;
    for (const auto& stream : recordings[0]["streams"]) {
        EXPECT_EQ(stream["packets"], 200);
        EXPECT_EQ(stream["lost"], 0);
    }
}

TEST(CommandLine, ExitCodesAreThoseOfTheContract) {
    TestServer server;
    EXPECT_EQ(server.run({"ls"}).exit_code, 4);  // no server yet
    ASSERT_TRUE(server.start()) << server.log();
    EXPECT_EQ(server.run({"ls"}).exit_code, 0);
    EXPECT_EQ(server.run({"ls", "--nonsense"}).exit_code, 2);
    EXPECT_EQ(server.run({"ls", "several", "words"}).exit_code, 0);
    const Output unknown = server.run({"foo", "--json"});
    EXPECT_EQ(unknown.exit_code, 2);
    EXPECT_NE(unknown.err.find("\"foo\""), std::string::npos) << unknown.err;
    EXPECT_EQ(server.run({"show", "01234567-0000-7000-8000-000000000000"}).exit_code, 3);
    EXPECT_EQ(run_command({earshot_binary(), "ls", "--url",
                           "http://127.0.0.1:" + std::to_string(server.http_port())},
                          {"EARSHOT_TOKEN=wrong"})
                  .exit_code,
              5);
}

}  // namespace
}  // namespace earshot::integration
