#include "chat/bindings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chat/chat_test_rig.h"

namespace earshot::chat {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Links = Bindings<int>;
using Bound = Links::Bound;

const base::NetAddress kThere = *base::parse_net_address("192.0.2.9:7000");

class BindingsTest : public testing::Test {
protected:
    base::Now now_ = first_now();
    Wires wires_;
    Links links_{wires_};
};

TEST_F(BindingsTest, ASessionHasOneConnectionAndAConnectionSeveralSessions) {
    links_.on_open(now_, 1, false);
    links_.on_open(now_, 2, false);
    EXPECT_EQ(links_.bind(*links_.find(1), 7), Bound::Now);
    EXPECT_EQ(links_.bind(*links_.find(1), 8), Bound::Now);
    EXPECT_EQ(links_.bind(*links_.find(1), 7), Bound::Before);
    EXPECT_EQ(links_.bind(*links_.find(2), 7), Bound::Elsewhere);
    EXPECT_EQ(links_.connection_of(8), 1U);
    links_.unbind(now_, 7);
    EXPECT_THAT(wires_.closed, IsEmpty());  // 8 has it
    links_.unbind(now_, 8);
    EXPECT_THAT(wires_.closed, ElementsAre(1));
    EXPECT_EQ(links_.connection_of(8), 0U);
    EXPECT_EQ(links_.size(), 1U);
}

TEST_F(BindingsTest, OnlyTheUriThatWasGivenOutLeadsToASession) {
    links_.set_own(7, uri("msrp://us:1/seven;tcp"));
    EXPECT_EQ(links_.place_of(uri("msrp://us:1/seven;tcp")), 7);
    EXPECT_FALSE(links_.place_of(uri("msrps://us:1/seven;tcp")));
    links_.set_own(7, uri("msrp://us:1/other;tcp"));
    EXPECT_FALSE(links_.place_of(uri("msrp://us:1/seven;tcp")));
    links_.forget(7);
    EXPECT_FALSE(links_.place_of(uri("msrp://us:1/other;tcp")));
}

TEST_F(BindingsTest, AConnectionOfOursIsTheSessionsForWhichItWasMade) {
    EXPECT_TRUE(links_.connect(now_, 7, kThere, {}));
    EXPECT_TRUE(links_.connect(now_, 7, kThere, {}));
    EXPECT_THAT(wires_.connected_to, ElementsAre("192.0.2.9:7000"));
    EXPECT_EQ(links_.connection_of(7), 0U);
    EXPECT_EQ(links_.on_open(now_, 101, false), 7);
    EXPECT_EQ(links_.connection_of(7), 101U);
    const Links::Lost lost = links_.drop(101);
    EXPECT_THAT(lost.bound, ElementsAre(7));
    EXPECT_FALSE(lost.connecting);
}

TEST_F(BindingsTest, AConnectionOfOursIsGivenUpWhenTheOtherEndComesFirst) {
    links_.connect(now_, 7, kThere, {});
    links_.on_open(now_, 1, false);
    EXPECT_EQ(links_.bind(*links_.find(1), 7), Bound::Now);
    EXPECT_THAT(wires_.closed, ElementsAre(101));
    EXPECT_FALSE(links_.on_open(now_, 101, false));  // what opens late all the same is nobody's
    EXPECT_EQ(links_.connection_of(7), 1U);
}

TEST_F(BindingsTest, ThoseWithoutASessionAreOverdueAfterAWhile) {
    links_.on_open(now_, 1, false);
    links_.on_open(now_, 2, false);
    links_.bind(*links_.find(1), 7);
    now_.steady += kUnboundTime - std::chrono::milliseconds(1);
    EXPECT_THAT(links_.overdue(now_), IsEmpty());
    now_.steady += std::chrono::milliseconds(1);
    EXPECT_THAT(links_.overdue(now_), ElementsAre(2));
}

}  // namespace
}  // namespace earshot::chat
