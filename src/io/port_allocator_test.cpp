#include "io/port_allocator.h"

#include <gtest/gtest.h>

#include <set>

namespace earshot::io {
namespace {

using std::chrono::seconds;

class PortAllocatorTest : public testing::Test {
protected:
    base::SeededRandom random{1};
    base::TimePoint now{seconds(1000)};
};

TEST_F(PortAllocatorTest, GivesEvenPortsWhosePairLiesWithinTheRange) {
    for (const auto& [low, high, pairs] :
         {std::tuple{10000, 10003, 2}, {10001, 10004, 1}, {10001, 10005, 2}, {10000, 10000, 0}}) {
        PortAllocator ports(static_cast<std::uint16_t>(low), static_cast<std::uint16_t>(high),
                            random);
        EXPECT_EQ(ports.pairs(), static_cast<std::size_t>(pairs)) << low;
        std::set<int> seen;
        while (const auto port = ports.allocate(now)) {
            EXPECT_EQ(*port % 2, 0);
            EXPECT_GE(*port, low);
            EXPECT_LE(*port + 1, high);
            seen.insert(*port);
        }
        EXPECT_EQ(seen.size(), static_cast<std::size_t>(pairs));
        EXPECT_EQ(ports.counters().exhausted, 1U);
    }
}

TEST_F(PortAllocatorTest, WorksAtTheTopOfTheRange) {
    PortAllocator ports(65534, 65535, random);
    EXPECT_EQ(ports.allocate(now), 65534);
    EXPECT_FALSE(ports.allocate(now));
    EXPECT_EQ(ports.in_use(), 1U);
}

TEST_F(PortAllocatorTest, PrefersFreshPairsToOnesThatStillRest) {
    PortAllocator ports(10000, 10003, random);
    const auto first = ports.allocate(now);
    ports.release(*first, now);
    EXPECT_NE(ports.allocate(now + seconds(29)), first);
    EXPECT_EQ(ports.counters().short_rests, 0U);
}

TEST_F(PortAllocatorTest, SaysWhetherAPairHasRestedAsLongAsItShould) {
    PortAllocator ports(10000, 10001, random);
    EXPECT_TRUE(ports.has_rested(now));  // it is fresh
    const auto only = ports.allocate(now);
    EXPECT_FALSE(ports.has_rested(now + seconds(100)));  // it is in use
    ports.release(*only, now);
    EXPECT_FALSE(ports.has_rested(now + seconds(29)));
    EXPECT_TRUE(ports.has_rested(now + seconds(30)));
}

TEST_F(PortAllocatorTest, CountsWhatItWouldGive) {
    PortAllocator ports(10000, 10005, random);
    EXPECT_EQ(ports.available(now), 3U);
    const auto a = ports.allocate(now);
    const auto b = ports.allocate(now);
    EXPECT_EQ(ports.available(now), 1U);
    ports.release(*a, now);
    ports.release(*b, now + seconds(1));
    EXPECT_EQ(ports.available(now + seconds(1)), 1U);
    EXPECT_EQ(ports.available(now + seconds(2)), 2U);
    EXPECT_EQ(ports.available(now + seconds(3)), 3U);
}

TEST_F(PortAllocatorTest, TakesTheOneThatRestedLongest) {
    PortAllocator ports(10000, 10005, random);
    const auto a = ports.allocate(now);
    const auto b = ports.allocate(now);
    ports.release(*b, now);
    ports.release(*a, now + seconds(1));
    EXPECT_EQ(ports.allocate(now + seconds(31)), b);
    EXPECT_EQ(ports.allocate(now + seconds(31)), a);
}

TEST_F(PortAllocatorTest, ShortensTheRestToTwoSecondsUnderPressureAndCounts) {
    PortAllocator ports(10000, 10001, random);
    const auto port = ports.allocate(now);
    ports.release(*port, now);
    EXPECT_FALSE(ports.allocate(now + std::chrono::milliseconds(1999)));
    EXPECT_EQ(ports.allocate(now + seconds(2)), port);
    EXPECT_EQ(ports.counters().short_rests, 1U);
}

}  // namespace
}  // namespace earshot::io
