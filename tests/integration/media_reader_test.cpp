// What a capture thread may expect of a reader of media sockets, asked of each of them: real
// sockets on the loopback of a network namespace of its own.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <thread>

#include "base/time.h"
#include "integration/own_network.h"
#include "io/drain_reader.h"
#include "io/ingress_drop.h"
#include "io/packet_ring_reader.h"
#include "io/uring_reader.h"

namespace earshot::io {
namespace {

using base::Bytes;

constexpr std::uint32_t kPacedTicks = 10;
constexpr std::uint16_t kFirstPort = 20000;
constexpr std::uint16_t kLastPort = 21999;

struct Got {
    Bytes bytes;
    base::NetAddress source;
    std::int64_t arrival_ns = 0;
    bool truncated = false;
};

class Keeper : public MediaReader::Sink {
public:
    void on_datagram(MediaFlow& flow, SocketKind kind, const Datagram& datagram) override {
        got[{&flow, kind}].push_back({.bytes = Bytes(datagram.bytes.begin(), datagram.bytes.end()),
                                      .source = datagram.source,
                                      .arrival_ns = datagram.arrival_ns,
                                      .truncated = datagram.truncated});
        std::fill(datagram.bytes.begin(), datagram.bytes.end(), std::uint8_t{0});
    }
    void on_discarded(MediaFlow& flow, std::uint64_t count) override {
        ++discards[&flow];
        discarded[&flow] += count;
    }
    const std::vector<Got>& of(MediaFlow& flow, SocketKind kind = SocketKind::Rtp) {
        return got[{&flow, kind}];
    }

    std::map<std::pair<MediaFlow*, SocketKind>, std::vector<Got>> got;
    std::map<MediaFlow*, std::uint64_t> discarded;
    std::map<MediaFlow*, int> discards;
};

struct Made {
    std::unique_ptr<MediaReader> reader;
    std::optional<IngressDrop> drop{};
};

struct ReaderCase {
    const char* name;
    base::Result<Made, base::Reason> (*make)();
};

base::Result<Made, base::Reason> make_drain() {
    return Made{.reader = std::make_unique<DrainReader>()};
}
base::Result<Made, base::Reason> make_uring() {
    auto reader = UringReader::create(kPacedTicks);
    if (!reader) return reader.error();
    return Made{.reader = std::move(*reader)};
}
base::Result<Made, base::Reason> make_packet_ring() {
    if (!test::has_own_network())
        return base::Reason{"no_root", "A network namespace of its own takes root."};
    auto traffic = find_media_traffic(
        {*base::parse_net_address("127.0.0.1:0"), *base::parse_net_address("[::1]:0")});
    if (!traffic) return traffic.error();
    traffic->first_port = kFirstPort;
    traffic->last_port = kLastPort;
    traffic->max_ip_bytes = kMaxRingPacketBytes;
    auto reader = PacketRingReader::create(*traffic, std::size_t{16} << 20);
    if (!reader) return reader.error();
    auto drop = IngressDrop::install(*traffic);
    if (!drop) return drop.error();
    return Made{.reader = std::move(*reader), .drop = std::move(*drop)};
}

class MediaReaderTest : public testing::TestWithParam<ReaderCase> {
protected:
    void SetUp() override {
        test::stay_on_one_cpu();
        auto made = GetParam().make();
        if (!made) GTEST_SKIP() << made.error().text;
        reader = std::move(made->reader);
        drop = std::move(made->drop);
        reader->begin();
    }
    void TearDown() override {
        for (const auto& flow : flows) reader->remove(*flow);
    }

