#include "payload/red.h"

#include <gtest/gtest.h>

namespace earshot::payload {
namespace {

using base::Bytes;

Bytes redundant_header(std::uint8_t type, std::uint32_t offset, std::uint32_t size) {
    Bytes out;
    base::append_u32(out, 0x80000000U | std::uint32_t{type} << 24U | offset << 10U | size);
    return out;
}

// As in RFC 2198 section 6, with less data: DVI4 (5) behind LPC (7) of the packet before.
TEST(Red, ReadsAPrimaryBehindOneRedundantBlock) {
    Bytes packet = redundant_header(7, 160, 3);
    base::append(packet, Bytes{0x05, 1, 2, 3, 9, 8});
    const auto red = parse_red(packet);
    ASSERT_TRUE(red);
    ASSERT_EQ(red->redundant().size(), 1U);
    EXPECT_EQ(red->redundant()[0].payload_type, 7);
    EXPECT_EQ(red->redundant()[0].timestamp_offset, 160);
    EXPECT_EQ(red->redundant()[0].data.size(), 3U);
    EXPECT_EQ(red->primary().payload_type, 5);
    EXPECT_EQ(red->primary().timestamp_offset, 0);
    EXPECT_EQ(red->primary().data.size(), 2U);
}

TEST(Red, ReadsAPrimaryAlone) {
    const Bytes packet{98, 'a', 'b'};
    const auto red = parse_red(packet);
    ASSERT_TRUE(red);
    EXPECT_TRUE(red->redundant().empty());
    EXPECT_EQ(base::as_text(red->primary().data), "ab");
}

TEST(Red, TakesTheLargestOffsetAndLength) {
    Bytes packet = redundant_header(127, 0x3fff, 0x3ff);
    packet.push_back(1);
    packet.resize(packet.size() + 0x3ff, 7);
    const auto red = parse_red(packet);
    ASSERT_TRUE(red);
    EXPECT_EQ(red->redundant()[0].timestamp_offset, 0x3fff);
    EXPECT_EQ(red->redundant()[0].data.size(), 0x3ffU);
    EXPECT_TRUE(red->primary().data.empty());
}

TEST(Red, RefusesEachTruncationOfHeadersAndRedundantBlocks) {
    Bytes packet = redundant_header(98, 600, 2);
    base::append(packet, redundant_header(98, 300, 1));
    base::append(packet, Bytes{98, 'a', 'b', 'c', 'd'});
    for (std::size_t size = 0; size < packet.size() - 1; ++size)
        EXPECT_FALSE(parse_red(base::ByteView(packet).first(size))) << size;
    EXPECT_TRUE(
        parse_red(base::ByteView(packet).first(packet.size() - 1)));  // without primary data
}

TEST(Red, TakesSixteenBlocksAndRefusesSeventeen) {
    Bytes packet;
    for (std::size_t i = 0; i + 1 < kMaxRedBlocks; ++i)
        base::append(packet, redundant_header(98, 0, 0));
    Bytes more = packet;
    packet.push_back(98);
    EXPECT_TRUE(parse_red(packet));
    base::append(more, redundant_header(98, 0, 0));
    more.push_back(98);
    const auto refused = parse_red(more);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Errc::TooLarge);
}

}  // namespace
}  // namespace earshot::payload
