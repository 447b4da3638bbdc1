// What is a packet ring's alone, and its rule's: real packets in a network namespace of its own.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "base/time.h"
#include "integration/own_network.h"
#include "io/ingress_drop.h"
#include "io/packet_ring_reader.h"

namespace earshot::io {
namespace {

using base::Bytes;

constexpr std::uint16_t kFirstPort = 24000;
constexpr std::uint16_t kLastPort = 24999;
constexpr std::uint32_t kPacedTicks = 10;

std::string run(const std::string& command) {
    std::string output;
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen((command + " 2>&1").c_str(), "r"),
                                                     &::pclose);
    std::array<char, 4096> part{};
    while (pipe && std::fgets(part.data(), part.size(), pipe.get()) != nullptr)
        output += part.data();
    return output;
}
bool has_nft() { return !run("command -v nft").empty(); }

std::uint64_t udp_datagrams_received() {
    std::ifstream file("/proc/thread-self/net/snmp");
    std::string line;
    std::uint64_t received = 0;
    while (std::getline(file, line))
        if (std::sscanf(line.c_str(), "Udp: %lu", &received) == 1) return received;
    return received;
}

class Counter : public MediaReader::Sink {
public:
    void on_datagram(MediaFlow&, SocketKind, const Datagram& datagram) override {
        sizes.push_back(datagram.bytes.size());
    }
    void on_discarded(MediaFlow&, std::uint64_t) override {}
    std::vector<std::size_t> sizes;
};

class PacketRingTest : public testing::Test {
protected:
    void SetUp() override {
        if (!test::has_own_network()) GTEST_SKIP() << "A network namespace of its own takes root.";
        test::stay_on_one_cpu();
        auto found = find_media_traffic({host});
        ASSERT_TRUE(found);
        traffic = *found;
        traffic.first_port = kFirstPort;
        traffic.last_port = kLastPort;
        traffic.max_ip_bytes = kMaxRingPacketBytes;
    }
    void TearDown() override {
        if (flow && reader) reader->remove(*flow);
    }
    void start(std::size_t bytes = std::size_t{4} << 20) {
        auto made = PacketRingReader::create(traffic, bytes);
        ASSERT_TRUE(made) << made.error().text;
        reader = std::move(*made);
        auto installed = IngressDrop::install(traffic);
        ASSERT_TRUE(installed) << installed.error().text;
        drop = std::move(*installed);
    }
    void open(std::int64_t opened_ns = 0) {
        static std::uint16_t next_port = kFirstPort;
        base::NetAddress address = host;
        address.port = std::exchange(next_port, next_port + 2);
        auto pair = bind_udp_pair(address);
        ASSERT_TRUE(pair);
        flow = std::make_unique<MediaFlow>(std::move(*pair));
        flow->opened_ns = opened_ns;
        reader->add(*flow);
    }
    void send(std::size_t size, int count = 1) {
        for (int i = 0; i < count; ++i)
            ASSERT_TRUE(sender->send(Bytes(size), flow->sockets.rtp.local_address()));
        test::wait_for_arrival();
    }
    void ticks(std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            ++now;
            while (reader->read(now, sink)) {
            }
            if (now % kPacedTicks == 0) reader->visit(*flow, SocketKind::Rtp, sink);
        }
    }
    // Of 4 bytes, as a network card without offload gives it: the UDP checksum is in the packet.
    // `options`: of IPv4, whole words.
    Bytes raw_packet(std::uint16_t checksum_error, const Bytes& options = {}) const {
        Bytes packet = {0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1};
        packet[0] = static_cast<std::uint8_t>(0x45 + options.size() / 4);
        packet[3] = static_cast<std::uint8_t>(32 + options.size());
        const std::uint16_t port = flow->sockets.rtp.local_address().port;
        const Bytes udp = {0x10,
                           0x68,
                           static_cast<std::uint8_t>(port >> 8),
                           static_cast<std::uint8_t>(port),
                           0,
                           12,
                           0,
                           0,
                           'a',
                           'b',
                           'c',
                           'd'};
        packet.insert(packet.end(), udp.begin(), udp.end());
        std::uint32_t sum = 17 + 12;
        for (std::size_t i = 12; i < packet.size(); i += 2)
            sum += static_cast<std::uint32_t>(packet[i] << 8 | packet[i + 1]);
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        const auto checksum = static_cast<std::uint16_t>(~sum + checksum_error);
        packet[26] = static_cast<std::uint8_t>(checksum >> 8);
        packet[27] = static_cast<std::uint8_t>(checksum);
        packet.insert(packet.begin() + 20, options.begin(), options.end());
        return packet;
    }
    void send_raw(std::uint16_t checksum_error, const Bytes& options = {}) const {
        const Bytes packet = raw_packet(checksum_error, options);
        const FileDescriptor socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        ASSERT_EQ(::sendto(socket.get(), packet.data(), packet.size(), 0,
                           reinterpret_cast<sockaddr*>(&to), sizeof to),
                  static_cast<ssize_t>(packet.size()));
        test::wait_for_arrival();
    }
    // In an Ethernet frame of a VLAN (IEEE 802.1Q).
    void send_tagged(std::uint8_t vlan) const {
        Bytes packet = raw_packet(0);
        std::uint32_t sum = 0;  // the kernel fills it in for raw IP sockets only
        for (std::size_t i = 0; i < 20; i += 2)
            sum += static_cast<std::uint32_t>(packet[i] << 8 | packet[i + 1]);
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        packet[10] = static_cast<std::uint8_t>(~sum >> 8);
        packet[11] = static_cast<std::uint8_t>(~sum);
        Bytes frame(12);  // the loopback's addresses
        for (const int byte : {0x81, 0x00, 0x00, int{vlan}, 0x08, 0x00})
            frame.push_back(static_cast<std::uint8_t>(byte));
        frame.insert(frame.end(), packet.begin(), packet.end());
        const FileDescriptor socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = static_cast<int>(::if_nametoindex("lo"));
        to.sll_halen = 6;
        ASSERT_EQ(::sendto(socket.get(), frame.data(), frame.size(), 0,
                           reinterpret_cast<sockaddr*>(&to), sizeof to),
                  static_cast<ssize_t>(frame.size()));
        test::wait_for_arrival();
    }

