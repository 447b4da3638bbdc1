#include "msrp/received_ranges.h"

#include <gtest/gtest.h>

#include <set>

#include "msrp/limits.h"

namespace earshot::msrp {
namespace {

using Range = ReceivedRanges::Range;

TEST(ReceivedRanges, GrowByChunksInOrder) {
    ReceivedRanges ranges;
    EXPECT_TRUE(ranges.is_whole(0));
    EXPECT_FALSE(ranges.is_whole(1));
    EXPECT_TRUE(ranges.add(0, 2048));
    EXPECT_TRUE(ranges.add(2048, 2050));
    EXPECT_EQ(ranges.ranges(), (std::vector<Range>{{0, 2050}}));
    EXPECT_TRUE(ranges.is_whole(2050));
    EXPECT_FALSE(ranges.is_whole(2051));
    EXPECT_TRUE(ranges.add(7, 7));
    EXPECT_EQ(ranges.count(), 2050U);
}

TEST(ReceivedRanges, JoinWhatComesInAnyOrder) {
    ReceivedRanges ranges;
    for (const auto& [begin, end] : {std::pair{8, 10}, {0, 2}, {4, 6}, {2, 4}}) {
        EXPECT_TRUE(ranges.add(static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)));
    }
    EXPECT_EQ(ranges.ranges(), (std::vector<Range>{{0, 6}, {8, 10}}));
    EXPECT_EQ(ranges.end(), 10U);
    EXPECT_TRUE(ranges.add(3, 9));
    EXPECT_TRUE(ranges.is_whole(10));
}

TEST(ReceivedRanges, AgreeWithASetOfOctets) {
    std::uint32_t state = 1;
    const auto draw = [&](std::uint32_t below) {
        state = state * 1664525 + 1013904223;
        return (state >> 8) % below;
    };
    for (int round = 0; round < 200; ++round) {
        ReceivedRanges ranges;
        std::set<std::uint64_t> octets;
        for (int i = 0; i < 30; ++i) {
            const std::uint64_t begin = draw(200);
            const std::uint64_t end = begin + draw(12);
            EXPECT_TRUE(ranges.add(begin, end));
            for (std::uint64_t at = begin; at < end; ++at) octets.insert(at);
            EXPECT_EQ(ranges.count(), octets.size());
        }
        for (std::size_t i = 1; i < ranges.ranges().size(); ++i) {
            EXPECT_LT(ranges.ranges()[i - 1].end, ranges.ranges()[i].begin);
        }
    }
}

TEST(ReceivedRanges, HaveALimitOfHoles) {
    ReceivedRanges ranges;
    for (std::uint64_t i = 0; i < kMaxOpenRanges; ++i) EXPECT_TRUE(ranges.add(2 * i, 2 * i + 1));
    EXPECT_FALSE(ranges.add(2 * kMaxOpenRanges, 2 * kMaxOpenRanges + 1));
    EXPECT_TRUE(ranges.add(1, 2));
    EXPECT_TRUE(ranges.add(2 * kMaxOpenRanges, 2 * kMaxOpenRanges + 1));
}

}  // namespace
}  // namespace earshot::msrp
