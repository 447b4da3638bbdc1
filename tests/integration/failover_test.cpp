// A recording client whose servers die, say BYE, record the same call, or begin by themselves; by
// the real binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "integration/harness.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class Failover : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(first_.start()) << first_.log();
        ASSERT_TRUE(second_.start()) << second_.log();
    }
    std::string both() const {
        return "[client]\nservers = [\"" + first_.sip_uri() + "\", \"" + second_.sip_uri() +
               "\"]\n";
    }
    std::string only_first() const {
        return "[client]\nservers = [\"" + first_.sip_uri() + "\"]\n";
    }
    std::unique_ptr<Process> begin_call() const { return client_.begin_call({"--duration", "90"}); }
    static void hang_up(Process& phones) {
        phones.signal(SIGINT);
        phones.wait();
    }
    // Waits for a recording of a running call that fulfils that; null when none comes to be.
    json wait_for(const std::function<bool(const json&)>& condition) const {
        json found;
        eventually([&] {
            const json calls = client_.calls();
            if (!calls.is_array()) return false;
            for (const json& call : calls)
                for (const json& recording : call["recordings"])
                    if (condition(recording)) found = recording;
            return !found.is_null();
        });
        return found;
    }
    json wait_for_recording_at(const TestServer& server) const {
        return wait_for([&](const json& recording) {
            return recording["state"] == "recording" && recording["server"] == server.sip_uri();
        });
    }
    std::size_t count_events(std::string_view kind) const {
        const std::string log = client_.log();
        const std::string line = "recording: " + std::string(kind) + "\"";
        std::size_t count = 0;
        for (std::size_t at = log.find(line); at != std::string::npos; at = log.find(line, at + 1))
            ++count;
        return count;
    }
    // Media has reached the recorder's streams.
    static bool has_media(const json& recording) {
        for (const json& stream : recording["streams"])
            if (stream["packets"] == 0) return false;
        return recording["streams"].size() == 2;
    }
    // The address that `earshot start` asks.
    std::string client_uri(const std::string& more = {}) const {
        return "sip:" + client_.sip() + more;
    }

    TestServer first_;
    TestServer second_;
    TestClient client_;
};

TEST_F(Failover, AnotherServerGoesOnWhenOneIsKilled) {
    ASSERT_TRUE(client_.start(both() + "probe_interval_ms = 500\nserver_silence_ms = 2000\n"))
        << client_.log();
    const auto phones = begin_call();
    const json before = wait_for_recording_at(first_);
    ASSERT_FALSE(before.is_null()) << client_.log();
    first_.kill();
    const json after = wait_for_recording_at(second_);
    ASSERT_FALSE(after.is_null()) << client_.log();
    EXPECT_EQ(after["session_id"], before["session_id"]);
    EXPECT_EQ(after["started"], before["started"]);
    ASSERT_TRUE(eventually([&] {
        const json running = second_.list();
        return running.is_array() && !running.empty();
    })) << second_.log();
    std::this_thread::sleep_for(std::chrono::seconds{1});  // some media, for the recording's sake
    hang_up(*phones);
    const json recordings = second_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0].dump(1);
    EXPECT_TRUE(has_media(recordings[0])) << recordings[0].dump(1);
    EXPECT_EQ(recordings[0]["session_ids"], json::array({before["session_id"]}));
    EXPECT_EQ(recordings[0]["participants"].size(), 2U);
    EXPECT_GE(count_events("failover"), 1U) << client_.log();
    EXPECT_EQ(count_events("start"), count_events("stop")) << client_.log();
    const Output doctor = client_.run({"doctor", "--client"});
    EXPECT_THAT(doctor.out, HasSubstr("is down")) << doctor.out;
}

TEST_F(Failover, AnotherServerGoesOnWhenOneSaysBye) {
    ASSERT_TRUE(client_.start(both())) << client_.log();
    const auto phones = begin_call();
    const json before = wait_for_recording_at(first_);
    ASSERT_FALSE(before.is_null()) << client_.log();
    EXPECT_EQ(first_.stop(), 0);
    const json after = wait_for_recording_at(second_);
    ASSERT_FALSE(after.is_null()) << client_.log();
    EXPECT_EQ(after["session_id"], before["session_id"]);
    hang_up(*phones);
    EXPECT_EQ(second_.wait_for_recordings(1).size(), 1U);
    EXPECT_EQ(count_events("failover"), 1U) << client_.log();
    EXPECT_EQ(count_events("start"), 2U);
    EXPECT_EQ(count_events("stop"), 2U);
}