    const base::NetAddress host = *base::parse_net_address("127.0.0.1:0");
    MediaTraffic traffic;
    std::optional<IngressDrop> drop;
    std::unique_ptr<PacketRingReader> reader;
    std::unique_ptr<MediaFlow> flow;
    Counter sink;
    base::Result<UdpSocket> sender = UdpSocket::bind(host);
    std::uint64_t now = 0;
};

TEST_F(PacketRingTest, KeepsMediaFromTheKernelsUdp) {
    start();
    open();
    send(172, 50);
    const std::uint64_t before = udp_datagrams_received();
    ticks(2 * kPacedTicks);
    EXPECT_EQ(sink.sizes, std::vector<std::size_t>(50, 172));
    EXPECT_EQ(udp_datagrams_received(), before);
    send(kMaxRingPacketBytes - 28);
    send(kMaxRingPacketBytes - 27);  // does not fit into a slot
    const std::uint64_t fences = udp_datagrams_received();
    ticks(6 * kPacedTicks);
    EXPECT_EQ(sink.sizes.size(), 52U);
    EXPECT_EQ(udp_datagrams_received(), fences + 1);
}

TEST_F(PacketRingTest, WhatIsNotTheRingsComesByTheSocket) {
    traffic.addresses = {*base::parse_net_address("[::1]:0")};
    start();
    open();
    send(172, 20);
    ticks(1);
    EXPECT_TRUE(sink.sizes.empty());
    ticks(6 * kPacedTicks);
    EXPECT_EQ(sink.sizes.size(), 20U);
}

TEST_F(PacketRingTest, RefusesAWrongChecksumAsTheKernelWould) {
    start();
    open();
    send_raw(0);
    send_raw(1);
    ticks(6 * kPacedTicks);
    EXPECT_EQ(sink.sizes.size(), 1U);
    EXPECT_EQ(reader->counters().ring_invalid, 1U);
}

// How often the text stands in memory that is shared with a socket: in the ring.
std::size_t count_in_ring(std::string_view text) {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    std::size_t count = 0;
    while (std::getline(maps, line)) {
        std::uintptr_t from = 0;
        std::uintptr_t to = 0;
        if (line.find("socket:[") == std::string::npos ||
            std::sscanf(line.c_str(), "%lx-%lx", &from, &to) != 2)
            continue;
        const std::string_view memory(reinterpret_cast<const char*>(from), to - from);
        for (std::size_t at = memory.find(text); at != std::string_view::npos;
             at = memory.find(text, at + 1))
            ++count;
    }
    return count;
}

TEST_F(PacketRingTest, WipesWhatItRefuses) {
    start();
    open();
    send_raw(0);
    send_raw(1);
    EXPECT_EQ(count_in_ring("abcd"), 2U);
    ticks(6 * kPacedTicks);
    EXPECT_EQ(reader->counters().ring_invalid, 1U);
    EXPECT_EQ(count_in_ring("abcd"), 1U);  // its sink was given it
    send_raw(0);
    reader->remove(*flow);
    reader->add(*flow);
    send_raw(0);
    flow->opened_ns = base::to_ns(std::chrono::system_clock::now());
    reader->add(*flow);  // forgets what came before
    ticks(6 * kPacedTicks);
    EXPECT_EQ(sink.sizes.size(), 1U);
    EXPECT_EQ(count_in_ring("abcd"), 1U);
}

