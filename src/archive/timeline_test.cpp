#include "archive/timeline.h"

#include <gtest/gtest.h>

namespace earshot::archive {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

StreamFacts facts_of_ten_seconds() {
    StreamFacts facts;
    facts.negotiated = {{0, 10 * kSecond}};
    return facts;
}

// Packets every 20 ms in [from, to).
void add_packets(Timeline& timeline, std::int64_t from, std::int64_t to) {
    for (std::int64_t at = from; at < to; at += kSecond / 50)
        timeline.packets.push_back({.position_ns = at, .entry = 0, .segment = 0, .ticks = 0});
}

TEST(CollectGaps, HoldWithoutPacketsIsAGap) {
    StreamFacts facts = facts_of_ten_seconds();
    facts.held = {{4 * kSecond, 6 * kSecond}};
    Timeline timeline;
    add_packets(timeline, 0, 3 * kSecond);
    add_packets(timeline, 7 * kSecond, 10 * kSecond);
    EXPECT_EQ(
        collect_gaps(timeline, facts, 0, 10 * kSecond),
        (std::vector<Gap>{{.start_ms = 4000, .duration_ms = 2000, .reason = GapReason::Held}}));
}

TEST(CollectGaps, MusicOnHoldIsNoGap) {
    StreamFacts facts = facts_of_ten_seconds();
    facts.held = {{4 * kSecond, 6 * kSecond}};
    Timeline timeline;
    add_packets(timeline, 0, 10 * kSecond);
    EXPECT_TRUE(collect_gaps(timeline, facts, 0, 10 * kSecond).empty());
}

TEST(CollectGaps, PauseDuringAHoldHasOneReasonAMoment) {
    StreamFacts facts = facts_of_ten_seconds();
    facts.held = {{4 * kSecond, 7 * kSecond}};
    facts.paused = {{5 * kSecond, 6 * kSecond}};
    EXPECT_EQ(
        collect_gaps(Timeline{}, facts, 0, 10 * kSecond),
        (std::vector<Gap>{{.start_ms = 4000, .duration_ms = 1000, .reason = GapReason::Held},
                          {.start_ms = 5000, .duration_ms = 1000, .reason = GapReason::Paused},
                          {.start_ms = 6000, .duration_ms = 1000, .reason = GapReason::Held}}));
}

TEST(CollectGaps, AStreamThatIsInactiveForAHoldIsHeld) {
    StreamFacts facts = facts_of_ten_seconds();
    facts.held = {{4 * kSecond, 6 * kSecond}};
    facts.paused = {{4 * kSecond + kSecond / 5, 7 * kSecond}};  // and was paused by then
    EXPECT_EQ(
        collect_gaps(Timeline{}, facts, 0, 10 * kSecond),
        (std::vector<Gap>{{.start_ms = 4000, .duration_ms = 2000, .reason = GapReason::Held},
                          {.start_ms = 6000, .duration_ms = 1000, .reason = GapReason::Paused}}));
}

TEST(CollectGaps, AStreamThatIsRemovedIsPausedNoLonger) {
    StreamFacts facts = facts_of_ten_seconds();
    facts.negotiated = {{0, 6 * kSecond}};
    facts.paused = {{5 * kSecond, 10 * kSecond}};
    EXPECT_EQ(collect_gaps(Timeline{}, facts, 0, 10 * kSecond),
              (std::vector<Gap>{
                  {.start_ms = 5000, .duration_ms = 1000, .reason = GapReason::Paused},
                  {.start_ms = 6000, .duration_ms = 4000, .reason = GapReason::NotNegotiated}}));
}

}  // namespace
}  // namespace earshot::archive
