// Recorded calls with each way of reading media, by the real binary in a network namespace of its
// own, and what the server says where a way is forbidden.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <thread>

#include "integration/harness.h"
#include "integration/own_network.h"

namespace earshot::integration {
namespace {

// Of the calling thread and what it starts: io_uring_setup fails, as in most containers.
void forbid_io_uring() {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{.len = std::size(code), .filter = code};
    ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

class ReaderCalls : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        if (!test::has_own_network()) GTEST_SKIP() << "A network namespace of its own takes root.";
    }
    bool start(const std::string& reader) {
        return server_.start({}, {"EARSHOT_MEDIA_READER=" + reader});
    }
    // Starts it in a thread that may do less.
    bool start_limited(const std::string& reader, void (*limit)()) {
        bool has_started = false;
        std::thread([&] {
            limit();
            has_started = start(reader);
        }).join();
        return has_started;
    }
    void expect_call_is_recorded(const std::string& host = "127.0.0.1") {
        const std::size_t before = server_.list().size();
        const Output call =
            server_.run({"call", "--to", server_.sip_uri("udp", host), "--duration", "2"});
        EXPECT_EQ(call.exit_code, 0) << call.out << call.err << server_.log();
        const nlohmann::json recordings = server_.wait_for_recordings(before + 1);
        ASSERT_EQ(recordings.size(), before + 1) << server_.log();
        EXPECT_EQ(recordings[0]["state"], "complete") << recordings;
        ASSERT_EQ(recordings[0]["streams"].size(), 2U) << recordings;
        for (const auto& stream : recordings[0]["streams"]) {
            EXPECT_EQ(stream["packets"], 100) << recordings;
            EXPECT_EQ(stream["lost"], 0) << recordings;
        }
    }
    std::string doctor() const { return server_.run({"doctor"}).out; }

    TestServer server_;
};

TEST_P(ReaderCalls, AreRecordedWholeOverBothIpFamilies) {
    server_.listen_at("127.0.0.1,[::1]");
    ASSERT_TRUE(start(GetParam())) << server_.log();
    EXPECT_NE(doctor().find(std::string("Media is read by ") + GetParam()), std::string::npos)
        << doctor();
    expect_call_is_recorded();
    expect_call_is_recorded("[::1]");
    EXPECT_NE(doctor().find(" 0 at full packet rings"), std::string::npos) << doctor();
    EXPECT_EQ(server_.stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(Readers, ReaderCalls,
                         testing::Values("sockets", "io_uring", "packet_ring"),
                         [](const auto& each) { return std::string(each.param); });

class ForbiddenReader : public ReaderCalls {};

TEST_F(ForbiddenReader, IoUringGivesWayToSockets) {
    ASSERT_TRUE(start_limited("io_uring", forbid_io_uring)) << server_.log();
    EXPECT_NE(server_.log().find("io_uring cannot be used"), std::string::npos) << server_.log();
    EXPECT_NE(doctor().find("Media is read by sockets. io_uring cannot be used"), std::string::npos)
        << doctor();
    expect_call_is_recorded();
}

TEST_F(ForbiddenReader, APacketRingThatIsForbiddenEndsTheStartAndSaysWhatIsMissing) {
    EXPECT_FALSE(start_limited(
        "packet_ring", [] { ASSERT_EQ(::prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0), 0); }));
    EXPECT_NE(server_.log().find("CAP_NET_RAW"), std::string::npos) << server_.log();
    EXPECT_FALSE(start_limited(
        "packet_ring", [] { ASSERT_EQ(::prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN, 0, 0, 0), 0); }));
    EXPECT_NE(server_.log().find("CAP_NET_ADMIN"), std::string::npos) << server_.log();
}

TEST_F(ForbiddenReader, ThePacketRingRefusesPortsThatOtherProgramsAreGiven) {
    const char* given = "/proc/sys/net/ipv4/ip_local_port_range";
    const std::string before = read_file(given);
    write_file(given, "1024 60999");
    EXPECT_FALSE(start("packet_ring"));
    write_file(given, before);
    EXPECT_NE(server_.log().find("ip_local_port_range"), std::string::npos) << server_.log();
}

TEST_F(ForbiddenReader, NoRuleOutlivesAKilledServer) {
    const auto rules = [] { return run_command({"nft", "list", "ruleset"}).out; };
    ASSERT_TRUE(start("packet_ring")) << server_.log();
    EXPECT_NE(rules().find("udp dport"), std::string::npos) << "Is nftables missing?";
    server_.kill();
    EXPECT_EQ(rules().find("udp dport"), std::string::npos) << rules();
    ASSERT_TRUE(start("sockets")) << server_.log();
    expect_call_is_recorded();
}

}  // namespace
}  // namespace earshot::integration
