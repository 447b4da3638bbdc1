// RFC 6341 section 4: what recording has to be good for, use case by use case, in its order. Those
// about media are in media_use_cases_test.cpp. What of a use case is not there yet is said in
// docs/siprec-conformance.md.
#include <chrono>
#include <set>
#include <thread>

#include "use-cases/use_case.h"

namespace earshot::use_cases {
namespace {

using testing::HasSubstr;

// 1: every call is recorded, from its beginning to its end.
TEST_F(UseCase, FullTimeNoCallIsMissed) {
    start();
    call({"--count", "20", "--rate", "20"});
    std::set<std::string> sessions;
    for (const json& recording : recordings(20)) {
        expect_whole(recording);
        sessions.insert(recording["session_ids"][0].get<std::string>());
    }
    EXPECT_EQ(sessions.size(), 20U);
}

// 2: only calls that policy selects, here by who calls and by a header of the call centre.
TEST_F(UseCase, SelectiveOnlyTheCallsOfTheRulesAreRecorded) {
    start(
        "[[client.rule]]\nname = \"works council\"\nto = \"7000@*\"\nrecord = false\n"
        "[[client.rule]]\nname = \"sales\"\nfrom = \"*@sales.example\"\n"
        "[[client.rule]]\nname = \"queue\"\nheader = { X-Queue = \"7*\" }\n");
    call({"--party-a", "sip:ada@hr.example"});
    call({"--party-a", "sip:ada@sales.example", "--party-b", "sip:7000@works.example"});
    call({"--party-a", "sip:bea@sales.example"});
    call({"--party-a", "sip:cleo@hr.example", "--header", "X-Queue: 71"});
    std::set<std::string> callers;
    for (const json& recording : recordings(2)) {
        expect_whole(recording);
        callers.insert(recording["participants"][0]["aor"].get<std::string>());
    }
    EXPECT_EQ(callers, (std::set<std::string>{"sip:bea@sales.example", "sip:cleo@hr.example"}));
}

// 3: an operator begins and ends the recording while the call goes on undisturbed.
TEST_F(UseCase, InMidCallRecordingStartsAndStopsAndTheCallGoesOn) {
    start("on_demand = true\n");
    const auto phones = client_.begin_call({"--duration", "12"});
    const json waiting = wait_for_state("waiting");
    ASSERT_FALSE(waiting.is_null()) << client_.log();
    EXPECT_EQ(server_.list().size(), 0U);
    EXPECT_EQ(tell("start", waiting), 0);
    ASSERT_FALSE(wait_for_state("recording").is_null()) << client_.log();
    std::this_thread::sleep_for(std::chrono::seconds{2});
    EXPECT_EQ(tell("stop", waiting), 0);
    EXPECT_FALSE(wait_for_state("ended").is_null());
    EXPECT_EQ(client_.calls().size(), 1U);
    EXPECT_EQ(phones->wait(), 0);
    const json run = json::parse(integration::read_file(client_.scratch() / "call.json"));
    EXPECT_EQ(run["summary"]["packets"]["lost"], 0U);
    const json recording = recordings(1)[0];
    expect_whole(recording);
    EXPECT_LT(packets_of(recording), run["summary"]["packets"]["sent"].get<std::uint64_t>() - 200);
}

// 5: a card number is spoken. Nothing of that time is kept, and the recording tells when and why.
TEST_F(UseCase, ControlInRealTimeWhatIsSaidDuringAPauseIsKeptNowhere) {
    start();
    const auto phones = client_.begin_call({"--duration", "9"});
    const json running = wait_for_state("recording");
    ASSERT_FALSE(running.is_null()) << client_.log();
    EXPECT_EQ(tell("pause", running), 0);
    ASSERT_FALSE(wait_for_state("paused").is_null()) << client_.log();
    std::this_thread::sleep_for(std::chrono::seconds{2});
    EXPECT_EQ(tell("resume", running), 0);
    ASSERT_FALSE(wait_for_state("recording").is_null()) << client_.log();
    EXPECT_EQ(phones->wait(), 0);
    const json recording = recordings(1)[0];
    EXPECT_EQ(recording["state"], "complete") << recording.dump(1);
    EXPECT_GT(gaps_of(recording, "paused"), 3000) << recording.dump(1);  // of two voices
    EXPECT_EQ(gaps_of(recording, "lost"), 0) << recording.dump(1);
    const json run = json::parse(integration::read_file(client_.scratch() / "call.json"));
    EXPECT_LT(packets_of(recording), run["summary"]["packets"]["sent"].get<std::uint64_t>() - 150);
}

// 7: one agent works at a desk, at home and on the road: the rule goes by who it is, not where.
TEST_F(UseCase, MobilityAnAgentIsRecordedWhereverTheyAre) {
    start("[[client.rule]]\nname = \"ada\"\nfrom = \"ada@*\"\n");
    for (const char* place : {"127.0.0.2", "127.0.0.3", "127.0.0.4"})
        call({"--party-a", "\"Ada\" <sip:ada@desk.example>", "--sip-a", place});
    call({"--party-a", "sip:guest@desk.example", "--sip-a", "127.0.0.2"});
    for (const json& recording : recordings(3)) {
        expect_whole(recording);
        EXPECT_EQ(recording["participants"][0]["aor"], "sip:ada@desk.example");
    }
}

// 8: sites with clients of their own, one server for all; each recording tells its site.
TEST_F(UseCase, CentralTheCallsOfAllSitesComeToOneServer) {
    ASSERT_TRUE(server_.start()) << server_.log();
    TestClient north;
    const auto site = [&](const char* name) {
        return "[[client.rule]]\nname = \"all\"\n" + servers({server_.sip_uri()}) +
               "headers = { X-Site = \"" + name + "\" }\n";
    };
    ASSERT_TRUE(client_.start(site("south"))) << client_.log();
    ASSERT_TRUE(north.start(site("north"))) << north.log();
    call();
    EXPECT_EQ(north.call({"--duration", "2"})["summary"]["packets"]["lost"], 0U);
    std::set<std::string> sites;
    for (const json& recording : recordings(2)) {
        expect_whole(recording);
        sites.insert(recording["headers"]["X-Site"].get<std::string>());
    }
    EXPECT_EQ(sites, (std::set<std::string>{"north", "south"}));
}

// 9: an agent consults a colleague about a customer: two calls that belong together.
TEST_F(UseCase, ComplexCallsTheConsultationIsFoundWithTheCustomersCall) {
    start("[[client.rule]]\nname = \"case\"\ngroup = \"case {header.X-Case}\"\n");
    const auto customer =
        client_.begin_call({"--duration", "5", "--header", "X-Case: 4711", "--party-a",
                            "sip:customer@outside.example", "--party-b", "sip:ada@desk.example"});
    ASSERT_FALSE(wait_for_state("recording").is_null()) << client_.log();
    call({"--header", "X-Case: 4711", "--party-a", "sip:ada@desk.example", "--party-b",
          "sip:expert@desk.example"});
    EXPECT_EQ(customer->wait(), 0);
    call({"--header", "X-Case: 4712"});
    const json all = recordings(3);
    std::multiset<std::string> groups;
    std::set<std::string> ids;
    for (const json& recording : all) {
        expect_whole(recording);
        groups.insert(recording["group"].get<std::string>());
        ids.insert(recording["id"].get<std::string>());
    }
    EXPECT_EQ(ids.size(), 3U);  // related, and each a recording of its own
    EXPECT_EQ(std::set(groups.begin(), groups.end()).size(), 2U);
    EXPECT_EQ(groups.count(all[0]["group"].get<std::string>()), 1U);  // the newest: the other case
}

// 10: a dead server costs no recording, and where nobody records policy says what becomes of calls.
TEST_F(UseCase, AvailabilityTheNextServerRecordsWhenOneHasDied) {
    TestServer second;
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(second.start()) << second.log();
    ASSERT_TRUE(client_.start("[client]\nmandatory = true\nserver_silence_ms = 500\n" +
                              servers({server_.sip_uri(), second.sip_uri()})))
        << client_.log();
    call();
    expect_whole(recordings(1)[0]);
    server_.kill();
    call();
    const json saved = second.wait_for_recordings(1);
    ASSERT_EQ(saved.size(), 1U) << client_.log();
    expect_whole(saved[0]);

    second.kill();
    const json refused = client_.call({"--duration", "30"});
    EXPECT_NE(refused["calls"][0]["result"], "ok") << refused.dump(1);
    EXPECT_THAT(client_.log(), HasSubstr("must be recorded"));
}

}  // namespace
}  // namespace earshot::use_cases