TEST_F(Failover, WhatAKilledClientCutOffIsPartialAndSaysWhy) {
    ASSERT_TRUE(client_.start(only_first())) << client_.log();
    const auto phones = begin_call();
    ASSERT_FALSE(wait_for_recording_at(first_).is_null()) << client_.log();
    ASSERT_TRUE(eventually([&] {
        const json all = first_.list();
        return all.is_array() && !all.empty() && has_media(all[0]);
    })) << first_.log();
    client_.process().signal(SIGKILL);
    client_.process().wait();
    ASSERT_TRUE(client_.start(only_first())) << client_.log();
    const json cut = first_.wait_for_recordings(1);
    ASSERT_EQ(cut.size(), 1U) << client_.log();
    EXPECT_EQ(cut[0]["state"], "partial") << cut[0].dump(1);
    EXPECT_EQ(cut[0]["reason"]["code"], "client_failed") << cut[0].dump(1);
    hang_up(*phones);
}

TEST_F(Failover, NobodyGoesOnWithWhatAnOperatorStopped) {
    ASSERT_TRUE(client_.start(both())) << client_.log();
    const auto phones = begin_call();
    ASSERT_FALSE(wait_for_recording_at(first_).is_null()) << client_.log();
    ASSERT_TRUE(eventually([&] { return first_.list().size() == 1; }));
    const Output stopped = first_.run({"stop", first_.list()[0]["id"]});
    EXPECT_EQ(stopped.exit_code, 0) << stopped.err;
    EXPECT_FALSE(wait_for([](const json& it) { return it["state"] == "ended"; }).is_null());
    EXPECT_EQ(count_events("failover"), 0U);
    EXPECT_TRUE(second_.list().empty());
    hang_up(*phones);
}

TEST_F(Failover, ACallThatMustBeRecordedGoesOnAsLongAsOneServerIsLeft) {
    ASSERT_TRUE(client_.start(both() + "mandatory = true\n")) << client_.log();
    const auto phones = begin_call();
    ASSERT_FALSE(wait_for_recording_at(first_).is_null()) << client_.log();
    EXPECT_EQ(first_.stop(), 0);
    ASSERT_FALSE(wait_for_recording_at(second_).is_null()) << client_.log();
    EXPECT_TRUE(phones->is_running());
    EXPECT_EQ(second_.stop(), 0);
    phones->wait();
    EXPECT_THAT(client_.log(), HasSubstr("must be recorded"));
}

TEST_F(Failover, SeveralServersRecordACallAtOnce) {
    ASSERT_TRUE(client_.start(both() + "parallel = 0\n")) << client_.log();
    const auto phones = begin_call();
    const json here = wait_for_recording_at(first_);
    const json there = wait_for_recording_at(second_);
    ASSERT_FALSE(here.is_null()) << client_.log();
    ASSERT_FALSE(there.is_null()) << client_.log();
    EXPECT_EQ(here["session_id"], there["session_id"]);
    EXPECT_NE(here["rs_call_id"], there["rs_call_id"]);
    EXPECT_NE(here["copy"], there["copy"]);
    hang_up(*phones);
    const json at_first = first_.wait_for_recordings(1);
    const json at_second = second_.wait_for_recordings(1);
    ASSERT_EQ(at_first.size(), 1U) << client_.log();
    ASSERT_EQ(at_second.size(), 1U) << client_.log();
    EXPECT_EQ(at_first[0]["session_ids"], at_second[0]["session_ids"]);
    EXPECT_EQ(at_first[0]["state"], "complete") << at_first[0].dump(1);
    EXPECT_EQ(at_second[0]["state"], "complete") << at_second[0].dump(1);
    EXPECT_EQ(count_events("start"), 2U);
    EXPECT_EQ(count_events("stop"), 2U);
}

// P-51: a wish may begin again what a wish has stopped; both parties have one here.
TEST_F(Failover, AWishRevivesTheRecordingsOfAllServers) {
    ASSERT_TRUE(client_.start(both() + "parallel = 2\nrecordpref = \"restrict\"\n"))
        << client_.log();
    const std::filesystem::path told = client_.scratch() / "callee.err";
    Process callee({earshot_binary(), "call", "--answer", "--json", "--recordpref", "on",
                    "--recordpref-at", "1"},
                   client_.scratch() / "callee.json", told);
    std::string uri;
    ASSERT_TRUE(eventually([&] {
        const std::string text = read_file(told);
        const std::size_t at = text.find("sip:");
        const std::size_t end = at == std::string::npos ? at : text.find('\n', at);
        if (end != std::string::npos) uri = text.substr(at, end - at);
        return !uri.empty();
    }));
    const auto caller =
        client_.begin_call({"--to", uri, "--duration", "90", "--recordpref", "off"});
    EXPECT_FALSE(wait_for_recording_at(first_).is_null()) << client_.log();
    EXPECT_FALSE(wait_for_recording_at(second_).is_null()) << client_.log();
    EXPECT_THAT(client_.log(), HasSubstr("The caller prefers"));
    hang_up(*caller);
}

