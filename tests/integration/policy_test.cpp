// The server decides: rules and the decision hook, with the real binary, real calls and a real HTTP
// server that answers late, wrongly or not at all.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "http/client.h"
#include "integration/fake_hook.h"
#include "integration/harness.h"
#include "integration/udp_client.h"

namespace earshot::integration {
namespace {

using nlohmann::json;

class Policy : public testing::Test {
protected:
    void start(const std::string& config) {
        write_file(file(), config);
        ASSERT_TRUE(server_.start({"--config", file()})) << server_.log();
    }
    std::string file() const { return (server_.scratch() / "earshot.toml").string(); }
    static std::string ask(const std::string& url, const std::string& rest = {}) {
        return "[decision]\nurl = \"" + url + "\"\n" + rest;
    }
    json place_call(const std::string& duration = "1") {
        const Output call =
            server_.run({"call", "--to", server_.sip_uri(), "--duration", duration, "--json"});
        const json calls = json::parse(call.out, nullptr, false);
        EXPECT_TRUE(calls.is_array() && calls.size() == 1) << call.out << call.err;
        return calls.is_array() && !calls.empty() ? calls[0] : json{};
    }
    // Of the newest recording, once it is stored.
    std::vector<json> events(const std::string& type) {
        const json list = server_.wait_for_recordings(1);
        std::vector<json> found;
        if (list.empty()) return found;
        const Output shown = server_.run({"export", list[0]["id"], "--format", "json", "-o", "-"});
        const json all = json::parse(shown.out, nullptr, false);
        for (const json& event : all.value("events", json::array()))
            if (event.value("type", "") == type) found.push_back(event);
        return found;
    }

    TestServer server_;
};

TEST_F(Policy, ARuleDeclinesWithItsCodeAndTheRowNamesIt) {
    start(
        "[[rule]]\nname = \"nobody\"\nparticipant = \"*\"\naction = \"decline\"\n"
        "code = 488\nreason = \"Not Recorded\"\n");
    EXPECT_EQ(place_call()["sip_status"], 488);
    const json rows = server_.wait_for_attempts(1);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0]["outcome"], "declined") << rows;
    EXPECT_EQ(rows[0]["sip_status"], 488);
    EXPECT_EQ(rows[0]["reason"]["code"], "declined_by_rule");
    EXPECT_NE(rows[0]["reason"]["text"].get<std::string>().find("\"nobody\""), std::string::npos);
    EXPECT_EQ(rows[0]["recording_id"], nullptr);
    EXPECT_TRUE(server_.list().empty());
}

TEST_F(Policy, ReloadSwapsRulesAndTheRunningCallGoesOn) {
    start("[[rule]]\nname = \"all\"\n");
    const std::vector<std::string> command{earshot_binary(), "call", "--to",  server_.sip_uri(),
                                           "--duration",     "3",    "--json"};
    Process running(command, server_.scratch() / "call.out", server_.scratch() / "call.err");
    ASSERT_TRUE(eventually([&] { return server_.list().size() == 1; })) << server_.log();
    write_file(file(), "[[rule]]\nname = \"none\"\naction = \"decline\"\n");
    server_.process().signal(SIGHUP);
    ASSERT_TRUE(eventually(
        [&] { return server_.log().find("configuration reloaded") != std::string::npos; }));
    EXPECT_EQ(place_call()["sip_status"], 603);
    EXPECT_EQ(running.wait(), 0) << read_file(server_.scratch() / "call.out");
    const json rows = server_.wait_for_attempts(2);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0]["outcome"], "declined");
    EXPECT_EQ(rows[1]["outcome"], "recorded");
    const auto decisions = events("policy_decision");
    ASSERT_EQ(decisions.size(), 1U);
    EXPECT_EQ(decisions[0]["rule"], "all");
    EXPECT_EQ(decisions[0]["action"], "record");
}

