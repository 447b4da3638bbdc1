#include "relay/relay_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/random.h"
#include "io/clock.h"
#include "relay/key_reader.h"
#include "relay/relay_test_rig.h"
#include "relay/socket_packet_io.h"

namespace earshot::relay::test {
namespace {

// Has no room for sockets at first.
class FullPacketIo : public PacketIo {
public:
    explicit FullPacketIo(std::atomic<int>& added) : added_(added) {}
    bool begin() override { return true; }
    bool add(Port& port) override {
        if (refusals_ > 0) return --refusals_, false;
        port.is_read = true;
        ++added_;
        return true;
    }
    void remove(Port& port) override { port.is_read = false; }
    void send(Port& /*port*/, base::ByteView /*bytes*/, const io::SocketAddress* /*to*/) override {}
    void turn(Sink& sink, base::TimePoint /*now*/, std::chrono::milliseconds /*limit*/) override {
        sink.on_turn(true);
        std::this_thread::yield();
    }
    void flush() override {}
    void wake() override {}
    const char* name() const override { return "full"; }

private:
    std::atomic<int>& added_;
    int refusals_ = 3;
};

TEST(RelayWorker, ASocketThatCannotBeWaitedForIsCountedAndTriedAgain) {
    const io::SystemClock clock;
    base::SystemRandom random;
    const auto host = *base::parse_host("127.0.0.1", 0);
    io::MediaPorts ports({.bind_host = host,
                          .other_bind_host = std::nullopt,
                          .first_port = 21000,
                          .last_port = 21999,
                          .max_pairs = 100,
                          .rtp = {.receive_buffer_bytes = 0, .is_stamped = false},
                          .rtcp = {.receive_buffer_bytes = 0, .is_stamped = false}},
                         random);
    KeyQueue keys({});
    std::atomic<int> added{0};
    RelayWorker worker(
        std::make_unique<FullPacketIo>(added), ports, clock,
        RelayWorker::Options{.keeps_ports_ready = false, .ring_blocks = 0, .on_silent = {}}, keys);
    ASSERT_TRUE(worker.start("relay-test"));
    const auto pair = [&] { return *ports.take(clock.now().steady, false); };
    ASSERT_TRUE(worker.give(OpenLine{.line = 1,
                                     .call = kCall,
                                     .pairs = {pair(), pair()},
                                     .counters = std::make_shared<LineCounters>()}));
    const Remote remote{.rtp = host, .rtcp = host, .hosts = {host}};
    ASSERT_TRUE(worker.give(SetRemotes{.line = 1, .legs = {remote, remote}}));
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    while (added < 4 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    EXPECT_EQ(added, 4);
    EXPECT_EQ(worker.unread(), 3U);
    worker.stop();
}

TEST(SocketPacketIo, TellsThatASocketCannotBeWaitedFor) {
    auto io = SocketPacketIo::create();
    ASSERT_TRUE(io);
    std::optional<io::UdpPair> pair;
    for (std::uint16_t number = 22000; !pair && number < 23000; number += 2)
        if (auto bound = io::bind_udp_pair(*base::parse_host("127.0.0.1", number)))
            pair = *std::move(bound);
    ASSERT_TRUE(pair);
    Port port(std::move(pair->rtp), io::SocketKind::Rtp);
    port.socket.close();
    EXPECT_FALSE((*io)->add(port));
    EXPECT_FALSE(port.is_read);
}

}  // namespace
}  // namespace earshot::relay::test
