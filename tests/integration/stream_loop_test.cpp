// StreamLoop over loopback sockets: TCP and TLS at one port, and what peers may not do to it.
#include "transport/stream_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "integration/tcp_client.h"
#include "io/tls_session.h"
#include "io/tls_test_authority.h"

namespace earshot::transport {
namespace {

using integration::TcpClient;
using std::chrono::milliseconds;

bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 600; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(milliseconds{50});
    }
    return false;
}

// Sends back what comes, on a thread of its own.
class Echo : public StreamLoop::Handler {
public:
    explicit Echo(StreamLoopOptions options) {
        options.protocol = "test";
        auto loop = StreamLoop::create({*base::parse_host("127.0.0.1", 0)}, log_, options);
        EXPECT_TRUE(loop);
        loop_ = std::move(*loop);
        thread_ = std::jthread([this] { loop_->run(*this); });
    }
    ~Echo() override { loop_->stop(); }

    void on_open(StreamLoop::ConnectionId connection, const base::NetAddress& /*remote*/,
                 const io::TlsPeer* peer) override {
        last = connection;
        is_tls = peer != nullptr;
        ++opened;
    }
    void on_bytes(StreamLoop::ConnectionId connection, base::ByteView bytes) override {
        octets += bytes.size();
        if (answers) loop_->send(connection, std::string(base::as_text(bytes)));
    }
    void on_closed(StreamLoop::ConnectionId /*connection*/) override { ++closed; }
    void on_writable(StreamLoop::ConnectionId /*connection*/) override { ++writable; }
    void on_tick() override { ++ticks; }

    void on_loop(const std::function<void(StreamLoop&)>& work) {
        std::promise<void> done;
        loop_->post([&] {
            work(*loop_);
            done.set_value();
        });
        done.get_future().wait();
    }
    std::uint16_t port() const { return loop_->local_addresses().at(0).port; }
    const StreamLoop::Counters& counters() const { return loop_->counters(); }

    std::atomic<StreamLoop::ConnectionId> last{0};
    std::atomic<bool> is_tls{false};
    std::atomic<bool> answers{true};
    std::atomic<int> opened{0};
    std::atomic<int> closed{0};
    std::atomic<int> writable{0};
    std::atomic<int> ticks{0};
    std::atomic<std::size_t> octets{0};

private:
    base::NullLog log_;
    std::unique_ptr<StreamLoop> loop_;
    std::jthread thread_;
};

class StreamLoopTest : public testing::Test {
protected:
    StreamLoopTest() {
        char name[] = "/tmp/earshot-stream-XXXXXX";
        directory_ = ::mkdtemp(name);
        authority_.emplace(directory_);
    }
    ~StreamLoopTest() override { std::filesystem::remove_all(directory_); }

    std::shared_ptr<const io::TlsContext> load(const io::TlsSettings& settings) const {
        auto context = io::TlsContext::load(settings);
        EXPECT_TRUE(context);
        return *context;
    }
    std::shared_ptr<const io::TlsContext> server_tls() const {
        return load({.identities = {authority_->issue(
                         "server", {.alternative_names = "DNS:rec.example.com"})},
                     .ca_file = authority_->ca_file()});
    }

    std::filesystem::path directory_;
    std::optional<io::TestAuthority> authority_;
};

TEST_F(StreamLoopTest, CarriesPlainOctetsBothWays) {
    Echo echo({});
    TcpClient client(echo.port());
    client.send("MSRP hello");
    EXPECT_EQ(client.receive_bytes(), "MSRP hello");
    EXPECT_FALSE(echo.is_tls);
}

// Who sends more than the peer takes can wait instead of being closed.
TEST_F(StreamLoopTest, TellsWhatWaitsForAPeerAndWhenItHasAllOfIt) {
    Echo echo({.max_queued_bytes = 64U << 20});
    TcpClient client(echo.port());
    client.send("MSRP hello");
    EXPECT_EQ(client.receive_bytes(), "MSRP hello");
    ASSERT_TRUE(eventually([&] { return echo.writable > 0; }));
    const int before = echo.writable;
    constexpr std::size_t kMany = 32U << 20;  // more than the sockets of both ends hold
    std::size_t queued = 0;
    echo.on_loop([&](StreamLoop& loop) {
        loop.send(echo.last, std::string(kMany, 'x'));
        queued = loop.queued_bytes(echo.last);
    });
    EXPECT_GT(queued, 0U);
    std::size_t read = 0;
    while (read < kMany) {
        const std::size_t more = client.receive_bytes().size();
        ASSERT_GT(more, 0U);
        read += more;
    }
    EXPECT_TRUE(eventually([&] { return echo.writable > before; }));
    echo.on_loop([&](StreamLoop& loop) { queued = loop.queued_bytes(echo.last); });
    EXPECT_EQ(queued, 0U);
}