TEST_F(Policy, SingleStreamsAreDeclinedAndTheRestIsRecorded) {
    start("[[rule]]\nname = \"one\"\naction = \"streams\"\nstreams = [{ label = \"2\" }]\n");
    const UdpClient client(server_.sip_port());
    client.send(invite(client, "streams", "application/sdp",
                       std::string(kSdp) + "m=audio 40002 RTP/AVP 0\na=sendonly\na=label:2\n"));
    const std::string answer = client.receive();
    EXPECT_EQ(answer.rfind("SIP/2.0 200", 0), 0U) << answer;
    EXPECT_NE(answer.find("m=audio 0 RTP/AVP 0\r\na=label:2"), std::string::npos) << answer;
}

TEST_F(Policy, InactiveNowIsRecordedLaterOnOneTimeline) {
    start("[[rule]]\nname = \"later\"\naction = \"inactive\"\nrecord_after_s = 1\n");
    EXPECT_EQ(place_call("4")["sip_status"], 200);
    const json list = server_.wait_for_recordings(1);
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list[0]["state"], "complete") << list[0] << server_.log();
    for (const json& stream : list[0]["streams"]) {
        EXPECT_GT(stream["packets"], 50) << stream;
        EXPECT_EQ(stream["lost"], 0) << stream;
        ASSERT_FALSE(stream["gaps"].empty());
        EXPECT_EQ(stream["gaps"][0]["reason"], "paused");
        EXPECT_GE(stream["gaps"][0]["duration_ms"], 900);
    }
    EXPECT_EQ(events("media_offered").size(), 1U);
}

TEST_F(Policy, InactiveUntilTheOperatorSaysSo) {
    start("[[rule]]\nname = \"wait\"\naction = \"inactive\"\n");
    const UdpClient client(server_.sip_port());
    client.send(invite(client, "wait", "application/sdp", kSdp));
    const std::string answer = client.receive();
    EXPECT_NE(answer.find("a=inactive"), std::string::npos) << answer;
    client.send(in_dialog(client, answer, "ACK", 1));
    const json access = json::parse(read_file(server_.data() / "cli.json"));
    const auto request = [&](const std::string& method, const std::string& path) {
        const auto reply = http::fetch(
            {.method = method,
             .url = access["url"].get<std::string>() + "/api/v1" + path,
             .headers = {{"Authorization", "Bearer " + access["token"].get<std::string>()}}});
        return reply ? *reply : http::Reply{};
    };
    json live;
    ASSERT_TRUE(eventually([&] {
        live = json::parse(request("GET", "/live").body, nullptr, false);
        return live.is_object() && live["calls"].size() == 1;
    }));
    EXPECT_EQ(live["calls"][0]["withheld"], true) << live;
    const std::string id = live["calls"][0]["id"];
    EXPECT_EQ(request("POST", "/recordings/" + id + "/resume").status, 202);
    const std::string offer = client.receive();
    EXPECT_EQ(offer.rfind("INVITE ", 0), 0U) << offer;
    EXPECT_NE(offer.find("a=recvonly"), std::string::npos) << offer;
    EXPECT_EQ(request("POST", "/recordings/00000000-0000-7000-8000-000000000000/resume").status,
              409);
}

TEST_F(Policy, TheHookIsAskedWithTheFactsAndItsAnswerHolds) {
    FakeHook hook(says(R"({"action":"decline","code":480,"reason":"Not today"})"));
    start(ask(hook.url()));
    EXPECT_EQ(place_call()["sip_status"], 480);
    const json question = hook.question();
    EXPECT_EQ(question["participants"].size(), 2U) << question;
    EXPECT_EQ(question["streams"].size(), 2U);
    EXPECT_EQ(question["streams"][0]["medium"], "audio");
    const json rows = server_.wait_for_attempts(1);
    EXPECT_EQ(rows[0]["outcome"], "declined");
    EXPECT_EQ(rows[0]["reason"]["code"], "declined_by_hook");
    EXPECT_NE(rows[0]["reason"]["text"].get<std::string>().find("Not today"), std::string::npos);
}

