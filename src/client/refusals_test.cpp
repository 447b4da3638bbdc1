#include "client/refusals.h"

#include <gtest/gtest.h>

#include "client/limits.h"

namespace earshot::client {
namespace {

using std::chrono::milliseconds;

MediaPlace place(const std::string& server, const char* host = "192.0.2.9") {
    return {.server = server, .host = *base::parse_host(host, 0)};
}

class RefusalsTest : public testing::Test {
protected:
    void add(const MediaPlace& where, std::uint64_t call) { refusals_.add(now_, where, {call, 1}); }
    std::size_t count(const MediaPlace& where) { return refusals_.count(now_, where); }

    base::TimePoint now_{std::chrono::seconds{100}};
    Refusals refusals_;
    const MediaPlace a_ = place("sip:a@h");
};

TEST_F(RefusalsTest, CountsRecordingsAndNotTheirRefusals) {
    add(a_, 1);
    add(a_, 1);
    EXPECT_EQ(count(a_), 1U);
    add(a_, 2);
    EXPECT_EQ(count(a_), 2U);
    EXPECT_TRUE(refusals_.has(a_, {2, 1}));
    EXPECT_FALSE(refusals_.has(a_, {2, 2}));
}

TEST_F(RefusalsTest, KeepsServersAndHostsApart) {
    add(a_, 1);
    add(place("sip:b@h"), 2);
    add(place("sip:a@h", "192.0.2.10"), 3);
    EXPECT_EQ(count(a_), 1U);
}

TEST_F(RefusalsTest, ForgetsWhatIsOlderThanItsTime) {
    add(a_, 1);
    now_ += kRefusalTime;
    add(a_, 2);
    EXPECT_EQ(count(a_), 2U);
    now_ += milliseconds{1};
    EXPECT_EQ(count(a_), 1U);
    EXPECT_EQ(refusals_.first(a_), now_ - milliseconds{1});
    refusals_.forget(a_);
    EXPECT_EQ(count(a_), 0U);
}

TEST_F(RefusalsTest, RemembersOnlySoMany) {
    add(a_, 1);
    for (std::uint64_t call = 2; call <= kMaxRefusals; ++call) add(place("sip:b@h"), call);
    EXPECT_EQ(count(a_), 1U);
    add(place("sip:b@h"), kMaxRefusals + 1);
    EXPECT_EQ(count(a_), 0U) << "the oldest gives way";
}

}  // namespace
}  // namespace earshot::client
