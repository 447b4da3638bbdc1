// When a recording server counts as silent, by what its streams have met.
#include <gtest/gtest.h>

#include <array>

#include "relay/subscription_state.h"

namespace earshot::relay {
namespace {

using std::chrono::seconds;

constexpr const char* kCallSdp =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\n";
constexpr const char* kServerSdp =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\na=recvonly\r\nm=audio 6002 RTP/AVP 0\r\na=recvonly\r\n";

// A call of two legs whose streams both go to one server.
class SilentServer : public testing::Test {
protected:
    void SetUp() override {
        call_.offer(Leg::A, *read_leg({.from = Leg::A, .text = kCallSdp}));
        ASSERT_TRUE(call_.answer(Leg::B, *read_leg({.from = Leg::B, .text = kCallSdp})));
        for (const Leg from : {Leg::A, Leg::B})
            state_.add(call_, {.from = from, .line = {0, 1}}, 1 + index_of(from), 40'000,
                       counters_[index_of(from)]);
        take_answer();
    }
    void take_answer() {
        static_cast<void>(state_.offer(call_, *base::parse_host("192.0.2.5", 0)));
        ASSERT_TRUE(state_.answer(*sdp::parse(kServerSdp)));
    }
    void pass(seconds time) {
        now_ += time;
        for (const auto& counters : counters_) counters->rtp.add(172, in_ns(now_));
    }
    void report(Leg of) { counters_[index_of(of)]->from_server.add(80, in_ns(now_)); }
    bool is_silent(Leg of, Silence why) { return state_.on_silent(1 + index_of(of), why, now_); }
    static std::int64_t in_ns(base::TimePoint time) { return time.time_since_epoch().count(); }

    base::TimePoint now_{seconds{1'000}};
    std::array<std::shared_ptr<ForkCounters>, 2> counters_{std::make_shared<ForkCounters>(),
                                                           std::make_shared<ForkCounters>()};
    Negotiation call_;
    SubscriptionState state_{1};
};

TEST_F(SilentServer, IsOneOfWhichNoStreamSpeaksWell) {
    pass(seconds{1});
    EXPECT_FALSE(is_silent(Leg::A, Silence::Refused)) << "the other one gets through";
    EXPECT_TRUE(is_silent(Leg::B, Silence::Refused));
    EXPECT_FALSE(is_silent(Leg::A, Silence::Refused)) << "it was told";
    take_answer();
    pass(seconds{1});
    EXPECT_FALSE(is_silent(Leg::A, Silence::Refused)) << "another server";
    EXPECT_TRUE(is_silent(Leg::B, Silence::Refused));
}

TEST_F(SilentServer, IsToldAsRefusingAlsoWhenItsRtcpHadCeasedBefore) {
    pass(seconds{1});
    EXPECT_FALSE(is_silent(Leg::A, Silence::NoRtcp));
    EXPECT_TRUE(is_silent(Leg::B, Silence::NoRtcp));
    pass(seconds{60});
    EXPECT_FALSE(is_silent(Leg::A, Silence::Refused)) << "B's RTCP has ceased, its media arrives";
    EXPECT_TRUE(is_silent(Leg::B, Silence::Refused));
}

TEST_F(SilentServer, IsToldOnceMoreWhenItsRtcpHadComeAgain) {
    pass(seconds{1});
    is_silent(Leg::A, Silence::NoRtcp);
    EXPECT_TRUE(is_silent(Leg::B, Silence::NoRtcp));
    pass(seconds{1});
    EXPECT_FALSE(is_silent(Leg::A, Silence::NoRtcp));
    report(Leg::A);
    report(Leg::B);
    pass(seconds{60});
    EXPECT_FALSE(is_silent(Leg::A, Silence::NoRtcp)) << "B has reported since";
    EXPECT_TRUE(is_silent(Leg::B, Silence::NoRtcp));
    pass(seconds{1});
    EXPECT_FALSE(is_silent(Leg::A, Silence::NoRtcp));
}

}  // namespace
}  // namespace earshot::relay
