#include "transport/handshake_guard.h"

#include <gtest/gtest.h>

namespace earshot::transport {
namespace {

using std::chrono::milliseconds;

base::NetAddress host(std::string_view text) { return *base::parse_host(text, 1234); }

class Guard : public testing::Test {
protected:
    void fail(std::string_view who, std::size_t times) {
        for (std::size_t i = 0; i < times; ++i) guard_.on_failed(now_, host(who));
    }
    HandshakeGuard guard_;
    base::TimePoint now_ = base::TimePoint{} + std::chrono::hours{1};
};

TEST_F(Guard, BearsSomeFailuresOfAHostAndNoMore) {
    fail("192.0.2.1", kFailedHandshakes - 1);
    EXPECT_TRUE(guard_.admits(now_, host("192.0.2.1")));
    fail("192.0.2.1", 1);
    EXPECT_FALSE(guard_.admits(now_, host("192.0.2.1")));
    EXPECT_TRUE(guard_.admits(now_, host("192.0.2.2")));
}

TEST_F(Guard, ForgivesOneAfterTheOther) {
    fail("192.0.2.1", kFailedHandshakes + 100);  // more than enough are not remembered
    now_ += kHandshakeForgiven - milliseconds{1};
    EXPECT_FALSE(guard_.admits(now_, host("192.0.2.1")));
    now_ += milliseconds{1};
    EXPECT_TRUE(guard_.admits(now_, host("192.0.2.1")));
    fail("192.0.2.1", 1);
    EXPECT_FALSE(guard_.admits(now_, host("192.0.2.1")));
    now_ += kFailedHandshakes * kHandshakeForgiven;
    EXPECT_TRUE(guard_.admits(now_, host("192.0.2.1")));
    EXPECT_EQ(guard_.host_count(), 0U);
}

TEST_F(Guard, TakesAnIpv6NetworkForOneHost) {
    for (std::size_t i = 0; i < kFailedHandshakes; ++i)
        fail("2001:db8:0:1::" + std::to_string(i), 1);
    EXPECT_FALSE(guard_.admits(now_, host("2001:db8:0:1::abcd")));
    EXPECT_TRUE(guard_.admits(now_, host("2001:db8:0:2::1")));
}

TEST_F(Guard, RemembersNoMoreHostsThanItsLimit) {
    for (std::size_t i = 0; i < kMaxGuardedHosts + 1; ++i)
        fail(std::to_string(1 + i / 65536) + "." + std::to_string(i / 256 % 256) + "." +
                 std::to_string(i % 256) + ".1",
             1);
    EXPECT_EQ(guard_.host_count(), kMaxGuardedHosts);
    now_ += kHandshakeForgiven;
    fail("192.0.2.1", 1);
    EXPECT_EQ(guard_.host_count(), 1U);
}

TEST_F(Guard, LetsHandshakesBeginNoFasterThanItsPace) {
    std::size_t begun = 0;
    while (guard_.take_turn(now_).count() == 0) ++begun;
    EXPECT_EQ(begun, kHandshakeBurst + 1U);
    const milliseconds wait = guard_.take_turn(now_);
    EXPECT_GT(wait.count(), 0);
    now_ += wait;
    EXPECT_EQ(guard_.take_turn(now_).count(), 0);
    guard_.give_back_turn();
    EXPECT_EQ(guard_.take_turn(now_).count(), 0);
    begun = 0;
    for (int tick = 0; tick < 1000; ++tick, now_ += milliseconds{1})
        while (guard_.take_turn(now_).count() == 0) ++begun;
    EXPECT_NEAR(static_cast<double>(begun), kHandshakesPerSecond, 3);
}

}  // namespace
}  // namespace earshot::transport
