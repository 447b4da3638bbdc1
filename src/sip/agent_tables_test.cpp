// The tables that the agent stands on: timers in order, slots, keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "sip/key_hash.h"
#include "sip/slot_table.h"
#include "sip/timer_queue.h"

namespace earshot::sip {
namespace {

using namespace std::chrono_literals;
using base::TimePoint;

TEST(TimerQueue, GivesTheEarliestFirstAndForgetsWhatIsRemoved) {
    TimerQueue queue;
    const TimePoint start{1h};
    TimerQueue::Handle a = TimerQueue::kNone;
    TimerQueue::Handle b = TimerQueue::kNone;
    queue.set(a, start + 2s, 1);
    queue.set(b, start + 1s, 2);
    EXPECT_EQ(queue.next(), start + 1s);
    EXPECT_EQ(queue.due(start), std::nullopt);
    EXPECT_EQ(queue.due(start + 1s), 2U);
    queue.set(b, start + 3s, 2);
    EXPECT_EQ(queue.next(), start + 2s);
    queue.set(a, std::nullopt, 1);
    EXPECT_EQ(a, TimerQueue::kNone);
    EXPECT_EQ(queue.next(), start + 3s);
    queue.set(b, std::nullopt, 2);
    queue.set(b, std::nullopt, 2);
    EXPECT_EQ(queue.next(), std::nullopt);
}

TEST(TimerQueue, AgreesWithASortedMapOverRandomChanges) {
    base::SeededRandom random(7);
    TimerQueue queue;
    std::vector<TimerQueue::Handle> handles(50, TimerQueue::kNone);
    std::map<std::uint64_t, TimePoint> expected;
    for (int i = 0; i < 20000; ++i) {
        const std::uint64_t token = random.u32() % handles.size();
        if (random.u32() % 3 == 0) {
            queue.set(handles[token], std::nullopt, token);
            expected.erase(token);
        } else {
            const TimePoint due{std::chrono::milliseconds{random.u32() % 1000}};
            queue.set(handles[token], due, token);
            expected[token] = due;
        }
        ASSERT_EQ(queue.size(), expected.size());
        if (expected.empty()) continue;
        const auto first =
            std::min_element(expected.begin(), expected.end(),
                             [](const auto& x, const auto& y) { return x.second < y.second; });
        ASSERT_EQ(queue.next(), first->second);
        ASSERT_EQ(expected.at(*queue.due(TimePoint{1h})), first->second);
    }
}

TEST(SlotTable, NeverFindsAnotherObjectUnderAnOldNumber) {
    SlotTable<int> table;
    EXPECT_EQ(table.find(0), nullptr);
    const auto first = table.insert(std::make_unique<int>(1));
    table.erase(first);
    const auto second = table.insert(std::make_unique<int>(2));
    EXPECT_NE(first, second);
    EXPECT_EQ(table.find(first), nullptr);
    table.erase(first);
    EXPECT_EQ(*table.find(second), 2);
    EXPECT_EQ(table.size(), 1U);
    EXPECT_EQ(table.find(~std::uint64_t{0}), nullptr);
}

TEST(KeyHasher, GivesTheReferenceDigestOfSipHash128) {
    // vectors_sip128 of the reference implementation: key 00..0f, the messages 00..07 and "".
    // A number is hashed as its eight little-endian bytes.
    const std::uint64_t low = 0x0706050403020100;
    const std::uint64_t high = 0x0f0e0d0c0b0a0908;
    const Key empty = KeyHasher(low, high).finish();
    EXPECT_EQ(empty.low, 0xe6a825ba047f81a3U);
    EXPECT_EQ(empty.high, 0x930255c71472f66dU);
}

TEST(KeyHasher, KeepsFieldsApartAndFoldsCaseOnlyWhenAsked) {
    const auto key = [](std::string_view a, std::string_view b) {
        return KeyHasher(1, 2).add(a).add(b).finish();
    };
    EXPECT_EQ(key("ab", "c"), key("ab", "c"));
    EXPECT_NE(key("ab", "c"), key("a", "bc"));
    EXPECT_NE(key("AB", "c"), key("ab", "c"));
    EXPECT_EQ(KeyHasher(1, 2).add_lower("Host").finish(),
              KeyHasher(1, 2).add_lower("hOST").finish());
    EXPECT_NE(KeyHasher(1, 2).add("x").finish(), KeyHasher(1, 3).add("x").finish());
}

}  // namespace
}  // namespace earshot::sip