    MediaFlow& open(bool is_bursty = false, const char* host = "127.0.0.1:0",
                    std::uint16_t port = 0) {
        base::NetAddress address = *base::parse_net_address(host);
        // Others for each test: what a ring holds is let go by the kernel after the ring has gone.
        static std::uint16_t next_port = kFirstPort;
        address.port = port != 0 ? port : std::exchange(next_port, next_port + 2);
        auto pair = bind_udp_pair(address);
        EXPECT_TRUE(pair);
        auto& flow = *flows.emplace_back(std::make_unique<MediaFlow>(std::move(*pair)));
        flow.is_bursty = is_bursty;
        flow.phase = next_phase++;
        reader->add(flow);
        return flow;
    }
    void close(MediaFlow& flow) {
        reader->remove(flow);
        flows.erase(std::find_if(flows.begin(), flows.end(),
                                 [&](const auto& owned) { return owned.get() == &flow; }));
    }
    void send(MediaFlow& to, int first, int count, SocketKind kind = SocketKind::Rtp) {
        for (int i = first; i < first + count; ++i) send_one(to, payload(i), kind);
        test::wait_for_arrival();
    }
    void send(MediaFlow& to, const Bytes& bytes) {
        send_one(to, bytes, SocketKind::Rtp);
        test::wait_for_arrival();
    }
    void send_one(MediaFlow& to, const Bytes& bytes, SocketKind kind) {
        const base::NetAddress& address = to.sockets[kind].local_address();
        ASSERT_TRUE((address.is_v4() ? *sender : *sender6).send(bytes, address));
    }
    static Bytes payload(int number, std::size_t size = 172) {
        Bytes bytes(size);
        for (std::size_t i = 0; i < size; ++i)
            bytes[i] = static_cast<std::uint8_t>(static_cast<std::size_t>(number) * 7 + i);
        if (size >= 2) {
            bytes[0] = static_cast<std::uint8_t>(number >> 8);
            bytes[1] = static_cast<std::uint8_t>(number);
        }
        return bytes;
    }

    // One tick as the capture loop has it.
    void tick() {
        ++now;
        while (reader->read(now, keeper)) {
        }
        for (const auto& flow : flows) {
            if (flow->is_bursty || now % kPacedTicks == flow->phase % kPacedTicks)
                reader->visit(*flow, SocketKind::Rtp, keeper);
            if (now % (5 * kPacedTicks) == flow->phase % (5 * kPacedTicks))
                reader->visit(*flow, SocketKind::Rtcp, keeper);
        }
    }
    void ticks(std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) tick();
    }
    void expect_numbers(MediaFlow& flow, int first, int count, SocketKind kind = SocketKind::Rtp) {
        const auto& got = keeper.of(flow, kind);
        ASSERT_EQ(got.size(), static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i)
            EXPECT_TRUE(got[static_cast<std::size_t>(i)].bytes == payload(first + i)) << i;
    }