TEST_F(StreamLoopTest, TellsTlsFromPlainOctetsAtTheSamePort) {
    Echo echo({.tls = server_tls()});
    TcpClient plain(echo.port());
    plain.send("MSRP plain");
    EXPECT_EQ(plain.receive_bytes(), "MSRP plain");

    TcpClient client(echo.port());
    const auto tls =
        io::TlsSession::connect(load({.ca_file = authority_->ca_file()}), "rec.example.com");
    std::string secret = "MSRP sealed";
    std::string plain_text;
    for (int i = 0; i < 20 && plain_text.empty() && !tls->failure(); ++i) {
        client.send(tls->take_output());
        tls->on_bytes(base::as_bytes(client.receive_bytes(1000)));
        if (tls->is_open() && !secret.empty()) tls->write(std::exchange(secret, {}));
        plain_text += base::as_text(tls->take_plain());
    }
    EXPECT_EQ(plain_text, "MSRP sealed");
    EXPECT_TRUE(echo.is_tls);
    EXPECT_EQ(echo.counters().tls_failures, 0U);
}

TEST_F(StreamLoopTest, WithoutACertificateAHandshakeIsClosed) {
    Echo echo({});
    TcpClient client(echo.port());
    client.send("\x16\x03\x01");
    EXPECT_TRUE(client.is_closed_by_peer());
    EXPECT_EQ(echo.opened, 0);
}

TEST_F(StreamLoopTest, ConnectsByTlsToWhoHasTheName) {
    Echo server({.tls = server_tls()});
    Echo client({.tls = load({.ca_file = authority_->ca_file()})});
    client.answers = false;
    const base::NetAddress to = *base::parse_host("127.0.0.1", server.port());
    client.on_loop([&](StreamLoop& loop) { EXPECT_NE(loop.connect(to, "rec.example.com"), 0U); });
    ASSERT_TRUE(eventually([&] { return client.opened == 1; }));
    client.on_loop([&](StreamLoop& loop) { loop.send(client.last, "MSRP out"); });
    EXPECT_TRUE(eventually([&] { return client.octets == 8; }));
    client.on_loop([&](StreamLoop& loop) { EXPECT_NE(loop.connect(to, "other.example.com"), 0U); });
    EXPECT_TRUE(eventually([&] { return client.closed == 1; }));
    EXPECT_EQ(client.opened, 1);
}

TEST_F(StreamLoopTest, TellsThatNobodyIsThere) {
    Echo echo({});
    const std::uint16_t nobody = [] {
        const Echo gone({});
        return gone.port();
    }();
    echo.on_loop(
        [&](StreamLoop& loop) { loop.connect(*base::parse_host("127.0.0.1", nobody), {}); });
    EXPECT_TRUE(eventually([&] { return echo.closed == 1; }));
    EXPECT_EQ(echo.opened, 0);
}

TEST_F(StreamLoopTest, AConnectionThatIsNotReadMakesItsPeerWait) {
    Echo echo({});
    echo.answers = false;
    TcpClient client(echo.port());
    client.send("M");
    ASSERT_TRUE(eventually([&] { return echo.octets == 1; }));
    echo.on_loop([&](StreamLoop& loop) { loop.set_reading(echo.last, false); });
    client.send("SRP");
    const int before = echo.ticks;
    ASSERT_TRUE(eventually([&] { return echo.ticks >= before + 2; }));
    EXPECT_LE(echo.octets, 4U);  // one read was under way
    echo.on_loop([&](StreamLoop& loop) { loop.set_reading(echo.last, true); });
    EXPECT_TRUE(eventually([&] { return echo.octets == 4; }));
}

TEST_F(StreamLoopTest, WhoSaysNothingIsClosed) {
    Echo echo({.first_bytes_time = milliseconds{100}, .tick = milliseconds{20}});
    TcpClient client(echo.port());
    EXPECT_TRUE(client.is_closed_by_peer());
    EXPECT_EQ(echo.opened, 0);
}

TEST_F(StreamLoopTest, AHostHasSoManyConnections) {
    Echo echo({.max_connections_per_host = 2});
    TcpClient one(echo.port());
    TcpClient two(echo.port());
    ASSERT_TRUE(eventually([&] { return echo.counters().connections == 2; }));
    TcpClient three(echo.port());
    EXPECT_TRUE(three.is_closed_by_peer());
    EXPECT_EQ(echo.counters().connections_refused, 1U);
}

TEST_F(StreamLoopTest, APeerThatDoesNotReadIsClosed) {
    Echo echo({.max_queued_bytes = 1U << 20});
    echo.answers = false;
    TcpClient client(echo.port());
    client.send("M");
    ASSERT_TRUE(eventually([&] { return echo.opened == 1; }));
    // More than the kernel takes for it.
    echo.on_loop([&](StreamLoop& loop) {
        for (int i = 0; i < 40; ++i) loop.send(echo.last, std::string(1U << 20, 'x'));
    });
    EXPECT_TRUE(eventually([&] { return echo.closed == 1; }));
}

TEST_F(StreamLoopTest, WhatWasSentGoesOutBeforeTheClose) {
    Echo echo({});
    echo.answers = false;
    TcpClient client(echo.port());
    client.send("M");
    ASSERT_TRUE(eventually([&] { return echo.opened == 1; }));
    echo.on_loop([&](StreamLoop& loop) {
        loop.send(echo.last, "goodbye");
        loop.close(echo.last);
    });
    EXPECT_EQ(client.receive_bytes(), "goodbye");
    EXPECT_TRUE(client.is_closed_by_peer());
    EXPECT_EQ(echo.closed, 0);
}

}  // namespace
}  // namespace earshot::transport
