#include "relay/server_watch.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace earshot::relay {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1'000 * kMs;

TEST(ServerWatch, SuspectsAHostThatRefusesSeveralPacketsInARow) {
    ServerWatch watch;
    EXPECT_EQ(watch.on_unsent(ECONNREFUSED, 1 * kSecond), Silence::Refusal);
    for (int i = 1; i < kRefusals - 1; ++i)
        EXPECT_EQ(watch.on_unsent(ECONNREFUSED, 1 * kSecond + i * kMs), Silence::None);
    EXPECT_EQ(watch.on_unsent(ECONNREFUSED, 1 * kSecond + 40 * kMs), Silence::Refused);
}

TEST(ServerWatch, RepeatsASuspicionOnceASecond) {
    ServerWatch watch;
    int told = 0;
    for (int i = 0; i < 100; ++i)  // 4 s
        if (watch.on_unsent(ECONNREFUSED, kSecond + i * 40 * kMs) == Silence::Refused) ++told;
    EXPECT_EQ(told, 4);
}

TEST(ServerWatch, PassesOverRefusalsThatAreFarApart) {
    ServerWatch watch;
    for (int i = 1; i < 10; ++i)
        EXPECT_EQ(watch.on_unsent(ECONNREFUSED, i * 3 * kSecond), Silence::Refusal);
}

TEST(ServerWatch, WaitsASecondForAWayThatIsLost) {
    ServerWatch watch;
    for (int i = 0; i < 25; ++i)
        EXPECT_EQ(watch.on_unsent(EHOSTUNREACH, kSecond + i * 40 * kMs), Silence::None) << i;
    EXPECT_EQ(watch.on_unsent(EHOSTUNREACH, 2 * kSecond), Silence::Refused);
}

TEST(ServerWatch, BlamesNoServerForWhatIsOursOrForAFullBuffer) {
    ServerWatch watch;
    for (int i = 1; i < 100; ++i)
        for (const int error : {EAGAIN, ENOBUFS, EPERM, EMSGSIZE})
            EXPECT_EQ(watch.on_unsent(error, i * 20 * kMs), Silence::None);
}

TEST(ServerWatch, RtcpProvesThatItIsThere) {
    ServerWatch watch;
    for (int i = 1; i < kRefusals; ++i) watch.on_unsent(ECONNREFUSED, kSecond + i * kMs);
    watch.on_rtcp(1 * kSecond + 50 * kMs);
    EXPECT_EQ(watch.on_unsent(ECONNREFUSED, 1 * kSecond + 80 * kMs), Silence::Refusal);
}

TEST(ServerWatch, NeverSuspectsWhoSendsNoRtcp) {
    ServerWatch watch;
    EXPECT_EQ(watch.on_time(3600 * kSecond, 3600 * kSecond), Silence::None);
    watch.on_rtcp(1 * kSecond);  // two do not make a habit
    watch.on_rtcp(2 * kSecond);
    EXPECT_EQ(watch.on_time(3600 * kSecond, 3600 * kSecond), Silence::None);
}

TEST(ServerWatch, SuspectsWhoseRtcpHasCeasedForSeveralOfItsOwnIntervals) {
    ServerWatch watch;
    for (int i = 1; i <= 4; ++i) watch.on_rtcp(i * 8 * kSecond);
    const std::int64_t due = 32 * kSecond + kMissedReports * 8 * kSecond;
    EXPECT_EQ(watch.on_time(due, due), Silence::None);
    EXPECT_EQ(watch.on_time(due + kMs, due), Silence::NoRtcp);
    // Nothing was sent that there could be a report of.
    EXPECT_EQ(watch.on_time(due + kMs, due - 9 * kSecond), Silence::None);
    watch.on_rtcp(due + 2 * kMs);
    EXPECT_EQ(watch.on_time(due + 3 * kMs, due), Silence::None);
}

TEST(ServerWatch, GivesAServerTimeToReportAfterAHold) {
    ServerWatch watch;
    for (int i = 1; i <= 4; ++i) watch.on_rtcp(i * 5 * kSecond);
    std::int64_t now = 20 * kSecond;
    const std::int64_t held = now;
    for (; now < 600 * kSecond; now += kSecond)
        EXPECT_EQ(watch.on_time(now, held), Silence::None) << now / kSecond;
    const std::int64_t due = now + kMissedReports * 5 * kSecond;
    for (; now <= due; now += kSecond)
        EXPECT_EQ(watch.on_time(now, now), Silence::None) << now / kSecond;
    EXPECT_EQ(watch.on_time(now, now), Silence::NoRtcp);
}

TEST(ServerWatch, TakesNoIntervalForShorterThanRfc3550Does) {
    ServerWatch watch;
    for (int i = 1; i <= 10; ++i) watch.on_rtcp(kSecond + i * 100 * kMs);
    EXPECT_EQ(watch.on_time(20 * kSecond, 20 * kSecond), Silence::None);
    EXPECT_EQ(watch.on_time(28 * kSecond, 28 * kSecond), Silence::NoRtcp);
}

}  // namespace
}  // namespace earshot::relay