TEST_F(Failover, OfSeveralServersOneThatFailsDisturbsNoOther) {
    ASSERT_TRUE(client_.start(both() + "parallel = 2\nfailover_ms = 0\n")) << client_.log();
    const auto phones = begin_call();
    ASSERT_FALSE(wait_for_recording_at(first_).is_null()) << client_.log();
    ASSERT_FALSE(wait_for_recording_at(second_).is_null()) << client_.log();
    EXPECT_EQ(first_.stop(), 0);
    EXPECT_FALSE(wait_for([](const json& it) { return it["state"] == "ended"; }).is_null())
        << client_.log();
    EXPECT_FALSE(wait_for_recording_at(second_).is_null());
    hang_up(*phones);
    const json recordings = second_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U);
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0].dump(1);
}

TEST_F(Failover, AServerBeginsARecordingInMidCall) {
    ASSERT_TRUE(client_.start(only_first() + "on_demand = true\n")) << client_.log();
    const auto phones = begin_call();
    ASSERT_FALSE(wait_for([](const json& it) { return it["state"] == "waiting"; }).is_null());
    ASSERT_TRUE(eventually([&] { return client_.calls()[0]["state"] == "answered"; }));
    const std::string call_id = client_.calls()[0]["call_id"];
    const Output unknown = first_.run({"start", "--at", client_uri(), "--call", "nobody@nowhere"});
    EXPECT_NE(unknown.exit_code, 0);
    EXPECT_THAT(unknown.err + unknown.out, HasSubstr("481"));
    const Output started = first_.run({"start", "--at", client_uri(), "--call", call_id});
    ASSERT_EQ(started.exit_code, 0) << started.err << client_.log();
    const json running =
        wait_for([](const json& it) { return it["initiator"] == "server" && it["streams"] == 2; });
    ASSERT_FALSE(running.is_null()) << client_.log();
    EXPECT_EQ(running["instance"], "server");
    EXPECT_EQ(running["state"], "recording");
    // The same server again: it has it already.
    const Output again = first_.run({"start", "--at", client_uri()});
    EXPECT_NE(again.exit_code, 0);
    EXPECT_THAT(again.err + again.out, HasSubstr("403"));
    EXPECT_THAT(client_.log(), HasSubstr("start_refused"));
    hang_up(*phones);
    const json recordings = first_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0].dump(1);
    EXPECT_EQ(recordings[0]["participants"].size(), 2U);
    EXPECT_EQ(recordings[0]["session_ids"], json::array({running["session_id"]}));
}

TEST_F(Failover, AServerThatNamesNoCallGetsTheNewestOneThatMayBeRecorded) {
    ASSERT_TRUE(client_.start(only_first() + "on_demand = true\n")) << client_.log();
    const Output early = first_.run({"start", "--at", client_uri()});
    EXPECT_NE(early.exit_code, 0);
    EXPECT_THAT(early.err + early.out, HasSubstr("481"));
    const auto phones = begin_call();
    ASSERT_TRUE(eventually([&] {
        const json calls = client_.calls();
        return calls.size() == 1 && calls[0]["state"] == "answered";
    }));
    const Output started = first_.run({"start", "--at", client_uri()});
    EXPECT_EQ(started.exit_code, 0) << started.err << client_.log();
    EXPECT_FALSE(wait_for([](const json& it) { return it["initiator"] == "server"; }).is_null());
    // It ends it as well.
    ASSERT_TRUE(eventually([&] { return first_.list().size() == 1; }));
    EXPECT_EQ(first_.run({"stop", first_.list()[0]["id"]}).exit_code, 0);
    EXPECT_FALSE(wait_for([](const json& it) {
                     return it["initiator"] == "server" && it["state"] == "ended";
                 }).is_null());
    EXPECT_TRUE(phones->is_running());
    hang_up(*phones);
}

TEST_F(Failover, AServerGetsNoCallThatNoRuleLetsBeRecorded) {
    ASSERT_TRUE(
        client_.start(only_first() + "[[client.rule]]\nname = \"nobody\"\nrecord = false\n"))
        << client_.log();
    const auto phones = begin_call();
    ASSERT_TRUE(eventually([&] {
        const json calls = client_.calls();
        return calls.size() == 1 && calls[0]["state"] == "answered";
    }));
    const Output refused = first_.run({"start", "--at", client_uri()});
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_THAT(refused.err + refused.out, HasSubstr("No rule lets this call be recorded"));
    hang_up(*phones);
    EXPECT_TRUE(first_.list().empty());
}

TEST_F(Failover, AStrangerGetsNoCallAtAll) {
    ASSERT_TRUE(client_.start("[client]\nservers = [\"sip:rec@127.0.0.77\"]\non_demand = true\n"))
        << client_.log();
    const auto phones = begin_call();
    ASSERT_TRUE(eventually([&] { return client_.calls().size() == 1; }));
    const Output refused = first_.run({"start", "--at", client_uri()});
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_THAT(refused.err + refused.out, HasSubstr("is no recording server of this client"));
    hang_up(*phones);
}

}  // namespace
}  // namespace earshot::integration