TEST_F(Policy, TheHookIsNotAskedWhereARuleHolds) {
    FakeHook hook(says(R"({"action":"decline"})"));
    start("[[rule]]\nname = \"all\"\n" + ask(hook.url()));
    EXPECT_EQ(place_call()["sip_status"], 200);
    EXPECT_EQ(hook.questions(), 0);
}

TEST_F(Policy, ASlowHookHoldsUpNobodyElseAndTheDeadlineRecords) {
    std::atomic<bool> is_slow{true};
    FakeHook hook([&] {
        if (is_slow.exchange(false)) std::this_thread::sleep_for(std::chrono::seconds{3});
        return http::make_response(200, "application/json", R"({"action":"record"})");
    });
    start(ask(hook.url(), "deadline_ms = 1500\n"));
    const UdpClient slow(server_.sip_port());
    slow.send(invite(slow, "slow", "application/sdp", kSdp));
    ASSERT_TRUE(eventually([&] { return hook.questions() == 1; }));
    const UdpClient quick(server_.sip_port());
    quick.send(invite(quick, "quick", "application/sdp", kSdp));
    EXPECT_EQ(quick.receive(1400).rfind("SIP/2.0 200", 0), 0U) << server_.log();
    EXPECT_EQ(slow.receive(0), "");  // still waiting: its 200 needs the decision
    EXPECT_EQ(slow.receive().rfind("SIP/2.0 200", 0), 0U) << server_.log();
    EXPECT_NE(server_.log().find("did not answer in time"), std::string::npos) << server_.log();
}

