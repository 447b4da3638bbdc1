#include "relay/packet_flow.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>

#include "relay/relay_test_rig.h"

namespace earshot::relay::test {
namespace {

class NoPacketIo : public PacketIo {
public:
    bool begin() override { return true; }
    bool add(Port& /*port*/) override { return true; }
    void remove(Port& /*port*/) override {}
    void send(Port& /*port*/, base::ByteView /*bytes*/, const io::SocketAddress* /*to*/) override {
        ++sent;
    }
    void turn(Sink& /*sink*/, base::TimePoint /*now*/,
              std::chrono::milliseconds /*limit*/) override {}
    void flush() override {}
    void wake() override {}
    const char* name() const override { return "none"; }

    std::size_t sent = 0;
};

io::UdpPair some_pair() {
    for (std::uint16_t port = 30000; port < 40000; port += 2)
        if (auto pair = io::bind_udp_pair(*base::parse_host("127.0.0.1", port)))
            return *std::move(pair);
    std::abort();
}

// A broadcast address refuses who does not say that it wants to broadcast: a stand-in for a route
// that is not there yet.
TEST(PacketFlow, AForkThatFoundNoWayCountsWhatItCannotSendAndTriesAgain) {
    LineFlow line({some_pair(), some_pair()}, std::make_shared<LineCounters>());
    ForkFlow fork(some_pair(), std::make_shared<ForkCounters>());
    fork.line = &line;
    line.sides[0].forks.push_back(&fork);
    const auto nowhere = *base::parse_host("127.255.255.255", 4000);
    constexpr std::int64_t kNow = 1'000'000'000;
    set_fork(fork, nowhere, {}, Stop::Wanted, kNow);
    EXPECT_FALSE(fork.is_open);

    const Peer phone("127.0.0.2");
    set_remote(line, Leg::A, {.rtp = phone.rtp(), .rtcp = {}, .hosts = {phone.rtp()}});
    NoPacketIo io;
    PacketForwarder forwarder(io, {});
    forwarder.set_now(base::TimePoint{std::chrono::hours{1}});
    forwarder.on_packet(line.port(Leg::A, io::SocketKind::Rtp), rtp_packet(1), phone.rtp());
    EXPECT_EQ(io.sent, 0U);
    EXPECT_EQ(fork.counters->rtp.read().dropped, 1U);

    const int yes = 1;
    ASSERT_EQ(
        ::setsockopt(fork.ports[0].socket.descriptor(), SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes),
        0);
    open_fork(fork, kNow);
    EXPECT_TRUE(fork.is_open);
    forwarder.on_packet(line.port(Leg::A, io::SocketKind::Rtp), rtp_packet(2), phone.rtp());
    EXPECT_EQ(io.sent, 1U);
    EXPECT_EQ(fork.counters->rtp.read().dropped, 1U);
}

}  // namespace
}  // namespace earshot::relay::test
