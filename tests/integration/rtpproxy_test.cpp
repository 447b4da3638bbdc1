// The recording client with RTPProxy as its media plane: a stand-in of ours in this process, the
// real binary for all else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "integration/harness.h"
#include "relay/rtpproxy_double.h"

namespace earshot::integration {
namespace {

using nlohmann::json;
using Proxy = relay::test::RtpproxyDouble;

class ClientRtpproxy : public testing::Test {
protected:
    std::string config_of(const std::vector<base::NetAddress>& instances,
                          const std::string& more) const {
        std::string named;
        for (const base::NetAddress& instance : instances)
            named += (named.empty() ? "\"" : ", \"") + base::to_string(instance) + '"';
        return "[client]\nservers = [\"" + server_.sip_uri() +
               "\"]\n[media]\nplane = \"rtpproxy\"\ninstances = [" + named + "]\n" + more;
    }
    void start(const std::string& more = "") {
        ASSERT_TRUE(server_.start()) << server_.log();
        ASSERT_TRUE(client_.start(config_of({proxy_.control()}, more))) << client_.log();
        // Until it has answered, calls go elsewhere.
        ASSERT_TRUE(eventually([&] { return proxy_.count('V') >= 2; }));
    }

    Proxy proxy_;
    TestServer server_;
    TestClient client_;
};

TEST_F(ClientRtpproxy, RecordsACallWhoseMediaItNeverSees) {
    start();
    const json run = client_.call({"--duration", "2"});
    ASSERT_TRUE(run.is_object());
    EXPECT_EQ(run["summary"]["results"], json({{"ok", 1}})) << run.dump(1);
    EXPECT_EQ(run["summary"]["packets"]["lost"], 0U) << run["summary"];
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    EXPECT_EQ(recordings[0]["state"], "complete") << recordings[0].dump(1) << client_.log();
    ASSERT_EQ(recordings[0]["streams"].size(), 2U);
    for (const json& stream : recordings[0]["streams"]) EXPECT_GT(stream["packets"], 50U);
    EXPECT_EQ(proxy_.count('C'), 2U);
    EXPECT_TRUE(eventually([&] { return proxy_.streams() == 0; }));
}

TEST_F(ClientRtpproxy, UsesTheRelayOfItsOwnWhereRtpproxyTakesNothing) {
    start("on_failure = \"built_in\"\n");
    proxy_.set_fault(Proxy::Fault::Full);
    const json run = client_.call({"--duration", "1"});
    EXPECT_EQ(run["summary"]["results"], json({{"ok", 1}})) << run.dump(1);
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U) << client_.log();
    EXPECT_EQ(proxy_.streams(), 0U);
}

TEST_F(ClientRtpproxy, RefusesACallThatRtpproxyDoesNotTakeWhereItIsToldSo) {
    start("on_failure = \"refuse\"\n");
    proxy_.set_fault(Proxy::Fault::Nonsense);
    const json run = client_.call({"--duration", "1"});
    ASSERT_TRUE(run.is_object());
    EXPECT_NE(run["calls"][0]["result"], "ok") << run.dump(1);
}

// Neither phone can be told a new address without asking for it.
TEST_F(ClientRtpproxy, TellsOfCallsThatARestartedRtpproxyHasForgotten) {
    start();
    const auto phones = client_.begin_call({"--duration", "60"});
    ASSERT_TRUE(eventually([&] { return proxy_.count('C') == 2; })) << client_.log();
    proxy_.forget();
    EXPECT_TRUE(eventually([&] {
        return client_.log().find("recording: media_fault") != std::string::npos;
    })) << client_.log();
    phones->signal(SIGTERM);
    phones->wait();
}

TEST_F(ClientRtpproxy, GoesToTheNextInstanceWhereTheFirstTakesNothing) {
    Proxy first;
    first.set_fault(Proxy::Fault::Full);
    ASSERT_TRUE(server_.start()) << server_.log();
    ASSERT_TRUE(
        client_.start(config_of({first.control(), proxy_.control()}, "on_failure = \"refuse\"\n")))
        << client_.log();
    ASSERT_TRUE(eventually([&] { return first.count('V') >= 2 && proxy_.count('V') >= 2; }));
    const json run = client_.call({"--duration", "2"});
    EXPECT_EQ(run["summary"]["results"], json({{"ok", 1}})) << run.dump(1);
    EXPECT_EQ(server_.wait_for_recordings(1).size(), 1U) << client_.log();
    EXPECT_GE(first.count('U'), 1U);
    EXPECT_EQ(proxy_.count('C'), 2U);
}

}  // namespace
}  // namespace earshot::integration
