// The recording client with Debian's rtpengine as its media plane, in user space on loopback: two
// phones call each other, our server records, and no packet comes to the client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "integration/harness.h"
#include "integration/udp_service.h"

namespace earshot::integration {
namespace {

using nlohmann::json;

constexpr const char* kRtpengine = "/usr/bin/rtpengine";

bool is_bound(std::uint16_t port) {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(port);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int failed = ::bind(socket, reinterpret_cast<sockaddr*>(&own), sizeof own);
    ::close(socket);
    return failed != 0;
}

// Answers every command with the same text after its cookie.
class NonsensePlane {
public:
    explicit NonsensePlane(std::string answer)
        : answer_(std::move(answer)), socket_(bind_loopback(port_)) {
        thread_ = std::jthread([this](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                pollfd ready{socket_, POLLIN, 0};
                if (::poll(&ready, 1, 50) <= 0) continue;
                UdpPeer peer;
                const auto command = receive_from(socket_, peer);
                if (!command) continue;
                const bool is_ping = command->find("4:ping") != std::string::npos;
                const std::string cookie = command->substr(0, command->find(' '));
                send_to(socket_, cookie + ' ' + (is_ping ? "d6:result4:ponge" : answer_), peer);
            }
        });
    }
    NonsensePlane(const NonsensePlane&) = delete;
    NonsensePlane& operator=(const NonsensePlane&) = delete;
    ~NonsensePlane() {
        thread_.request_stop();
        thread_.join();
        ::close(socket_);
    }
    std::uint16_t port() const { return port_; }

private:
    const std::string answer_;
    std::uint16_t port_ = 0;
    int socket_;
    std::jthread thread_;
};

class Rtpengine : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(server_.start()) << server_.log(); }

    bool start_engine() {
        const std::string port = std::to_string(engine_port_);
        engine_ = std::make_unique<Process>(
            std::vector<std::string>{kRtpengine, "--config-file=none", "--table=-1",
                                     "--interface=127.0.0.1", "--listen-ng=127.0.0.1:" + port,
                                     "--port-min=40000", "--port-max=40998", "--delete-delay=0",
                                     "--foreground", "--log-stderr"},
            client_.scratch() / "engine.out", client_.scratch() / "engine.log");
        return eventually([&] { return is_bound(engine_port_); });
    }
    static bool is_installed() { return ::access(kRtpengine, X_OK) == 0; }

    std::string config(std::vector<std::uint16_t> ports, std::string_view more = "") const {
        std::string instances;
        for (const std::uint16_t port : ports)
            instances += (instances.empty() ? "\"127.0.0.1:" : ", \"127.0.0.1:") +
                         std::to_string(port) + '"';
        return "[media]\nplane = \"rtpengine\"\ninstances = [" + instances + "]\n" +
               std::string(more) + "[client]\nservers = [\"" + server_.sip_uri() + "\"]\n";
    }
    json call(std::vector<std::string> arguments = {"--duration", "2"}) const {
        return client_.call(std::move(arguments));
    }
    static void expect_undisturbed(const json& run, std::size_t calls = 1) {
        ASSERT_TRUE(run.is_object());
        EXPECT_EQ(run["summary"]["results"], json({{"ok", calls}})) << run.dump(1);
        EXPECT_EQ(run["summary"]["packets"]["lost"], 0U) << run["summary"];
    }
    void expect_recorded(std::size_t count = 1) {
        const json recordings = server_.wait_for_recordings(count);
        ASSERT_EQ(recordings.size(), count) << client_.log();
        for (const json& recording : recordings) {
            EXPECT_EQ(recording["state"], "complete") << recording.dump(1);
            ASSERT_EQ(recording["streams"].size(), 2U) << recording.dump(1);
            for (const json& stream : recording["streams"]) {
                EXPECT_GT(stream["packets"], 50U) << recording.dump(1);
                EXPECT_EQ(stream["lost"], 0U) << recording.dump(1);
            }
        }
    }
    // What doctor says of the plane.
    json check() const {
        const Output doctor = client_.run({"doctor", "--client", "--json"});
        const json view = json::parse(doctor.out, nullptr, false);
        if (!view.is_object()) return {};
        for (const json& one : view["checks"])
            if (one["name"] == "media_plane") return one;
        return {};
    }
    bool says(std::string_view text) const {
        return eventually([&] { return check().dump().find(text) != std::string::npos; });
    }

    const std::uint16_t engine_port_ = free_port();
    TestServer server_;
    TestClient client_;
    std::unique_ptr<Process> engine_;
};

