// The phones of `earshot call`: with each other, with sipp and with baresip, by the real binary in
// a network namespace of its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "audio/wav.h"
#include "integration/harness.h"
#include "integration/own_network.h"

namespace earshot::integration {
namespace {

using nlohmann::json;

// `earshot call ARGUMENTS --json`, read.
struct Outcome {
    int exit_code = -1;
    json report;
    std::string text;

    const json& call(std::size_t index = 0) const { return report["calls"][index]; }
};

Outcome run_phones(std::vector<std::string> arguments) {
    std::vector<std::string> command{earshot_binary(), "call", "--json"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Output output = run_command(command);
    return {output.exit_code, json::parse(output.out, nullptr, false), output.out + output.err};
}

class Phones : public testing::Test {
protected:
    std::string path(const std::string& name) const { return (directory_.path() / name).string(); }
    // Starts `earshot call --answer`; its URI once it listens.
    std::string answer(std::vector<std::string> arguments = {}) {
        std::vector<std::string> command{earshot_binary(), "call", "--answer", "--json"};
        command.insert(command.end(), arguments.begin(), arguments.end());
        callee_ = std::make_unique<Process>(command, path("answer.json"), path("answer.err"));
        std::string uri;
        EXPECT_TRUE(eventually([&] {
            const std::string text = read_file(path("answer.err"));
            const std::size_t at = text.find("sip:");
            const std::size_t end = at == std::string::npos ? at : text.find('\n', at);
            if (end != std::string::npos) uri = text.substr(at, end - at);
            return !uri.empty();
        }));
        return uri;
    }
    // What the answering phone says of its only call, after that.
    json answered() {
        EXPECT_EQ(callee_->wait(), 0) << read_file(path("answer.json"));
        return json::parse(read_file(path("answer.json")), nullptr, false)["calls"][0]["b"];
    }

    TemporaryDirectory directory_;
    std::unique_ptr<Process> callee_;
};

class PhonesOver : public Phones, public testing::WithParamInterface<const char*> {};

TEST_P(PhonesOver, HearEachOthersEveryPacketInManyCallsAtOnce) {
    const Outcome run = run_phones({"--phones", "--transport", GetParam(), "--count", "40",
                                    "--rate", "40", "--duration", "1", "--keyed-payload"});
    ASSERT_EQ(run.exit_code, 0) << run.text;
    const json& summary = run.report["summary"];
    EXPECT_EQ(summary["results"], json({{"ok", 40}}));
    EXPECT_GE(summary["packets"]["sent"], 40 * 2 * 45);
    EXPECT_EQ(summary["packets"]["heard"], summary["packets"]["sent"]);
    EXPECT_EQ(summary["packets"]["unheard"], 0);
    EXPECT_EQ(summary["packets"]["strays"], 0);
    EXPECT_GT(summary["answered_ms"]["p99"], 0);
    EXPECT_GT(summary["delay_ms"]["p99"], 0);
    for (const json& call : run.report["calls"]) {
        EXPECT_EQ(call["a"]["sources"], 1) << call;
        EXPECT_EQ(call["b"]["sources"], 1) << call;
    }
}

INSTANTIATE_TEST_SUITE_P(Transports, PhonesOver, testing::Values("udp", "tcp"),
                         [](const auto& transport) { return std::string{transport.param}; });

TEST_F(Phones, EarlyMediaIsHeardBeforeTheAnswer) {
    const Outcome run =
        run_phones({"--phones", "--early", "--ring", "0.6", "--reliable", "--duration", "0.5"});
    ASSERT_EQ(run.exit_code, 0) << run.text;
    const json& a = run.call()["a"];
    EXPECT_LT(a["ringing_ms"], 600) << run.text;
    EXPECT_GE(a["answered_ms"], 600) << run.text;
    EXPECT_LT(a["first_packet_ms"], a["answered_ms"]) << run.text;
}

TEST_F(Phones, DigitsAreHeardByRtpAndByInfo) {
    const Outcome by_rtp = run_phones({"--phones", "--dtmf", "42#", "--duration", "2"});
    ASSERT_EQ(by_rtp.exit_code, 0) << by_rtp.text;
    EXPECT_EQ(by_rtp.call()["b"]["digits"], "42#");
    const Outcome by_info = run_phones({"--phones", "--dtmf-info", "19", "--duration", "1"});
    ASSERT_EQ(by_info.exit_code, 0) << by_info.text;
    EXPECT_EQ(by_info.call()["b"]["info_digits"], "19");
}

TEST_F(Phones, ARefusedAndACancelledCallAreToldAsSuch) {
    const Outcome refused = run_phones({"--phones", "--reject", "486"});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_EQ(refused.call()["result"], "refused");
    EXPECT_EQ(refused.call()["sip_status"], 486);
    const Outcome cancelled = run_phones({"--phones", "--ring", "20", "--give-up", "0.3"});
    EXPECT_EQ(cancelled.exit_code, 1);
    EXPECT_EQ(cancelled.call()["result"], "cancelled");
    EXPECT_EQ(cancelled.call()["b"]["result"], "cancelled");
}

TEST_F(Phones, ALateOfferAndAHoldWork) {
    const Outcome run =
        run_phones({"--phones", "--late-offer", "--hold-at", "0.2", "--duration", "2.6"});
    ASSERT_EQ(run.exit_code, 0) << run.text;
    EXPECT_EQ(run.call()["unheard"], json({{"of_a", 0}, {"of_b", 0}}));
    EXPECT_LT(run.call()["b"]["sent"], 60) << "2 s of hold: " << run.text;
    EXPECT_GT(run.call()["a"]["sent"], 100) << run.text;
}

TEST_F(Phones, ACallGoesThroughWhatIsNamed) {
    const Outcome run = run_phones(
        {"--through", "127.0.0.1:15070", "--sip-b", "127.0.0.1:15070", "--duration", "0.3"});
    EXPECT_EQ(run.exit_code, 0) << run.text;
    const Outcome nobody = run_phones({"--through", "127.0.0.1:15071", "--transport", "tcp"});
    EXPECT_EQ(nobody.exit_code, 1);
    EXPECT_EQ(nobody.call()["reason"]["code"], "cannot_send") << nobody.text;
}

TEST_F(Phones, WhatWasHeardIsKept) {
    const Outcome run = run_phones(
        {"--phones", "--duration", "1", "--heard-a", path("a.wav"), "--heard-b", path("b.wav")});
    ASSERT_EQ(run.exit_code, 0) << run.text;
    for (const char* name : {"a.wav", "b.wav"}) {
        const std::string file = read_file(path(name));
        const auto wav = audio::parse_wav(base::as_bytes(file));
        ASSERT_TRUE(wav) << name;
        EXPECT_GE(wav->samples.size(), 45 * 160U);
        EXPECT_GT(*std::max_element(wav->samples.begin(), wav->samples.end()), 8000) << name;
    }
}

TEST_F(Phones, OptionsOfTheOtherKindOfCallAreRefused) {
    EXPECT_EQ(run_phones({"--to", "sip:rec@127.0.0.1", "--early"}).exit_code, 2);
    EXPECT_EQ(run_phones({"--phones", "--group", "x"}).exit_code, 2);
    EXPECT_EQ(run_phones({"--phones", "--dtmf", "4x"}).exit_code, 2);
    EXPECT_EQ(run_phones({"--phones", "--header", "nothing"}).exit_code, 2);
    EXPECT_EQ(run_phones({}).exit_code, 2);
}

TEST_F(Phones, SippAnswersAndEchoes) {
    const Process sipp({"sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", "15080", "-mi", "127.0.0.1",
                        "-mp", "16000", "-rtp_echo", "-m", "1", "-nostdin"},
                       path("sipp.out"), path("sipp.err"));
    const Outcome run =
        run_phones({"--phones", "--to", "sip:sipp@127.0.0.1:15080", "--duration", "1"});
    ASSERT_EQ(run.exit_code, 0) << run.text;
    const json& a = run.call()["a"];
    EXPECT_EQ(a["heard"], a["sent"]) << run.text;
    EXPECT_EQ(a["lost"], 0) << run.text;
}

TEST_F(Phones, SippCallsAndHangsUp) {
    const std::string uri = answer();
    const Output sipp =
        run_command({"sipp", "-sn", "uac", uri.substr(uri.find('@') + 1), "-i", "127.0.0.1", "-m",
                     "1", "-d", "500", "-timeout", "20s", "-timeout_error", "-nostdin"});
    EXPECT_EQ(sipp.exit_code, 0) << sipp.out;
    EXPECT_GE(answered()["sent"], 20);
}

TEST_F(Phones, P24_P25_P26_P46_P49_ACallerShowsEachChangeOfTheRecording) {
    const std::vector<std::string> call{"--phones",    "--to", "sip:sipp@127.0.0.1:15080",
                                        "--duration",  "1",    "--recordpref",
                                        "nopreference"};
    const auto sipp = [this] {
        return std::make_unique<Process>(
            std::vector<std::string>{"sipp", "-sf", scenario("recorded_phone.xml"), "-i",
                                     "127.0.0.1", "-p", "15080", "-m", "1", "-timeout", "20s",
                                     "-timeout_error", "-nostdin"},
            path("sipp.out"), path("sipp.err"));
    };
    auto peer = sipp();
    const Outcome run = run_phones(call);
    ASSERT_EQ(run.exit_code, 0) << run.text;
    EXPECT_EQ(peer->wait(), 0) << read_file(path("sipp.out"));
    const json& a = run.call()["a"];
    ASSERT_EQ(a["record_changes"].size(), 3U) << run.text;
    EXPECT_EQ(a["record_changes"][0]["state"], "on");
    EXPECT_EQ(a["record_changes"][1]["state"], "paused");
    EXPECT_EQ(a["record_changes"][2]["state"], "off");
    EXPECT_EQ(a["record_changes"][2]["media"], "audio");
    EXPECT_EQ(a["record"], json({"off"}));

    peer = sipp();
    std::vector<std::string> command{earshot_binary(), "call"};
    command.insert(command.end(), call.begin(), call.end());
    const Output shown = run_command(command);
    EXPECT_NE(shown.out.find("A  audio (line 1): recording on"), std::string::npos) << shown.out;
    EXPECT_NE(shown.out.find("recording paused"), std::string::npos) << shown.out;
    EXPECT_NE(shown.out.find("recording off"), std::string::npos) << shown.out;
}

TEST_F(Phones, P81_ACallerRecordsItselfAndTellsTheCallee) {
    TestServer server;
    ASSERT_TRUE(server.start()) << server.log();
    const Outcome run = run_phones(
        {"--phones", "--duration", "2", "--dtmf", "42", "--record-to", server.sip_uri()});
    ASSERT_EQ(run.exit_code, 0) << run.text << server.log();
    const json& a = run.call()["a"];
    EXPECT_EQ(a["recording"]["was_started"], true) << run.text;
    EXPECT_EQ(run.call()["b"]["record"], json({"on"})) << run.text;

    const json recordings = server.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << server.log();
    const json& recording = recordings[0];
    EXPECT_EQ(recording["state"], "complete") << recording;
    EXPECT_EQ(recording["session_ids"], json({a["recording"]["session_id"]}));
    ASSERT_EQ(recording["participants"].size(), 2U) << recording;
    EXPECT_EQ(recording["participants"][0]["name"], "Ada");
    EXPECT_EQ(recording["participants"][1]["aor"], "sip:bo@example.test");
    ASSERT_EQ(recording["streams"].size(), 2U) << recording;
    std::uint64_t stored = 0;
    for (const json& stream : recording["streams"]) {
        stored += stream["packets"].get<std::uint64_t>();
        EXPECT_EQ(stream["lost"], 0) << recording;
        EXPECT_GE(stream["packets"], 90) << recording;
    }
    EXPECT_EQ(stored, a["recording"]["sent"]) << recording;
    const std::string events = server.run({"show", recording["id"]}).out;
    EXPECT_NE(events.find("dtmf"), std::string::npos) << events;
    EXPECT_EQ(server.stop(), 0);
}

// Debian's baresip, which does not work on 127.0.0.1; what it hears it sends back.
class Baresip : public Phones {
protected:
    void SetUp() override {
        if (!test::has_own_network()) GTEST_SKIP() << "A network namespace of its own takes root.";
        if (run_command({"ip", "addr", "replace", "192.0.2.1/32", "dev", "lo"}).exit_code != 0)
            GTEST_SKIP() << "ip (iproute2) is missing.";
        write_wav(path("said.wav"));
        configure("aubridge,loop");
    }
    // Its audio source; what it hears it says, when that is aubridge's.
    void configure(const std::string& source, const std::string& encryption = {}) const {
        write_file(path("config"),
                   "sip_listen 192.0.2.1:15090\nnet_interface lo\n"
                   "module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aubridge.so\n"
                   "module aufile.so\nmodule srtp.so\n"
                   "module_tmp account.so\nmodule_app menu.so\n"
                   "audio_player aubridge,loop\naudio_source " +
                       source +
                       "\n"
                       "audio_alert aubridge,alert\nrtp_ports 30000-30999\n");
        write_file(path("accounts"), "<sip:bare@192.0.2.1:15090>;regint=0;answermode=auto" +
                                         (encryption.empty() ? "" : ";mediaenc=" + encryption) +
                                         "\n");
        write_file(path("contacts"), "");
    }
    static void write_wav(const std::string& file) {
        std::vector<std::int16_t> samples(5 * 8000);
        for (std::size_t i = 0; i < samples.size(); ++i)
            samples[i] = i / 8 % 2 == 0 ? 10'000 : -10'000;
        base::Bytes bytes = audio::make_wav_header({}, samples.size());
        audio::append_samples(samples, bytes);
        write_file(file, base::as_text(bytes));
    }
    std::unique_ptr<Process> start(const std::string& command = {}) {
        std::vector<std::string> arguments{"baresip", "-f", directory_.path().string(), "-v"};
        if (!command.empty()) arguments.insert(arguments.end(), {"-e", command});
        auto process = std::make_unique<Process>(arguments, path("bare.out"), path("bare.err"));
        EXPECT_TRUE(eventually([&] { return log().find("is ready") != std::string::npos; }))
            << log();
        return process;
    }
    std::string log() const { return read_file(path("bare.out")) + read_file(path("bare.err")); }
};

TEST_F(Baresip, AnswersEchoesIsHeldAndHearsDigits) {
    const auto baresip = start();
    const Outcome run =
        run_phones({"--phones", "--to", "sip:bare@192.0.2.1:15090", "--duration", "4", "--dtmf",
                    "42", "--hold-at", "1.5", "--heard-a", path("a.wav")});
    ASSERT_EQ(run.exit_code, 0) << run.text << log();
    const json& a = run.call()["a"];
    EXPECT_GE(a["sent"], 190) << run.text;
    EXPECT_GE(a["heard"], 50) << run.text;
    EXPECT_LE(a["heard"], 150) << "2 s of 4 are held: " << run.text;
    EXPECT_NE(log().find("received event: '4'"), std::string::npos) << log();
    EXPECT_NE(log().find("received event: '2'"), std::string::npos) << log();
    const std::string file = read_file(path("a.wav"));
    const auto wav = audio::parse_wav(base::as_bytes(file));
    ASSERT_TRUE(wav);
    EXPECT_GT(*std::max_element(wav->samples.begin(), wav->samples.end()), 8000);
}

TEST_F(Baresip, IsTransferredToAThirdPhone) {
    const std::string uri = answer({"--sip-b", "192.0.2.1:15070", "--duration", "1"});
    const auto baresip = start();
    const Outcome run = run_phones(
        {"--phones", "--to", "sip:bare@192.0.2.1:15090", "--duration", "2", "--transfer", uri});
    EXPECT_EQ(run.exit_code, 0) << run.text << log();
    EXPECT_EQ(answered()["result"], "ok") << log();
}

TEST_F(Baresip, CallsAndIsAnswered) {
    const std::string uri = answer({"--sip-b", "192.0.2.1:15070", "--duration", "2"});
    configure("aufile," + path("said.wav"));  // its bridge does not run in a call of its own
    const auto baresip = start("/dial " + uri);
    const json b = answered();
    EXPECT_EQ(b["result"], "ok") << b << log();
    EXPECT_GE(b["heard"], 50) << b << log();
    EXPECT_GE(b["sent"], 90) << b << log();
}

// A client whose SRTP is not ours (libre's), with keys in SDP.
TEST_F(Baresip, P127_P128_IsRecordedUnderItsOwnSrtpKeys) {
    for (const char* profile : {"srtp-mand", "srtp-mandf"}) {  // RTP/SAVP, RTP/SAVPF
        TestServer server;
        server.listen_at("192.0.2.1");
        write_file(path("earshot.toml"),
                   "[[peer]]\nname = \"phone\"\naddresses = [\"192.0.2.1\"]\n"
                   "records_unmarked = true\n");
        ASSERT_TRUE(server.start({"--config", path("earshot.toml")})) << server.log();
        configure("aufile," + path("said.wav"), profile);
        const auto baresip = start("/dial " + server.sip_uri("udp", "192.0.2.1"));
        const auto packets = [&] {
            const json list = server.list();
            return list.empty() ? 0 : list[0]["streams"][0].value("packets", 0);
        };
        EXPECT_TRUE(eventually([&] { return packets() >= 50; })) << log();
        baresip->signal(SIGTERM);
        baresip->wait();
        const json list = server.wait_for_recordings(1);
        ASSERT_EQ(list.size(), 1U) << log();
        EXPECT_NE(list[0]["streams"][0].value("suite", ""), "") << list;
        const auto wav = (server.scratch() / "said.wav").string();
        ASSERT_EQ(server.run({"export", list[0]["id"], "--format", "stereo", "-o", wav}).exit_code,
                  0);
        const std::string file = read_file(wav);
        const auto heard = audio::parse_wav(base::as_bytes(file));
        ASSERT_TRUE(heard);
        EXPECT_GT(*std::max_element(heard->samples.begin(), heard->samples.end()), 8000);
        EXPECT_LT(*std::max_element(heard->samples.begin(), heard->samples.end()), 12'000);
    }
}

}  // namespace
}  // namespace earshot::integration
