// What is io_uring's alone.
#include "io/uring_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "integration/own_network.h"

namespace earshot::io {
namespace {

using base::Bytes;

struct Counter : MediaReader::Sink {
    void on_datagram(MediaFlow& flow, SocketKind, const Datagram&) override {
        flows.push_back(&flow);
    }
    void on_discarded(MediaFlow&, std::uint64_t) override {}
    std::vector<MediaFlow*> flows;
};

class UringReaderTest : public testing::Test {
protected:
    void SetUp() override {
        test::stay_on_one_cpu();
        auto made = UringReader::create(kPacedTicks);
        if (!made) GTEST_SKIP() << made.error().text;
        reader = std::move(*made);
    }
    std::unique_ptr<MediaFlow> open() {
        static std::uint16_t next_port = 26000;
        base::NetAddress address = *base::parse_net_address("127.0.0.1:0");
        address.port = std::exchange(next_port, next_port + 2);
        auto pair = bind_udp_pair(address);
        EXPECT_TRUE(pair);
        auto flow = std::make_unique<MediaFlow>(std::move(*pair));
        flow->is_bursty = true;
        reader->add(*flow);
        return flow;
    }
    void send(const MediaFlow& to, int count) {
        for (int i = 0; i < count; ++i)
            ASSERT_TRUE(sender->send(Bytes(172), to.sockets.rtp.local_address()));
        test::wait_for_arrival();
    }
    void tick() {
        ++now;
        while (reader->read(now, sink)) {
        }
    }

    static constexpr std::uint32_t kPacedTicks = 10;
    std::unique_ptr<UringReader> reader;
    Counter sink;
    base::Result<UdpSocket> sender = UdpSocket::bind(*base::parse_net_address("127.0.0.1:0"));
    std::uint64_t now = 0;
};

// Rings that have not begun refuse all that is submitted, as one does that is out of memory.
TEST_F(UringReaderTest, WhatTheKernelDidNotTakeIsAskedForAgainAndNeverOfAnotherSocket) {
    auto gone = open();
    auto stays = open();
    tick();
    reader->remove(*gone);
    gone.reset();
    auto next = open();  // may have the descriptor of the one that is gone
    send(*next, 7);
    send(*stays, 5);
    reader->begin();
    tick();
    EXPECT_EQ(std::count(sink.flows.begin(), sink.flows.end(), stays.get()), 5);
    EXPECT_EQ(std::count(sink.flows.begin(), sink.flows.end(), next.get()), 7);
    EXPECT_EQ(sink.flows.size(), 12U);
    EXPECT_EQ(reader->counters().direct_sockets, 0U);
    reader->remove(*stays);
    reader->remove(*next);
    tick();
}

TEST_F(UringReaderTest, MoreThanOneSubmissionHoldsAreAskedForAgain) {
    std::vector<std::unique_ptr<MediaFlow>> many;
    for (int i = 0; i < 300; ++i) many.push_back(open());
    tick();
    reader->begin();
    tick();
    for (const auto& flow : many) send(*flow, 1);
    tick();
    EXPECT_EQ(sink.flows.size(), many.size());
    for (const auto& flow : many) reader->remove(*flow);
    tick();
}

TEST_F(UringReaderTest, CountsRingsThatCannotBeginAndDrainsTheirSockets) {
    reader->begin();
    reader->begin();  // the kernel enables a ring once
    EXPECT_EQ(reader->counters().broken_rings, kPacedTicks + 1);
    auto flow = open();
    EXPECT_EQ(reader->counters().direct_sockets, 2U);
    send(*flow, 3);
    tick();
    reader->visit(*flow, SocketKind::Rtp, sink);
    EXPECT_EQ(sink.flows.size(), 3U);
    reader->remove(*flow);
}

}  // namespace
}  // namespace earshot::io
