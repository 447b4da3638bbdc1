// What decides about the recordings of a client, and who is told: rules, the decision hook, the
// webhook, drain and reload, by the real binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "base/text.h"
#include "crypto/hmac.h"
#include "http/client.h"
#include "integration/fake_hook.h"
#include "integration/harness.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ClientPolicy : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(server_.start()) << server_.log(); }
    std::string to_here() const { return "servers = [\"" + server_.sip_uri() + "\"]\n"; }
    json call(std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"--duration", "1.5"});
        return client_.call(std::move(more));
    }
    bool is_ok(const json& run) const {
        return run.is_object() && run["summary"]["results"] == json({{"ok", 1}});
    }
    bool has_logged(std::string_view text) const {
        return eventually([&] { return client_.log().find(text) != std::string::npos; });
    }

    TestServer server_;
    TestClient client_;
};

TEST_F(ClientPolicy, RecordsOnlyTheCallsOfItsRules) {
    ASSERT_TRUE(client_.start("[client]\n" + to_here() +
                              "[[client.rule]]\nname = \"sales\"\nfrom = \"*@sales.example\"\n"
                              "header = { X-Queue = \"7*\" }\n"
                              "headers = { X-Agent = \"{from.user}\" }\n"))
        << client_.log();
    EXPECT_TRUE(is_ok(call({"--party-a", "sip:ada@hr.example", "--header", "X-Queue: 71"})));
    EXPECT_TRUE(is_ok(call({"--party-a", "sip:ada@sales.example"})));
    EXPECT_TRUE(is_ok(call({"--party-a", "sip:ada@sales.example", "--header", "X-Queue: 71"})));
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    EXPECT_EQ(recordings[0]["headers"]["X-Agent"], "ada") << recordings[0].dump(1);
}

TEST_F(ClientPolicy, AsksTheHookAboutCallsOfNoRule) {
    FakeHook hook(says(R"({"record":true,"instances":[{"servers":[")" + server_.sip_uri() +
                       R"("],"group":"of {from.user}"}]})"));
    ASSERT_TRUE(client_.start("[client]\ndecision_url = \"" + hook.url() + "\"\n"))
        << client_.log();
    EXPECT_TRUE(is_ok(call({"--party-a", "\"Ada\" <sip:ada@desk.example>"})));
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    EXPECT_TRUE(recordings[0]["group"].is_string());
    EXPECT_EQ(hook.question()["from"]["uri"], "sip:ada@desk.example");
    EXPECT_EQ(hook.question()["direction"], "inbound");
}

TEST_F(ClientPolicy, DoesWhatIsConfiguredWhenTheHookFails) {
    FakeHook hook(says("no JSON"));
    const std::string config = "[client]\n" + to_here() + "decision_url = \"" + hook.url() + "\"\n";
    ASSERT_TRUE(client_.start(config + "decision_on_failure = \"skip\"\n")) << client_.log();
    EXPECT_TRUE(is_ok(call()));
    EXPECT_TRUE(has_logged("recording: hook_failed")) << client_.log();
    EXPECT_EQ(client_.stop(), 0);
    EXPECT_EQ(server_.list().size(), 0U);
    ASSERT_TRUE(client_.start(config)) << client_.log();
    EXPECT_TRUE(is_ok(call()));
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U) << client_.log();
}

TEST_F(ClientPolicy, TellsAWebhookAndSigns) {
    FakeHook webhook(says("{}"));
    write_file(client_.scratch() / "secret", "s3cret\n");
    ASSERT_TRUE(client_.start("[client]\n" + to_here() + "webhook_url = \"" + webhook.url() +
                              "\"\nwebhook_secret_file = \"" +
                              (client_.scratch() / "secret").string() + "\"\n"))
        << client_.log();
    EXPECT_TRUE(is_ok(call()));
    ASSERT_TRUE(eventually([&] { return webhook.questions() >= 2; })) << client_.log();
    std::vector<std::string> kinds;
    for (const http::Request& told : webhook.all()) {
        const json event = json::parse(told.body);
        kinds.push_back(event["event"]);
        EXPECT_EQ(event["server"], server_.sip_uri());
        EXPECT_EQ(event["instance"], "default");
        for (const char* id : {"call", "call_id", "rs_call_id", "session_id"})
            EXPECT_NE(event[id], "") << id << " of " << told.body;
        EXPECT_EQ(told.header("X-Earshot-Signature"),
                  "sha256=" + base::to_hex(crypto::hmac_sha256(base::as_bytes("s3cret"),
                                                               base::as_bytes(told.body))));
    }
    EXPECT_THAT(kinds, testing::UnorderedElementsAre("start", "stop"));
}