TEST_F(Policy, WhatIsNoDecisionIsRecordedOrDeclinedAsConfigured) {
    const struct {
        const char* what;
        FakeHook::Answer answer;
    } table[] = {{"5xx", says("{}", 500)},
                 {"garbage", says("<html>")},
                 {"an unknown action", says(R"({"action":"maybe"})")},
                 {"too large", says(std::string(100'000, ' ') + R"({"action":"record"})")}};
    for (const auto& row : table) {
        FakeHook hook(row.answer);
        for (const bool records : {true, false}) {
            TestServer server;
            const std::string path = (server.scratch() / "earshot.toml").string();
            write_file(path, ask(hook.url(), records ? "" : "on_failure = \"decline\"\n"));
            ASSERT_TRUE(server.start({"--config", path})) << server.log();
            const UdpClient client(server.sip_port());
            client.send(invite(client, "x", "application/sdp", kSdp));
            const std::string answer = client.receive();
            EXPECT_EQ(answer.rfind(records ? "SIP/2.0 200" : "SIP/2.0 603", 0), 0U)
                << row.what << answer << server.log();
            if (records) continue;
            const json rows = server.wait_for_attempts(1);
            ASSERT_EQ(rows.size(), 1U) << rows;
            EXPECT_EQ(rows[0]["reason"]["code"], "declined_without_decision") << rows;
        }
    }
}

TEST_F(Policy, ADeadHookFailsOpenWithAnEventOnTheRecording) {
    std::string url;
    { url = FakeHook(says("{}")).url(); }  // nobody listens there any more
    start(ask(url));
    EXPECT_EQ(place_call()["sip_status"], 200);
    const auto decisions = events("policy_decision");
    ASSERT_EQ(decisions.size(), 1U) << server_.log();
    EXPECT_EQ(decisions[0]["by"], "failure");
    EXPECT_EQ(decisions[0]["action"], "record");
    EXPECT_NE(decisions[0]["text"].get<std::string>().find("No server answers"), std::string::npos);
}

TEST_F(Policy, CancelWhileTheHookThinksEndsTheAttempt) {
    FakeHook hook([] {
        std::this_thread::sleep_for(std::chrono::seconds{1});
        return http::make_response(200, "application/json", R"({"action":"record"})");
    });
    start(ask(hook.url(), "deadline_ms = 5000\n"));
    const UdpClient client(server_.sip_port());
    std::string request = invite(client, "cancelled", "application/sdp", kSdp);
    client.send(request);
    ASSERT_TRUE(eventually([&] { return hook.questions() == 1; }));
    const std::string own = "127.0.0.1:" + std::to_string(client.port());
    client.send(crlf("CANCEL sip:recorder@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP " + own +
                     ";branch=z9hG4bKcancelled\nMax-Forwards: 70\nFrom: <sip:client@" + own +
                     ">;tag=acancelled\nTo: <sip:recorder@127.0.0.1>\nCall-ID: cancelled\n"
                     "CSeq: 1 CANCEL\nContent-Length: 0\n\n"));
    std::string answers = client.receive();
    answers += client.receive();
    EXPECT_NE(answers.find("SIP/2.0 487"), std::string::npos) << answers;
    const json rows = server_.wait_for_attempts(1);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0]["outcome"], "cancelled") << rows;
    EXPECT_TRUE(server_.list().empty());
    EXPECT_EQ(server_.stop(), 0);
}

// ---- why was it not recorded ------------------------------------------------------------------

class Outcome : public Policy {
protected:
    // A call by hand, without a packet, that lasts until it is ended.
    void call_without_media(const std::string& call_id, std::chrono::milliseconds length) {
        const UdpClient client(server_.sip_port());
        client.send(invite(client, call_id, "application/sdp", kSdp));
        const std::string answer = client.receive();
        ASSERT_EQ(answer.rfind("SIP/2.0 200", 0), 0U) << answer;
        client.send(in_dialog(client, answer, "ACK", 1));
        std::this_thread::sleep_for(length);
        client.send(in_dialog(client, answer, "BYE", 2));
        EXPECT_EQ(client.receive().rfind("SIP/2.0 200", 0), 0U);
    }
};

TEST_F(Outcome, IsToldApartInTheRecordingAndCountedByPeer) {
    start("[storage]\ntoo_short_ms = 500\n");
    call_without_media("silence", std::chrono::milliseconds{100});
    EXPECT_EQ(place_call()["sip_status"], 200);
    const json list = server_.wait_for_recordings(2);
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[0]["state"], "complete") << list[0];
    EXPECT_TRUE(list[0]["warnings"].empty()) << list[0];
    EXPECT_EQ(list[1]["state"], "failed");
    ASSERT_EQ(list[1]["warnings"].size(), 2U) << list[1];
    EXPECT_EQ(list[1]["warnings"][0]["code"], "no_media");
    EXPECT_EQ(list[1]["warnings"][1]["code"], "too_short");
    const Output shown = server_.run({"show", list[1]["id"]});
    EXPECT_NE(shown.out.find("too_short: "), std::string::npos) << shown.out;
    write_file(file(), "[[rule]]\nname = \"none\"\naction = \"decline\"\n");
    server_.process().signal(SIGHUP);
    ASSERT_TRUE(eventually(
        [&] { return server_.log().find("configuration reloaded") != std::string::npos; }));
    EXPECT_EQ(place_call()["sip_status"], 603);
    server_.wait_for_attempts(3);
    const json doctor = json::parse(server_.run({"doctor", "--json"}).out, nullptr, false);
    ASSERT_EQ(doctor["peers"].size(), 1U) << doctor;
    const json& peer = doctor["peers"][0];
    EXPECT_EQ(peer["peer"], "127.0.0.1");
    EXPECT_EQ(peer["attempts"], 3);
    EXPECT_EQ(peer["outcomes"], json({{"recorded", 2}, {"declined", 1}})) << peer;
    EXPECT_EQ(peer["reasons"], json({{"no_media", 1}, {"declined_by_rule", 1}})) << peer;
    EXPECT_EQ(peer["warnings"], json({{"no_media", 1}, {"too_short", 1}})) << peer;
    EXPECT_NE(server_.run({"doctor"}).out.find("declined_by_rule 1"), std::string::npos);
}

}  // namespace
}  // namespace earshot::integration