    std::unique_ptr<MediaReader> reader;
    std::optional<IngressDrop> drop;
    Keeper keeper;
    base::Result<UdpSocket> sender = UdpSocket::bind(*base::parse_net_address("127.0.0.1:0"));
    base::Result<UdpSocket> sender6 = UdpSocket::bind(*base::parse_net_address("[::1]:0"));
    std::vector<std::unique_ptr<MediaFlow>> flows;
    std::uint32_t next_phase = 0;
    std::uint64_t now = 0;
};

TEST_P(MediaReaderTest, GivesAllDatagramsOfEachFlowInOrderWithinADrainPeriod) {
    std::vector<MediaFlow*> many;
    for (int i = 0; i < 40; ++i) many.push_back(&open(i % 4 == 0));
    for (int round = 0; round < 3; ++round) {
        for (MediaFlow* flow : many) send(*flow, round * 10, 10);
        ticks(kPacedTicks);
    }
    for (MediaFlow* flow : many) expect_numbers(*flow, 0, 30);
}

TEST_P(MediaReaderTest, GivesBurstyMediaAtEachTickAndPacedMediaAtItsOwn) {
    MediaFlow& bursty = open(true);
    tick();
    send(bursty, 0, 60);
    tick();
    expect_numbers(bursty, 0, 60);
}

TEST_P(MediaReaderTest, GivesRtcpWithinASecond) {
    MediaFlow& flow = open();
    send(flow, 0, 3, SocketKind::Rtcp);
    ticks(5 * kPacedTicks);
    expect_numbers(flow, 0, 3, SocketKind::Rtcp);
    EXPECT_TRUE(keeper.of(flow).empty());
}

TEST_P(MediaReaderTest, TellsSourceAndTheKernelsStampOfIPv4AndIPv6) {
    MediaFlow& four = open();
    MediaFlow& six = open(false, "[::1]:0");
    const std::int64_t before = base::to_ns(std::chrono::system_clock::now());
    send(four, 1, 2);
    send(six, 1, 2);
    ticks(kPacedTicks);
    const std::int64_t after = base::to_ns(std::chrono::system_clock::now());
    for (MediaFlow* flow : {&four, &six}) {
        ASSERT_EQ(keeper.of(*flow).size(), 2U);
        for (const Got& got : keeper.of(*flow)) {
            EXPECT_EQ(got.source, (flow == &four ? *sender : *sender6).local_address());
            EXPECT_GE(got.arrival_ns, before);
            EXPECT_LE(got.arrival_ns, after);
        }
    }
}

TEST_P(MediaReaderTest, TakesDatagramsOfEachLengthAndMarksThoseThatAreTooLong) {
    MediaFlow& flow = open();
    const std::size_t sizes[] = {
        0, 1, 12, 1400, 1472, 1500, 4000, kMaxMediaBytes, kMaxMediaBytes + 1};
    for (const std::size_t size : sizes) {
        send(flow, payload(3, size));
        ticks(kPacedTicks);
        ASSERT_FALSE(keeper.of(flow).empty()) << size;
        EXPECT_EQ(keeper.of(flow).back().truncated, size > kMaxMediaBytes) << size;
        if (size > kMaxMediaBytes) continue;
        EXPECT_EQ(keeper.of(flow).back().bytes, payload(3, size));
    }
    EXPECT_EQ(keeper.of(flow).size(), std::size(sizes));
}

TEST_P(MediaReaderTest, ADrainGivesWhatHasArrivedAtOnceAndNothingOfOtherFlows) {
    MediaFlow& ending = open();
    MediaFlow& other = open();
    ticks(3 * kPacedTicks);
    send(ending, 0, 5);
    send(other, 0, 5);
    send(ending, 7, 2, SocketKind::Rtcp);
    reader->drain(ending, SocketKind::Rtp, keeper);
    reader->drain(ending, SocketKind::Rtcp, keeper);
    expect_numbers(ending, 0, 5);
    expect_numbers(ending, 7, 2, SocketKind::Rtcp);
    EXPECT_TRUE(keeper.of(other).empty());
    ticks(kPacedTicks);
    expect_numbers(ending, 0, 5);
    expect_numbers(other, 0, 5);
}

// A pause that is asked for meanwhile must come before the rest.
TEST_P(MediaReaderTest, GivesAFewAtATimeAndADrainBetweenThemKeepsTheOrder) {
    constexpr std::size_t kFew = 64;
    MediaFlow& paused = open(true);
    MediaFlow& other = open(true);
    tick();
    for (int i = 0; i < 150; ++i) {
        send(paused, i, 1);
        send(other, i, 1);
    }
    ++now;
    reader->read(now, keeper);
    EXPECT_LE(keeper.of(paused).size() + keeper.of(other).size(), kFew);
    const std::size_t of_other = keeper.of(other).size();
    reader->drain(paused, SocketKind::Rtp, keeper);
    expect_numbers(paused, 0, 150);
    EXPECT_EQ(keeper.of(other).size(), of_other);
    std::size_t before = of_other;
    while (reader->read(now, keeper)) {
        EXPECT_LE(keeper.of(other).size(), before + kFew);
        before = keeper.of(other).size();
    }
    reader->visit(other, SocketKind::Rtp, keeper);
    expect_numbers(paused, 0, 150);
    expect_numbers(other, 0, 150);
}

TEST_P(MediaReaderTest, AFlowThatEndsInTheMidstOfAReadIsGivenNoMore) {
    MediaFlow& ending = open(true);
    MediaFlow& other = open(true);
    tick();
    for (int i = 0; i < 100; ++i) {
        send(ending, i, 1);
        send(other, i, 1);
    }
    ++now;
    reader->read(now, keeper);
    const std::size_t before = keeper.of(ending).size();
    reader->remove(ending);
    while (reader->read(now, keeper)) {
    }
    EXPECT_EQ(keeper.of(ending).size(), before);
    reader->add(ending);  // as TearDown() expects
    ticks(1);
    expect_numbers(other, 0, 100);
}

TEST_P(MediaReaderTest, GivesNothingOfAFlowThatWasRemovedAndFreesItsPorts) {
    MediaFlow& flow = open();
    const std::uint16_t port = flow.sockets.rtp.local_address().port;
    ticks(kPacedTicks);
    send(flow, 0, 5);
    close(flow);
    ticks(6 * kPacedTicks);
    EXPECT_TRUE(keeper.got.empty());
    MediaFlow& next = open(false, "127.0.0.1:0", port);  // as after the rest of the ports
    send(next, 9, 1);
    ticks(kPacedTicks);
    expect_numbers(next, 9, 1);
}

TEST_P(MediaReaderTest, GivesOrCountsWhatComesInAPauseButRtcpAsEver) {
    MediaFlow& flow = open();
    MediaFlow& other = open();
    ticks(kPacedTicks);
    send(flow, 0, 5);
    reader->drain(flow, SocketKind::Rtp, keeper);
    reader->pause(flow);
    expect_numbers(flow, 0, 5);
    for (int round = 0; round < 3; ++round) {
        send(flow, 100, 5);
        send(flow, round, 1, SocketKind::Rtcp);
        send(other, round, 1);
        ticks(5 * kPacedTicks);
    }
    // A reader that sees them all gives them: the receiver knows of the pause as well.
    EXPECT_EQ(keeper.discarded[&flow] + keeper.of(flow).size(), 5U + 15U);
    EXPECT_GE(keeper.discards[&flow], 3);
    expect_numbers(flow, 0, 3, SocketKind::Rtcp);
    expect_numbers(other, 0, 3);

    reader->drain(flow, SocketKind::Rtp, keeper);
    reader->resume(flow);
    const std::size_t before = keeper.of(flow).size();
    send(flow, 0, 7);
    ticks(2 * kPacedTicks);
    EXPECT_EQ(keeper.of(flow).size(), before + 7);
}

TEST_P(MediaReaderTest, APauseAndItsEndWithinOneTickLoseNothing) {
    MediaFlow& flow = open();
    ticks(kPacedTicks);
    reader->pause(flow);
    reader->resume(flow);
    send(flow, 0, 4);
    ticks(kPacedTicks);
    reader->pause(flow);
    tick();
    reader->resume(flow);
    send(flow, 4, 4);
    ticks(2 * kPacedTicks);
    expect_numbers(flow, 0, 8);
}

TEST_P(MediaReaderTest, TakesFragmentedDatagrams) {
    if (!test::has_own_network()) GTEST_SKIP() << "The loopback's MTU is the host's.";
    test::set_loopback_mtu(1500);
    MediaFlow& four = open();
    MediaFlow& six = open(false, "[::1]:0");
    for (MediaFlow* flow : {&four, &six}) {
        send(*flow, payload(1, 1400));
        send(*flow, payload(2, 1473));
        send(*flow, payload(3, 5000));
    }
    ticks(kPacedTicks);
    for (MediaFlow* flow : {&four, &six}) {
        const auto& got = keeper.of(*flow);
        ASSERT_EQ(got.size(), 3U);
        EXPECT_TRUE(got[0].bytes == payload(1, 1400));
        EXPECT_TRUE(got[1].bytes == payload(2, 1473));
        EXPECT_TRUE(got[2].bytes == payload(3, 5000));
    }
    test::set_loopback_mtu(65536);
}

// More at once than a reader lends buffers for: the rest waits in the sockets.
TEST_P(MediaReaderTest, LosesNothingOfABurstOverManyFlows) {
    std::vector<MediaFlow*> many;
    for (int i = 0; i < 30; ++i) {
        many.push_back(&open());
        many.back()->phase = 3;
    }
    for (const auto& flow : flows) reader->remove(*flow);
    for (const auto& flow : flows) reader->add(*flow);  // all of one phase
    ticks(kPacedTicks);
    for (MediaFlow* flow : many) send(*flow, 0, 150);
    ticks(kPacedTicks);
    for (MediaFlow* flow : many) {
        expect_numbers(*flow, 0, 150);
        EXPECT_EQ(flow->sockets.rtp.kernel_drops(), 0U);
    }
}

TEST_P(MediaReaderTest, KeepsFlowsApartThroughMuchComingAndGoing) {
    int number = 0;
    for (int round = 0; round < 60; ++round) {
        MediaFlow& flow = open(round % 3 == 0);
        if (round % 4 == 0) reader->pause(flow);
        if (round % 8 == 0) reader->resume(flow);
        if (round % 2 == 0) tick();
        const bool is_paused = flow.is_paused;
        send(flow, number, 3);
        if (round % 5 == 0) ticks(kPacedTicks);
        if (!is_paused) reader->drain(flow, SocketKind::Rtp, keeper);
        if (!is_paused) expect_numbers(flow, number, 3);
        keeper.got.clear();
        number += 3;
        if (round % 3 != 1) close(flow);
    }
}

INSTANTIATE_TEST_SUITE_P(Readers, MediaReaderTest,
                         testing::Values(ReaderCase{"Drain", make_drain},
                                         ReaderCase{"Uring", make_uring},
                                         ReaderCase{"PacketRing", make_packet_ring}),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace earshot::io
