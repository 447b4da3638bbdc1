#include "server/attempt_ledger.h"

#include <gtest/gtest.h>

namespace earshot::server {
namespace {

using namespace std::chrono_literals;

constexpr base::TimePoint kStart{1h};

catalog::Attempt refused(std::size_t number, const std::string& host = "192.0.2.9",
                         const std::string& code = "merged") {
    return {.id = std::to_string(number),
            .peer = host + ":" + std::to_string(1024 + number % 60'000),
            .outcome = "refused",
            .reason = base::Reason{code, "Why."}};
}

catalog::Attempt call(std::size_t number) {
    return {.id = "c" + std::to_string(number), .recording_id = "r", .outcome = "recorded"};
}

std::vector<catalog::Attempt> take_all(AttemptLedger& ledger, base::TimePoint now) {
    std::vector<catalog::Attempt> all;
    for (auto rows = ledger.take(now); !rows.empty(); rows = ledger.take(now)) {
        EXPECT_LE(rows.size(), kMaxAttemptBatch);
        all.insert(all.end(), rows.begin(), rows.end());
    }
    return all;
}

TEST(AttemptLedger, GivesEachRowAtOnce) {
    AttemptLedger ledger;
    ledger.add_refused(kStart, refused(1));
    ledger.add_call(call(2));
    const auto rows = take_all(ledger, kStart);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].id, "1");
    EXPECT_EQ(rows[1].id, "c2");
    EXPECT_TRUE(ledger.take(kStart + 1h).empty());
}

TEST(AttemptLedger, AFloodSharesARowThatTellsItsNumber) {
    AttemptLedger ledger;
    for (std::size_t i = 0; i < kAttemptRowsBurst + 5000; ++i) {
        ledger.add_refused(kStart, refused(i));
    }
    EXPECT_EQ(take_all(ledger, kStart).size(), kAttemptRowsBurst);
    EXPECT_TRUE(ledger.take(kStart + kAttemptGroupTime - 1ms).empty());
    const auto rows = take_all(ledger, kStart + kAttemptGroupTime);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].id, std::to_string(kAttemptRowsBurst));
    EXPECT_EQ(rows[0].reason->code, "merged");
    EXPECT_EQ(rows[0].reason->text.substr(0, 12), "5000 INVITEs");
    EXPECT_EQ(ledger.counters().refused, kAttemptRowsBurst + 5000);
    EXPECT_EQ(ledger.counters().merged, 5000U);
}

TEST(AttemptLedger, AChallengeIsNoRefusal) {
    AttemptLedger ledger;
    catalog::Attempt row = refused(1);
    row.outcome = kChallenged;
    ledger.add_refused(kStart, row);
    EXPECT_EQ(take_all(ledger, kStart).size(), 1U);
    for (std::size_t i = 0; i < kAttemptRowsBurst; ++i) ledger.add_refused(kStart, row);
    EXPECT_EQ(take_all(ledger, kStart + kAttemptGroupTime).size(), kAttemptRowsBurst);
    EXPECT_EQ(ledger.counters().refused, 0U);
    EXPECT_EQ(ledger.counters().merged, 0U);  // one of them, but it was not refused
}

TEST(AttemptLedger, ARowThatIsWrittenKeepsItsIdInAFlood) {
    AttemptLedger ledger;
    for (std::size_t i = 0; i < kAttemptRowsBurst; ++i) ledger.add_refused(kStart, refused(i));
    (void)take_all(ledger, kStart);
    ledger.add_refused(kStart, refused(1));
    ledger.add_refused(kStart, refused(2), AttemptLedger::Row::Written);
    const auto rows = take_all(ledger, kStart);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].id, "2");
    EXPECT_EQ(rows[0].reason->text, "Why.");
    EXPECT_EQ(ledger.counters().merged, 1U);
    // What it takes from the others is one row, not more.
    EXPECT_FALSE(ledger.is_merging(kStart + 10ms));
}

TEST(AttemptLedger, TheRateRefills) {
    AttemptLedger ledger;
    for (std::size_t i = 0; i < kAttemptRowsBurst; ++i) ledger.add_refused(kStart, refused(i));
    ledger.add_refused(kStart, refused(1));
    EXPECT_EQ(ledger.counters().merged, 1U);
    for (std::size_t i = 0; i < kAttemptRowsPerSecond; ++i) {
        ledger.add_refused(kStart + 1s, refused(i));
    }
    EXPECT_EQ(ledger.counters().merged, 1U);
    ledger.add_refused(kStart + 1s, refused(1));
    EXPECT_EQ(ledger.counters().merged, 2U);
}

TEST(AttemptLedger, GroupsAreByHostAndReasonAndBounded) {
    AttemptLedger ledger;
    for (std::size_t i = 0; i < kAttemptRowsBurst; ++i) ledger.add_refused(kStart, refused(i));
    (void)take_all(ledger, kStart);
    ledger.add_refused(kStart, refused(1, "192.0.2.1", "merged"));
    ledger.add_refused(kStart, refused(2, "192.0.2.1", "unknown_peer"));
    for (std::size_t i = 2; i < kMaxAttemptGroups; ++i) {
        ledger.add_refused(kStart, refused(i, "2001:db8::" + std::to_string(i)));
    }
    for (std::size_t i = 0; i < 10'000; ++i) {
        ledger.add_refused(kStart, refused(i, "198.51.100." + std::to_string(i)));
    }
    const auto rows = take_all(ledger, kStart + kAttemptGroupTime);
    EXPECT_EQ(rows.size(), kMaxAttemptGroups + 1);
    const auto rest =
        std::find_if(rows.begin(), rows.end(), [](const auto& row) { return row.peer.empty(); });
    ASSERT_NE(rest, rows.end());
    EXPECT_EQ(rest->reason->text.substr(0, 13), "10000 INVITEs");
}

TEST(AttemptLedger, RowsThatWereNotCommittedWaitAndKeepTheirOrder) {
    AttemptLedger ledger;
    ledger.add_refused(kStart, refused(1));
    ledger.add_refused(kStart, refused(2));
    ledger.put_back(kStart, take_all(ledger, kStart));
    ledger.add_call(call(3));
    EXPECT_TRUE(ledger.take(kStart).empty());
    EXPECT_EQ(ledger.counters().waiting, 3U);
    const auto rows = take_all(ledger, kStart + kAttemptRetryTime);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].id, "1");
    EXPECT_EQ(rows[2].id, "c3");
    EXPECT_EQ(ledger.counters().waiting, 0U);
}

TEST(AttemptLedger, WhatWaitsIsBoundedAndWhatIsLostIsCounted) {
    AttemptLedger ledger;
    ledger.put_back(kStart, {});
    for (std::size_t i = 0; i < kMaxWaitingAttempts; ++i) ledger.add_call(call(i));
    EXPECT_EQ(ledger.counters().lost, 0U);
    ledger.add_call(call(0));
    EXPECT_EQ(ledger.counters().lost, 1U);
    ledger.add_refused(kStart, refused(1));
    EXPECT_EQ(ledger.counters().merged, 1U);  // it is counted, and told when there is room
    EXPECT_EQ(ledger.counters().waiting, kMaxWaitingAttempts);
    EXPECT_EQ(take_all(ledger, kStart + kAttemptGroupTime).size(), kMaxWaitingAttempts + 1);
}

}  // namespace
}  // namespace earshot::server
