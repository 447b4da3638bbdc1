#include "siprec/metadata_values.h"

#include <gtest/gtest.h>

#include <string>

namespace earshot::siprec {
namespace {

const base::WallTime kNoon = base::parse_time("2026-03-02T12:00:00Z")->time;
const base::WallTime kLater = base::parse_time("2026-03-02T12:05:00Z")->time;

TEST(OptionalTime, IsAbsentUntilItIsSet) {
    OptionalTime time;
    EXPECT_FALSE(time.has_value());
    EXPECT_EQ(time, std::nullopt);
    time = kNoon;
    EXPECT_TRUE(time.has_value());
    EXPECT_EQ(*time, kNoon);
    EXPECT_FALSE(time == OptionalTime{kLater});
    time.reset();
    EXPECT_FALSE(time.has_value());
    EXPECT_EQ(sizeof(time), 8U);
}

TEST(RareList, ReadsAsTheVectorItStandsFor) {
    RareList<std::string> list;
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.size(), 0U);
    EXPECT_EQ(list.begin(), list.end());
    list.push_back("a");
    list.push_back("b");
    EXPECT_EQ(list.all(), (std::vector<std::string>{"a", "b"}));
    RareList<std::string> copy = list;
    EXPECT_EQ(copy, list);
    copy.push_back("c");
    EXPECT_EQ(copy.size(), 3U);
    EXPECT_EQ(list.size(), 2U);
    list = std::vector<std::string>{};
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list, RareList<std::string>{});
    EXPECT_EQ(sizeof(list), sizeof(void*));
}

TEST(Periods, KeepTheirOrderWhereverOneIsInserted) {
    Periods periods;
    EXPECT_TRUE(periods.empty());
    EXPECT_EQ(periods.begin(), periods.end());
    periods.push_back({kLater, std::nullopt});
    EXPECT_EQ(periods.size(), 1U);
    EXPECT_EQ(periods.extra_bytes(), 0U);
    periods.insert(periods.begin(), {kNoon, kNoon});
    periods.push_back({std::nullopt, kLater});
    ASSERT_EQ(periods.size(), 3U);
    EXPECT_EQ(periods.front().associate, kNoon);
    EXPECT_EQ(periods[1].associate, kLater);
    EXPECT_EQ(periods.back().associate, std::nullopt);
    EXPECT_GT(periods.extra_bytes(), 0U);
}

TEST(Periods, AreCopiedWholeAndComparedByWhatTheyHold) {
    Periods periods{{kNoon, std::nullopt}, {kLater, std::nullopt}};
    const Periods copy = periods;
    EXPECT_EQ(copy, periods);
    periods.back().disassociate = kLater;
    EXPECT_FALSE(copy == periods);
    periods = Periods{{kNoon, std::nullopt}};
    EXPECT_EQ(periods.size(), 1U);
    EXPECT_EQ(periods, (Periods{{kNoon, std::nullopt}}));
    EXPECT_FALSE(periods == Periods{});
}

}  // namespace
}  // namespace earshot::siprec