TEST_F(ClientPolicy, TakesNoNewCallsWhileItDrains) {
    ASSERT_TRUE(client_.start("[client]\n" + to_here())) << client_.log();
    const auto post = [&](const std::string& verb) {
        const json access = json::parse(read_file(client_.data() / "cli.json"));
        http::Call request{.method = "POST",
                           .url = access["url"].get<std::string>() + "/api/v1/" + verb};
        request.headers.push_back(
            {"Authorization", "Bearer " + access["token"].get<std::string>()});
        const auto reply = http::fetch(request);
        return reply ? reply->body : reply.error().text;
    };
    EXPECT_THAT(post("drain"), HasSubstr("true"));
    const json refused = call();
    EXPECT_EQ(refused["calls"][0]["sip_status"], 503) << refused.dump(1);
    EXPECT_THAT(post("undrain"), HasSubstr("false"));
    EXPECT_TRUE(is_ok(call()));
}

TEST_F(ClientPolicy, ReadsItsFileAgainOrKeepsTheOld) {
    ASSERT_TRUE(client_.start("[client]\n")) << client_.log();
    EXPECT_TRUE(is_ok(call()));
    write_file(client_.scratch() / "client.toml", "[client]\nserver = 1\n");
    client_.process().signal(SIGHUP);
    EXPECT_TRUE(has_logged("did you mean")) << client_.log();
    write_file(client_.scratch() / "client.toml", "[client]\n" + to_here());
    client_.process().signal(SIGHUP);
    EXPECT_TRUE(has_logged("configuration reloaded")) << client_.log();
    EXPECT_TRUE(is_ok(call()));
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U) << client_.log();
}

TEST_F(ClientPolicy, AHostHasItsShareOfTheCalls) {
    ASSERT_TRUE(client_.start("[sip]\nmax_calls_per_host = 1\n")) << client_.log();
    const json run = client_.call({"--duration", "2", "--count", "2", "--rate", "10"});
    EXPECT_EQ(run["summary"]["results"], json({{"ok", 1}, {"refused", 1}})) << run.dump(1);
    EXPECT_TRUE(is_ok(call()));  // the first has ended
}

TEST_F(ClientPolicy, RefusesHostsThatMayNotCall) {
    ASSERT_TRUE(client_.start("[client]\nallow_from = [\"192.0.2.*\"]\n")) << client_.log();
    const json run = call();
    EXPECT_EQ(run["calls"][0]["sip_status"], 403) << run.dump(1);
}

TEST_F(ClientPolicy, CheckTellsWhatTheRulesMakeOfAnInvite) {
    const auto file = client_.scratch() / "check.toml";
    write_file(file, "[client]\n" + to_here() +
                         "[[client.rule]]\nname = \"sales\"\nfrom = \"*@sales.example\"\n");
    const auto invite = client_.scratch() / "invite.sip";
    write_file(invite,
               "INVITE sip:bo@desk.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\n"
               "From: <sip:ada@sales.example>;tag=1\nTo: <sip:bo@desk.example>\nCall-ID: a\n"
               "CSeq: 1 INVITE\nMax-Forwards: 70\nContact: <sip:ada@192.0.2.1>\n"
               "Content-Length: 0\n\n");
    const auto check = [&](std::vector<std::string> more) {
        more.insert(more.begin(), {earshot_binary(), "config", "check", "--client", file.string()});
        return run_command(more);
    };
    EXPECT_EQ(check({}).exit_code, 0);
    const Output judged = check({"--invite", invite.string()});
    EXPECT_EQ(judged.exit_code, 0) << judged.err;
    EXPECT_THAT(judged.out, HasSubstr("rule \"sales\""));
    const json plans = json::parse(check({"--invite", invite.string(), "--json"}).out);
    EXPECT_EQ(plans["recordings"][0]["rule"], "sales");
}

}  // namespace
}  // namespace earshot::integration
