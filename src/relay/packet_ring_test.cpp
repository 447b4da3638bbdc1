#include "relay/packet_ring.h"

#include <gtest/gtest.h>

#include <vector>

namespace earshot::relay {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMs = 1'000'000;

base::Bytes packet(std::size_t size, std::uint8_t mark) { return base::Bytes(size, mark); }

class PacketRingTest : public testing::Test {
protected:
    PacketRingTest() { ring_.keep(3s); }
    // The first octet of each.
    std::vector<int> marks(PacketRing::Cursor cursor = {}) const {
        std::vector<int> marks;
        while (const auto packet = ring_.read(cursor)) marks.push_back(packet->bytes[0]);
        return marks;
    }

    RingBlocks blocks_{kMaxRingBlocks + 1};
    PacketRing ring_{blocks_};
};

TEST_F(PacketRingTest, GivesBackWhatItGotInItsOrder) {
    EXPECT_TRUE(marks().empty());
    ring_.add(packet(172, 1), 5 * kMs);
    ring_.add(packet(1, 2), 6 * kMs);
    PacketRing::Cursor cursor;
    const auto first = ring_.read(cursor);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->arrival_ns, 5 * kMs);
    EXPECT_EQ(first->bytes.size(), 172U);
    EXPECT_EQ(first->bytes[171], 1);
    EXPECT_EQ(marks(cursor), std::vector{2});
}

TEST_F(PacketRingTest, ACursorAtTheEndGoesOnWithWhatComesNext) {
    ring_.add(packet(10, 1), 0);
    PacketRing::Cursor cursor;
    ASSERT_TRUE(ring_.read(cursor));
    EXPECT_FALSE(ring_.read(cursor));
    ring_.add(packet(10, 2), 0);
    EXPECT_EQ(marks(cursor), std::vector{2});
    for (int i = 0; i < 3; ++i) ring_.add(packet(kRingBlockBytes / 2, 3), 0);  // blocks further on
    EXPECT_EQ(marks(cursor).size(), 4U);
}

TEST_F(PacketRingTest, KeepsWhatItWasToldAndLittleMore) {
    constexpr int kPackets = 10'000;  // of 20 ms: 200 s
    for (int i = 0; i < kPackets; ++i) ring_.add(packet(172, 7), i * 20 * kMs);
    PacketRing::Cursor cursor;
    const auto oldest = ring_.read(cursor);
    ASSERT_TRUE(oldest);
    EXPECT_LE(oldest->arrival_ns, (kPackets * 20 - 3000) * kMs);
    EXPECT_GE(marks().size(), 150U);
    EXPECT_LE(blocks_.in_use(), 4U);
}

TEST_F(PacketRingTest, TheLongerWishOfTwoHolds) {
    ring_.keep(1s);
    EXPECT_EQ(ring_.keep_ns(), std::chrono::nanoseconds(3s).count());
}

TEST_F(PacketRingTest, IsBoundedInBytesWhateverComes) {
    for (std::size_t i = 0; i < 3 * kMaxRingBlocks; ++i)
        ring_.add(packet(kRingBlockBytes - 16, static_cast<std::uint8_t>(i)), 0);
    EXPECT_EQ(blocks_.in_use(), kMaxRingBlocks);
    const auto kept = marks();
    ASSERT_EQ(kept.size(), kMaxRingBlocks);
    EXPECT_EQ(kept.back(), (3 * kMaxRingBlocks - 1) % 256);  // the newest
    ring_.add(packet(kRingBlockBytes - 15, 1), 0);           // too long for any block
    EXPECT_EQ(marks(), kept);
}

TEST_F(PacketRingTest, ACursorIntoWhatWasDroppedGoesOnWithTheOldest) {
    ring_.add(packet(10, 1), 0);
    PacketRing::Cursor cursor;
    ASSERT_TRUE(ring_.read(cursor));
    for (std::size_t i = 0; i < 2 * kMaxRingBlocks; ++i)
        ring_.add(packet(kRingBlockBytes - 16, 2), 0);
    EXPECT_EQ(marks(cursor).size(), kMaxRingBlocks);
}

TEST_F(PacketRingTest, MakesDoWithItsOwnWhereOthersHaveTheRest) {
    RingBlocks few(1);
    PacketRing first(few);
    first.add(packet(10, 1), 0);
    {
        PacketRing second(few);
        second.add(packet(10, 2), 0);
        PacketRing::Cursor cursor;
        EXPECT_FALSE(second.read(cursor));
    }
    EXPECT_EQ(few.in_use(), 1U);
    first.add(packet(kRingBlockBytes - 16, 3), 0);  // needs another block
    PacketRing::Cursor cursor;
    EXPECT_TRUE(first.read(cursor));
    EXPECT_FALSE(first.read(cursor));
}

TEST(RingBlocks, ComeBackWithTheirRing) {
    RingBlocks blocks(10);
    {
        PacketRing ring(blocks);
        for (int i = 0; i < 3; ++i) ring.add(packet(kRingBlockBytes - 16, 1), 0);
        EXPECT_EQ(blocks.in_use(), 3U);
    }
    EXPECT_EQ(blocks.in_use(), 0U);
}

}  // namespace
}  // namespace earshot::relay
