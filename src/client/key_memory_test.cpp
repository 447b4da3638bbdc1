#include "client/key_memory.h"

#include <gtest/gtest.h>

namespace earshot::client {
namespace {

using std::chrono::milliseconds;

class KeyMemoryTest : public testing::Test {
protected:
    bool info(char digit) { return keys_.add(now_, KeyWay::Info, digit); }
    bool rtp(char digit) { return keys_.add(now_, KeyWay::Rtp, digit); }
    void wait(milliseconds time) { now_ += time; }

    base::TimePoint now_{std::chrono::hours{1}};
    KeyMemory keys_;
};

TEST_F(KeyMemoryTest, KeepsTheOrderOfKeysOfBothWays) {
    EXPECT_TRUE(info('*'));
    wait(milliseconds{300});
    EXPECT_TRUE(rtp('1'));
    EXPECT_EQ(keys_.digits(), "*1");
}

TEST_F(KeyMemoryTest, APhoneThatTellsEachKeyTwiceIsHeardOnce) {
    for (const char digit : std::string("*11")) {
        EXPECT_TRUE(rtp(digit));
        wait(milliseconds{10});
        EXPECT_FALSE(info(digit));
        wait(milliseconds{200});
    }
    EXPECT_EQ(keys_.digits(), "*11");
}

TEST_F(KeyMemoryTest, TheSecondWayMayLagByMoreThanOneKey) {
    EXPECT_TRUE(rtp('*'));
    wait(milliseconds{150});
    EXPECT_TRUE(rtp('1'));
    EXPECT_FALSE(info('*'));
    EXPECT_FALSE(info('1'));
    EXPECT_EQ(keys_.digits(), "*1");
}

TEST_F(KeyMemoryTest, TheSameKeyOfOneWayIsAnotherKey) {
    EXPECT_TRUE(info('1'));
    EXPECT_TRUE(info('1'));
    EXPECT_EQ(keys_.digits(), "11");
}

TEST_F(KeyMemoryTest, TheSameKeyMuchLaterIsAnotherKey) {
    EXPECT_TRUE(info('1'));
    wait(KeyMemory::kPairTime);
    EXPECT_TRUE(rtp('1'));
    EXPECT_EQ(keys_.digits(), "11");
}

TEST_F(KeyMemoryTest, RemembersSoManyAndNoMore) {
    for (std::size_t i = 0; i < KeyMemory::kMaxDigits; ++i) EXPECT_TRUE(rtp('1'));
    EXPECT_EQ(keys_.digits().size(), KeyMemory::kMaxDigits);
    EXPECT_TRUE(rtp('2'));
    EXPECT_EQ(keys_.digits().size(), KeyMemory::kMaxDigits);
    EXPECT_TRUE(keys_.digits().ends_with("12"));
}

}  // namespace
}  // namespace earshot::client
