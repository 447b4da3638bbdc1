#include "client/keep_alive.h"

#include <gtest/gtest.h>

namespace earshot::client {
namespace {

using namespace std::chrono_literals;

class KeepAliveTest : public testing::Test {
protected:
    KeepAliveTest() { keep_.set_interval(25s); }

    static b2bua::Registered phone(std::string_view at, std::uint64_t connection = 0) {
        const auto transport = connection == 0 ? sip::Transport::Udp : sip::Transport::Tcp;
        return {.uri = "sip:ann@192.168.1.5",
                .flow = {.transport = transport,
                         .listener = 0,
                         .connection = connection,
                         .remote = *base::parse_net_address(at)},
                .is_behind_nat = true,
                .time = 60s};
    }

    base::TimePoint now_{std::chrono::hours{1}};
    KeepAlive keep_;
};

TEST_F(KeepAliveTest, AsksAPhoneEachIntervalUntilItsRegistrationEnds) {
    keep_.on_registered(now_, phone("198.51.100.7:40000"));
    EXPECT_TRUE(keep_.take_due(now_ + 24s).empty());
    const auto due = keep_.take_due(now_ + 25s);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].uri, "sip:ann@192.168.1.5");
    EXPECT_EQ(base::to_string(due[0].flow.remote), "198.51.100.7:40000");
    EXPECT_TRUE(keep_.take_due(now_ + 49s).empty());
    EXPECT_EQ(keep_.take_due(now_ + 50s).size(), 1U);
    EXPECT_TRUE(keep_.take_due(now_ + 75s).empty());
    EXPECT_EQ(keep_.size(), 0U);
}

TEST_F(KeepAliveTest, ARefreshProlongsIt) {
    keep_.on_registered(now_, phone("198.51.100.7:40000"));
    keep_.on_registered(now_ + 50s, phone("198.51.100.7:40000"));
    EXPECT_EQ(keep_.size(), 1U);
    EXPECT_EQ(keep_.take_due(now_ + 75s).size(), 1U);
}

TEST_F(KeepAliveTest, LeavesAlonePhonesThatAreReachedWhereTheySay) {
    auto open = phone("198.51.100.7:5060");
    open.is_behind_nat = false;
    keep_.on_registered(now_, open);
    EXPECT_EQ(keep_.size(), 0U);
}

TEST_F(KeepAliveTest, ForgetsWhoUnregisteredOrClosedItsConnection) {
    keep_.on_registered(now_, phone("198.51.100.7:40000"));
    auto gone = phone("198.51.100.7:40000");
    gone.time = 0s;
    keep_.on_registered(now_, gone);
    EXPECT_EQ(keep_.size(), 0U);

    keep_.on_registered(now_, phone("198.51.100.7:40001", 7));
    keep_.on_registered(now_, phone("198.51.100.8:40001", 8));
    keep_.on_flow_closed(phone("198.51.100.7:40001", 7).flow);
    const auto due = keep_.take_due(now_ + 25s);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].flow.connection, 8U);
}

TEST_F(KeepAliveTest, KeepsNoMorePhonesThanItsLimitAndSpreadsThem) {
    for (std::size_t i = 0; i <= KeepAlive::kMaxPhones; ++i) {
        auto one = phone("198.51.100.7:40000");
        one.flow.remote.ip[13] = static_cast<std::uint8_t>(i >> 16);
        one.flow.remote.ip[14] = static_cast<std::uint8_t>(i >> 8);
        one.flow.remote.ip[15] = static_cast<std::uint8_t>(i);
        keep_.on_registered(now_, one);
    }
    EXPECT_EQ(keep_.size(), KeepAlive::kMaxPhones);
    EXPECT_EQ(keep_.take_due(now_ + 25s).size(), KeepAlive::kMaxAtOnce);
    EXPECT_EQ(keep_.take_due(now_ + 26s).size(), KeepAlive::kMaxAtOnce);
    keep_.set_interval(0s);
    EXPECT_EQ(keep_.size(), 0U);
}

}  // namespace
}  // namespace earshot::client
