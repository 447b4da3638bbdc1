#include "relay/turn_bytes.h"

#include <gtest/gtest.h>

namespace earshot::relay {
namespace {

TEST(TurnBytes, GivesEachTakerOfATurnARoomOfItsOwnThatStays) {
    TurnBytes bytes;
    const auto first = bytes.take();
    first[0] = 1;
    const auto second = bytes.take();
    EXPECT_NE(first.data(), second.data());
    EXPECT_EQ(first.size(), io::kMaxMediaBytes);
    EXPECT_EQ(first[0], 1);
    bytes.reset();
    EXPECT_EQ(bytes.take().data(), first.data());
}

TEST(TurnBytes, KeepsNoRoomForWhatPassesUnchanged) {
    TurnBytes bytes;
    for (int packet = 0; packet < 1000; ++packet) {
        bytes.take();
        bytes.give_back();
    }
    EXPECT_EQ(bytes.rooms(), 1U);
}

}  // namespace
}  // namespace earshot::relay
