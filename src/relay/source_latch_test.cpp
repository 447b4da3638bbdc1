#include "relay/source_latch.h"

#include <gtest/gtest.h>

#include <array>

namespace earshot::relay {
namespace {

constexpr std::int64_t kMs = 1'000'000;

base::NetAddress at(const char* text) { return *base::parse_net_address(text); }

class SourceLatchTest : public testing::Test {
protected:
    void signal(const base::NetAddress& announced) {
        latch_.set_signalled(announced, std::array{announced});
    }
    bool hear(const base::NetAddress& from, std::uint16_t sequence, std::uint32_t ssrc = 1) {
        now_ns_ += 20 * kMs;
        return latch_.accepts(from, SourceLatch::Mark{.ssrc = ssrc, .sequence = sequence}, now_ns_);
    }
    void latch(const base::NetAddress& from) {
        hear(from, 1);
        hear(from, 2);
        ASSERT_EQ(latch_.source(), from);
    }

    SourceLatch latch_{2, kRtpSilence};
    std::int64_t now_ns_ = 1'000'000 * kMs;
    const base::NetAddress phone_ = at("192.0.2.1:4000");
    const base::NetAddress same_host_ = at("192.0.2.1:9999");
    const base::NetAddress stranger_ = at("198.51.100.7:4000");
};

TEST_F(SourceLatchTest, TakesNothingBeforeSignallingHasNamedAHost) {
    EXPECT_FALSE(hear(phone_, 1));
    EXPECT_TRUE(latch_.destination().is_unspecified());
}

TEST_F(SourceLatchTest, PassesTheFirstPacketAndLatchesWithTheSecond) {
    signal(phone_);
    EXPECT_EQ(latch_.destination(), phone_);
    EXPECT_TRUE(hear(same_host_, 1));
    EXPECT_EQ(latch_.destination(), phone_);
    EXPECT_TRUE(hear(same_host_, 2));
    EXPECT_EQ(latch_.destination(), same_host_);
}

TEST_F(SourceLatchTest, DoesNotLatchOnPacketsThatDoNotFollowEachOther) {
    signal(phone_);
    hear(same_host_, 1);
    hear(same_host_, 1);                       // a duplicate
    hear(same_host_, 2, 5);                    // another source
    hear(same_host_, kMaxSequenceGap + 3, 5);  // too far away
    EXPECT_TRUE(latch_.source().is_unspecified());
    hear(same_host_, 2 * kMaxSequenceGap + 3, 5);  // as far as it may be
    EXPECT_EQ(latch_.source(), same_host_);
}

TEST_F(SourceLatchTest, NeverTakesAHostThatWasNotSignalled) {
    signal(phone_);
    EXPECT_FALSE(hear(stranger_, 1));
    EXPECT_FALSE(hear(stranger_, 2));
    latch(phone_);
    now_ns_ += 60'000 * kMs;
    EXPECT_FALSE(hear(stranger_, 3));
}

TEST_F(SourceLatchTest, TakesTheHostThatSignals) {
    latch_.set_signalled(at("10.0.0.1:4000"),
                         std::array{at("10.0.0.1:4000"), at("192.0.2.1:5060")});
    latch(same_host_);
    EXPECT_EQ(latch_.destination(), same_host_);
}

TEST_F(SourceLatchTest, KeepsWhoWasLatchedUntilItIsSilent) {
    signal(phone_);
    latch(phone_);
    EXPECT_FALSE(hear(same_host_, 1));
    EXPECT_FALSE(hear(same_host_, 2));
    EXPECT_EQ(latch_.source(), phone_);
    now_ns_ += 500 * kMs;
    EXPECT_TRUE(hear(same_host_, 3));
    EXPECT_TRUE(hear(same_host_, 4));
    EXPECT_EQ(latch_.source(), same_host_);
}

TEST_F(SourceLatchTest, PrefersWhoSpeaksWhereTheSdpSays) {
    signal(phone_);
    latch(same_host_);
    EXPECT_FALSE(hear(phone_, 1));
    EXPECT_TRUE(hear(phone_, 2));
    EXPECT_EQ(latch_.source(), phone_);
    EXPECT_FALSE(hear(same_host_, 3));
}

TEST_F(SourceLatchTest, TakesAnotherSourceAtTheLatchedAddressAtOnce) {
    signal(phone_);
    latch(phone_);
    EXPECT_TRUE(hear(phone_, 7777, 42));  // music on hold
}

TEST_F(SourceLatchTest, FollowsSignallingAtOnce) {
    signal(phone_);
    latch(phone_);
    const base::NetAddress moved = at("192.0.2.1:6000");
    signal(moved);
    EXPECT_EQ(latch_.destination(), moved);
    EXPECT_TRUE(hear(phone_, 3));  // under way still
    EXPECT_TRUE(hear(moved, 1));
    EXPECT_TRUE(hear(moved, 2));
    EXPECT_FALSE(hear(phone_, 4));
}

TEST_F(SourceLatchTest, ForgetsALatchedHostThatIsNotSignalledAnyMore) {
    signal(phone_);
    latch(phone_);
    signal(at("192.0.2.2:4000"));
    EXPECT_FALSE(hear(phone_, 3));
    EXPECT_TRUE(latch_.source().is_unspecified());
    EXPECT_EQ(latch_.destination(), at("192.0.2.2:4000"));
}

TEST_F(SourceLatchTest, HoldChangesNothing) {
    signal(phone_);
    latch(same_host_);
    latch_.set_signalled({}, std::array{base::NetAddress{}});
    EXPECT_TRUE(hear(same_host_, 3));
    EXPECT_EQ(latch_.destination(), same_host_);
}

TEST_F(SourceLatchTest, PacketsThatProveNothingPassWhereTheyMay) {
    signal(phone_);
    EXPECT_TRUE(latch_.accepts(same_host_, std::nullopt, now_ns_));
    EXPECT_FALSE(latch_.accepts(stranger_, std::nullopt, now_ns_));
    latch(phone_);
    EXPECT_FALSE(latch_.accepts(same_host_, std::nullopt, now_ns_));
    EXPECT_TRUE(latch_.accepts(phone_, std::nullopt, now_ns_));
}

TEST_F(SourceLatchTest, MoreAddressesThanPlacesDoNotKeepTheOneThatGoesOnOut) {
    signal(phone_);
    for (std::uint16_t i = 0; i < 3 * kMaxCandidates; ++i) {
        base::NetAddress other = phone_;
        other.port = static_cast<std::uint16_t>(7000 + i);
        hear(other, 1);
    }
    latch(same_host_);
}

}  // namespace
}  // namespace earshot::relay