TEST_F(Rtpengine, RelaysAndForksARecordedCall) {
    if (!is_installed()) GTEST_SKIP() << "rtpengine is not installed";
    ASSERT_TRUE(start_engine());
    ASSERT_TRUE(client_.start(config({engine_port_}, "on_failure = \"refuse\"\n")))
        << client_.log();
    expect_undisturbed(call());
    expect_recorded();
    EXPECT_TRUE(says("1 calls went to the media plane")) << check();
    EXPECT_EQ(client_.stop(), 0) << client_.log();
}

TEST_F(Rtpengine, HoldsAndPausesAndGoesOn) {
    if (!is_installed()) GTEST_SKIP() << "rtpengine is not installed";
    ASSERT_TRUE(start_engine());
    ASSERT_TRUE(client_.start(config({engine_port_}, "on_failure = \"refuse\"\n") + R"(
[[client.on]]
name = "hold"
event = "hold"
action = "pause"
[[client.on]]
name = "unhold"
event = "unhold"
action = "resume"
)")) << client_.log();
    const json run = call({"--duration", "8", "--hold-at", "1"});
    EXPECT_EQ(run["summary"]["results"], json({{"ok", 1U}})) << run.dump(1);
    const json recordings = server_.wait_for_recordings(1);
    ASSERT_EQ(recordings.size(), 1U) << client_.log();
    std::uint64_t recorded = 0;
    for (const json& stream : recordings[0]["streams"])
        recorded += stream["packets"].get<std::uint64_t>();
    EXPECT_GT(recorded, 50U) << recordings[0].dump(1);
    EXPECT_LT(recorded, run["summary"]["packets"]["sent"].get<std::uint64_t>());
    EXPECT_NE(client_.log().find("recording: pause"), std::string::npos);
    EXPECT_NE(client_.log().find("recording: resume"), std::string::npos);
}

TEST_F(Rtpengine, IsReplacedByOurOwnRelayWhileItIsNotThere) {
    ASSERT_TRUE(client_.start(config({engine_port_}))) << client_.log();
    expect_undisturbed(call());
    expect_recorded();
    EXPECT_TRUE(says("is not running there")) << check();
    EXPECT_EQ(check()["state"], "warning") << check();
}

TEST_F(Rtpengine, IsMissedWhereNothingElseMayRelay) {
    ASSERT_TRUE(client_.start(config({engine_port_}, "on_failure = \"refuse\"\n")))
        << client_.log();
    const json run = call();
    EXPECT_EQ(run["calls"][0]["sip_status"], 503) << run.dump(1);
    EXPECT_EQ(server_.list().size(), 0U);
    EXPECT_TRUE(says("is not running there")) << check();
    EXPECT_EQ(check()["state"], "failed") << check();
}

TEST_F(Rtpengine, TakesCallsAgainAfterItWasKilledAndRestarted) {
    if (!is_installed()) GTEST_SKIP() << "rtpengine is not installed";
    ASSERT_TRUE(start_engine());
    ASSERT_TRUE(client_.start(config({engine_port_}))) << client_.log();
    expect_undisturbed(call());
    engine_->signal(SIGKILL);
    engine_->wait();
    expect_undisturbed(call());  // by our own relay
    ASSERT_TRUE(start_engine());
    EXPECT_TRUE(eventually([&] {
        return check().dump().find("is not running there") == std::string::npos;
    })) << check();
    expect_undisturbed(call());
    expect_recorded(3);
    EXPECT_TRUE(says("2 calls went to the media plane, 1 to the built-in relay")) << check();
}

TEST_F(Rtpengine, TellsOfCallsWhoseMediaDiesWithIt) {
    if (!is_installed()) GTEST_SKIP() << "rtpengine is not installed";
    ASSERT_TRUE(start_engine());
    ASSERT_TRUE(client_.start(config({engine_port_}))) << client_.log();
    const auto phones = client_.begin_call({"--duration", "6"});
    ASSERT_TRUE(eventually([&] {
        return client_.log().find("recording: start") != std::string::npos;
    })) << client_.log();
    engine_->signal(SIGKILL);
    engine_->wait();
    EXPECT_TRUE(eventually([&] {
        return client_.log().find("recording: media_fault") != std::string::npos;
    })) << client_.log();
    phones->wait();
}

TEST_F(Rtpengine, PassesOverAnInstanceThatAnswersNonsense) {
    for (const std::string answer :
         {"gibberish", "d6:result2:ok3:sdp7:gibberie", "d6:result2:oke"}) {
        NonsensePlane nonsense(answer);
        TestClient client;
        ASSERT_TRUE(client.start(config({nonsense.port()}))) << client.log();
        expect_undisturbed(client.call({"--duration", "1"}));
        EXPECT_EQ(client.stop(), 0) << client.log();
    }
    EXPECT_EQ(server_.wait_for_recordings(3).size(), 3U);
}

}  // namespace
}  // namespace earshot::integration
