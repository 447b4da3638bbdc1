#include "rtp/sequence_tracker.h"

#include <gtest/gtest.h>

#include <vector>

#include "rtp/timestamp_extender.h"

namespace earshot::rtp {
namespace {

using V = SequenceVerdict;

std::vector<V> feed(SequenceTracker& tracker, const std::vector<int>& sequences) {
    std::vector<V> verdicts;
    for (const int s : sequences) {
        verdicts.push_back(tracker.on_packet(static_cast<std::uint16_t>(s)));
    }
    return verdicts;
}

TEST(SequenceTracker, IsProvenByTwoInARow) {
    SequenceTracker tracker;
    EXPECT_EQ(feed(tracker, {7, 8, 9}), (std::vector{V::Probation, V::Proven, V::InOrder}));
    EXPECT_EQ(tracker.received(), 3U);
    EXPECT_EQ(tracker.lost(), 0U);
}

TEST(SequenceTracker, StartsItsProbationAnewAfterAGap) {
    SequenceTracker tracker;
    EXPECT_EQ(feed(tracker, {7, 9, 11, 12}),
              (std::vector{V::Probation, V::Probation, V::Probation, V::Proven}));
    EXPECT_EQ(tracker.received(), 2U);
}

TEST(SequenceTracker, NeedsNoProbationWhenSignalled) {
    SequenceTracker tracker(true);
    EXPECT_EQ(feed(tracker, {7}), (std::vector{V::InOrder}));
    EXPECT_EQ(tracker.received(), 1U);
}

TEST(SequenceTracker, CountsCyclesWhenItStartsAt65530) {
    SequenceTracker tracker;
    for (std::uint32_t i = 0; i < 200'000; ++i) {
        tracker.on_packet(static_cast<std::uint16_t>(65530 + i));
    }
    EXPECT_EQ(tracker.extended_highest(), 65530U + 199'999U);
    EXPECT_EQ(tracker.received(), 200'000U);
    EXPECT_EQ(tracker.lost(), 0U);
}

TEST(SequenceTracker, CountsLossAndTakesItBackForLatePackets) {
    SequenceTracker tracker;
    feed(tracker, {65534, 65535, 0, 4});
    EXPECT_EQ(tracker.lost(), 3U);
    EXPECT_EQ(feed(tracker, {2, 1}), (std::vector{V::Late, V::Late}));
    EXPECT_EQ(tracker.lost(), 1U);
    EXPECT_EQ(tracker.reordered(), 2U);
}

TEST(SequenceTracker, SeesDuplicatesNearAndFar) {
    SequenceTracker tracker;
    for (int i = 0; i < 200; ++i) tracker.on_packet(static_cast<std::uint16_t>(i));
    EXPECT_EQ(feed(tracker, {199, 136, 135, 101}),
              (std::vector{V::Duplicate, V::Duplicate, V::Duplicate, V::Duplicate}));
    EXPECT_EQ(tracker.duplicates(), 4U);
    EXPECT_EQ(tracker.received(), 200U);
}

TEST(SequenceTracker, KeepsItsWindowOverJumpsOfAnySize) {
    for (const int step : {1, 2, 63, 64, 65, 99}) {
        SequenceTracker tracker;
        feed(tracker, {1000, 1001, 1001 + step});
        EXPECT_EQ(feed(tracker, {1001}), (std::vector{V::Duplicate})) << step;
        if (step > 1) {
            EXPECT_EQ(feed(tracker, {1002}), (std::vector{V::Late})) << step;
        }
    }
}

TEST(SequenceTracker, JudgesJumpsAtTheEdgesOfAppendixA1) {
    struct Case {
        int next;
        V verdict;
    };
    for (const Case c : {Case{10'000 + 2999, V::InOrder}, Case{10'000 + 3000, V::Jump},
                         Case{10'000 - 2999, V::Late}, Case{10'000 - 3000, V::Jump}}) {
        SequenceTracker tracker;
        feed(tracker, {9'999, 10'000});
        EXPECT_EQ(feed(tracker, {c.next}), (std::vector{c.verdict})) << c.next;
    }
}

// A recording client sends what it has kept of three seconds beside the live packets.
TEST(SequenceTracker, TakesOldPacketsBesideLiveOnesForLate) {
    SequenceTracker tracker;
    feed(tracker, {1000, 1001});
    int live = 1002;
    for (int old = 850; old < 1000; ++old) {
        EXPECT_EQ(feed(tracker, {old}), (std::vector{V::Late})) << old;
        if (old % 5 != 0) continue;
        EXPECT_EQ(feed(tracker, {live++}), (std::vector{V::InOrder}));
    }
    EXPECT_EQ(tracker.lost(), 0U);
    EXPECT_EQ(tracker.reordered(), 150U);
    EXPECT_EQ(tracker.extended_highest() & 0xffffU, static_cast<unsigned>(live - 1));
    feed(tracker, {live + 1});
    EXPECT_EQ(tracker.lost(), 1U);  // and counts on
}

TEST(SequenceTracker, BelievesASenderThatWentBackAfterAHundredInARow) {
    SequenceTracker tracker;
    feed(tracker, {5000, 5001});
    for (int i = 0; i < 99; ++i) EXPECT_EQ(feed(tracker, {4000 + i}), (std::vector{V::Late}));
    EXPECT_EQ(feed(tracker, {4099, 4100}), (std::vector{V::Restarted, V::InOrder}));
    EXPECT_EQ(tracker.lost(), 0U);
    EXPECT_EQ(tracker.received(), 103U);
    EXPECT_EQ(tracker.reordered(), 0U);
}

TEST(SequenceTracker, RestartsAfterTwoInARowBeyondAJump) {
    SequenceTracker tracker;
    feed(tracker, {100, 101, 103});
    EXPECT_EQ(feed(tracker, {40'000, 40'001, 40'002}),
              (std::vector{V::Jump, V::Restarted, V::InOrder}));
    EXPECT_EQ(tracker.lost(), 1U);  // that before the restart; the jump is none
    EXPECT_EQ(tracker.received(), 6U);
}

TEST(SequenceTracker, DoesNotCountWhatAPauseLeftOut) {
    SequenceTracker tracker;
    feed(tracker, {100, 101});
    tracker.on_break();
    feed(tracker, {600, 601});
    EXPECT_EQ(tracker.lost(), 0U);
    EXPECT_EQ(tracker.received(), 4U);
}

TEST(SequenceTracker, GivesTheFractionLostPerInterval) {
    SequenceTracker tracker;
    feed(tracker, {0, 1, 2, 7});  // 8 expected, 4 received
    EXPECT_EQ(tracker.take_fraction_lost(), 128);
    feed(tracker, {8, 9});
    EXPECT_EQ(tracker.take_fraction_lost(), 0);
    EXPECT_EQ(tracker.take_fraction_lost(), 0);
}

TEST(SequenceTracker, EstimatesJitterAsAppendixA8) {
    SequenceTracker tracker;
    const std::int64_t start = 1'770'000'000'000'000'000;
    tracker.on_timing(1000, start, 8000);
    tracker.on_timing(1160, start + 20'000'000, 8000);
    EXPECT_NEAR(tracker.jitter_ticks(), 0, 0.1);
    tracker.on_timing(1320, start + 50'000'000, 8000);  // 10 ms late: 80 ticks
    EXPECT_NEAR(tracker.jitter_ticks(), 5, 0.1);
    EXPECT_NEAR(tracker.jitter_ms(), 0.625, 0.02);
    tracker.on_timing(0xffffffff, start + 70'000'000, 16000);  // another clock: begins anew
    EXPECT_EQ(tracker.jitter_ticks(), 0);
}

TEST(SequenceTracker, KeepsJitterOverAWrapOfTheTimestamp) {
    SequenceTracker tracker;
    std::uint32_t timestamp = 0xffffffffU - 300;
    for (int i = 0; i < 20; ++i, timestamp += 160) {
        tracker.on_timing(timestamp, 1'770'000'000'000'000'000 + i * 20'000'000LL, 8000);
    }
    EXPECT_NEAR(tracker.jitter_ticks(), 0, 0.1);
}

TEST(TimestampExtender, TakesTheNearestCycle) {
    TimestampExtender extender;
    const std::int64_t first = extender.extend(0xffffff00U);
    EXPECT_EQ(first, 0xffffff00LL);
    EXPECT_EQ(extender.extend(0x00000100U), 0x100000100LL);
    EXPECT_EQ(extender.extend(0xfffffff0U), 0xfffffff0LL);  // late
    EXPECT_EQ(extender.extend(0x7fffff00U), 0x17fffff00LL);
}

TEST(TimestampExtender, GoesBelowZeroForWhatCameBeforeTheFirst) {
    TimestampExtender extender;
    extender.extend(10);
    EXPECT_EQ(extender.extend(0xfffffff0U), -16);
}

}  // namespace
}  // namespace earshot::rtp
