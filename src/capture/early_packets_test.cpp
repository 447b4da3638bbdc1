#include "capture/early_packets.h"

#include <gtest/gtest.h>

#include "capture/limits.h"

namespace earshot::capture {
namespace {

EarlyPacket packet(std::int64_t arrival_ns, std::size_t size = 100) {
    return {.socket = io::SocketKind::Rtp,
            .source = {},
            .arrival_ns = arrival_ns,
            .bytes = base::Bytes(size)};
}

TEST(EarlyPackets, ComeOutInTheOrderInWhichTheyCame) {
    EarlyPackets early;
    EXPECT_TRUE(early.empty());
    for (std::int64_t at = 1; at <= 3; ++at) early.keep(packet(at));
    for (std::int64_t at = 1; at <= 3; ++at) EXPECT_EQ(early.take_oldest()->arrival_ns, at);
    EXPECT_FALSE(early.take_oldest());
}

TEST(EarlyPackets, TheOldestGivesWayWhenThereAreTooMany) {
    EarlyPackets early;
    for (std::size_t i = 0; i < kMaxEarlyPackets; ++i)
        early.keep(packet(static_cast<std::int64_t>(i)));
    EXPECT_FALSE(early.take_too_many(0));
    early.keep(packet(1000));
    const auto dropped = early.take_too_many(0);
    ASSERT_TRUE(dropped);
    EXPECT_EQ(dropped->arrival_ns, 0);
    EXPECT_FALSE(early.take_too_many(0));
}

TEST(EarlyPackets, TheOldestGiveWayWhenTheyAreTooLarge) {
    EarlyPackets early;
    early.keep(packet(1, kMaxEarlyBytes - 1500));
    early.keep(packet(2, 1500));
    EXPECT_FALSE(early.take_too_many(0));
    early.keep(packet(3, 1));
    EXPECT_EQ(early.take_too_many(0)->arrival_ns, 1);
    EXPECT_FALSE(early.take_too_many(0));
}

TEST(EarlyPackets, WhatCameBeforeATimeGivesWay) {
    EarlyPackets early;
    early.keep(packet(1));
    early.keep(packet(2));
    EXPECT_FALSE(early.take_too_many(1));
    EXPECT_EQ(early.take_too_many(2)->arrival_ns, 1);
    EXPECT_FALSE(early.take_too_many(2));
}

}  // namespace
}  // namespace earshot::capture
