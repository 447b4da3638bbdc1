// SipLoop over loopback sockets, with limits short enough to be met.
#include "transport/sip_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <future>
#include <thread>

#include "integration/tcp_client.h"

namespace earshot::transport {
namespace {

using integration::TcpClient;
using std::chrono::milliseconds;

class SilentHandler : public SipLoop::Handler {
public:
    void on_bytes(const sip::Flow& /*flow*/, base::Bytes&& /*bytes*/) override { ++messages; }
    void on_broken_stream(const sip::Flow& /*flow*/, const sip::StreamEvent& /*event*/) override {}
    void on_flow_closed(const sip::Flow& /*flow*/) override { ++closed; }
    void on_send_failed(sip::TransactionId /*transaction*/) override {}
    void on_deadline() override {}
    std::atomic<int> messages{0};
    std::atomic<int> closed{0};
};

class Loop : public testing::Test {
protected:
    void run(const SipLoopOptions& options) {
        auto loop = SipLoop::create(
            {{.transport = sip::Transport::Tcp, .address = *base::parse_host("127.0.0.1", 0)}},
            log_, options);
        ASSERT_TRUE(loop);
        loop_ = std::move(*loop);
        port_ = loop_->local_address(0).port;
        thread_ = std::jthread([this] { loop_->run(handler_); });
    }
    ~Loop() override {
        if (loop_) loop_->stop();
    }

    base::NullLog log_;
    SilentHandler handler_;
    std::unique_ptr<SipLoop> loop_;
    std::uint16_t port_ = 0;
    std::jthread thread_;
};

const std::string kMessage =
    "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c\r\nContent-Length: 0\r\n\r\n";

TEST_F(Loop, ClosesAConnectionThatNeverSaysAnything) {
    run({.first_message_time = milliseconds{100}});
    TcpClient silent(port_);
    EXPECT_TRUE(silent.is_closed_by_peer());
    EXPECT_EQ(loop_->counters().connections_timed_out, 1U);
}

TEST_F(Loop, ClosesOneWhoseMessageDoesNotEndHoweverSlowlyItDrips) {
    run({.message_time = milliseconds{300}});
    TcpClient slow(port_);
    slow.send(kMessage);
    for (int i = 0; i < 8 && !slow.is_closed_by_peer(300); ++i)
        slow.send(kMessage.substr(static_cast<std::size_t>(i), 1));
    EXPECT_TRUE(slow.is_closed_by_peer());
    EXPECT_EQ(handler_.messages, 1);
}

TEST_F(Loop, ClosesOneThatRestsTooLongAndKeepsOneThatTalks) {
    run({.idle_time = milliseconds{1500}});
    TcpClient resting(port_);
    resting.send(kMessage);
    TcpClient talking(port_);
    for (int i = 0; i < 10; ++i) {
        talking.send(kMessage);
        EXPECT_FALSE(talking.is_closed_by_peer(300));
    }
    EXPECT_TRUE(resting.is_closed_by_peer());
}

TEST_F(Loop, CallsAgainForWhatWasNotReadOfAWatchedDescriptor) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), 0);
    run({});
    std::string read;
    std::promise<void> is_whole;
    loop_->post([&] {
        loop_->watch(ends[0], [&] {
            char octet = 0;
            if (::read(ends[0], &octet, 1) != 1) return;
            read += octet;
            if (read.size() == 3) is_whole.set_value();
        });
    });
    ASSERT_EQ(::write(ends[1], "abc", 3), 3);
    ASSERT_EQ(is_whole.get_future().wait_for(std::chrono::seconds{30}), std::future_status::ready);
    EXPECT_EQ(read, "abc");
    loop_->stop();
    thread_.join();
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_F(Loop, TakesNoMoreConnectionsOfAHostThanItsShare) {
    run({.max_connections_per_host = 2});
    TcpClient first(port_);
    TcpClient second(port_);
    TcpClient third(port_);
    EXPECT_TRUE(third.is_closed_by_peer());
    EXPECT_FALSE(first.is_closed_by_peer(100));
    EXPECT_EQ(loop_->counters().connections_refused, 1U);
}

}  // namespace
}  // namespace earshot::transport