TEST_F(PacketRingTest, LeavesFramesOfVlansToTheKernel) {
    start();
    open();
    send_tagged(5);  // this host is in no VLAN
    ticks(6 * kPacedTicks);
    EXPECT_TRUE(sink.sizes.empty());
    // Else the kernel refuses 127.0.0.1 in frames from outside, as which these count.
    for (const char* option : {"route_localnet", "accept_local"})
        std::ofstream(std::string("/proc/sys/net/ipv4/conf/lo/") + option) << 1;
    send_tagged(0);  // a priority alone: the host's, and neither taken nor dropped before UDP
    const std::uint64_t before = udp_datagrams_received();
    ticks(6 * kPacedTicks);
    EXPECT_EQ(sink.sizes, std::vector<std::size_t>(1, 4));
    EXPECT_EQ(udp_datagrams_received(), before + 1);
    EXPECT_EQ(reader->counters().ring_unclaimed, 0U);
}

TEST_F(PacketRingTest, TakesIPv4OptionsOnce) {
    start();
    open();
    send_raw(0, {1, 1, 1, 1, 1, 1, 1, 1});  // no operation
    send_raw(0);
    ticks(6 * kPacedTicks);
    EXPECT_EQ(sink.sizes, std::vector<std::size_t>(2, 4));
    EXPECT_EQ(reader->counters().ring_invalid, 0U);
}

TEST_F(PacketRingTest, WaitsForTheOwnerOfAPacketAndThenCountsIt) {
    start();
    open();
    base::NetAddress nobodys = host;
    nobodys.port = kLastPort;
    ASSERT_TRUE(sender->send(Bytes(10), nobodys));
    reader->remove(*flow);
    send(172);
    ticks(1);
    reader->add(*flow);  // the command that adds it was on its way
    ticks(kPacedTicks);
    EXPECT_EQ(sink.sizes.size(), 1U);
    ticks(kPacedTicks);
    EXPECT_EQ(reader->counters().ring_unclaimed, 1U);
}

TEST_F(PacketRingTest, ForgetsWhatCameBeforeTheFlow) {
    start();
    open();
    reader->remove(*flow);
    send(10, 5);
    flow->opened_ns = base::to_ns(std::chrono::system_clock::now());
    reader->add(*flow);
    send(20, 5);
    ticks(kPacedTicks);
    EXPECT_EQ(sink.sizes, std::vector<std::size_t>(5, 20));
}

TEST_F(PacketRingTest, WaitsForNobodysTurnWhenTheRingIsHalfFull) {
    start(1);  // one block: 40 packets
    open();
    ticks(kPacedTicks);
    send(172, 15);
    ticks(1);
    EXPECT_TRUE(sink.sizes.empty());
    send(172, 15);
    ticks(1);
    EXPECT_EQ(sink.sizes.size(), 10U);  // half of it is free again
    ticks(kPacedTicks);
    EXPECT_EQ(sink.sizes.size(), 30U);
    EXPECT_EQ(reader->counters().ring_drops, 0U);
}

TEST_F(PacketRingTest, CountsWhatFoundTheRingFull) {
    start(1);  // one block: 40 packets
    open();
    send(172, 100);
    ticks(60);
    EXPECT_LT(sink.sizes.size(), 100U);
    EXPECT_EQ(sink.sizes.size() + reader->counters().ring_drops, 100U);
}

TEST_F(PacketRingTest, TheRuleIsNobodyElsesAndGoesWithItsOwner) {
    if (!has_nft()) GTEST_SKIP() << "The program nft is missing.";
    start();
    EXPECT_NE(run("nft list ruleset").find("udp dport 24000-24999"), std::string::npos)
        << run("nft list ruleset");
    run("nft flush ruleset");
    EXPECT_NE(run("nft list tables").find(drop->table()), std::string::npos);
    EXPECT_NE(run("nft delete table netdev " + drop->table()).find("not permitted"),
              std::string::npos);
    drop.reset();
    EXPECT_EQ(run("nft list tables").find("earshot"), std::string::npos);
}

TEST_F(PacketRingTest, TwoRulesOfTwoProcessesStandSideBySide) {
    start();
    auto second = IngressDrop::install(traffic);
    ASSERT_TRUE(second);
    EXPECT_NE(second->table(), drop->table());
}

TEST_F(PacketRingTest, NamesAnAddressThatNoInterfaceHas) {
    const auto found = find_media_traffic({*base::parse_net_address("192.0.2.7:0")});
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().text.find("192.0.2.7"), std::string::npos);
}

}  // namespace
}  // namespace earshot::io
