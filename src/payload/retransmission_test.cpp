#include "payload/retransmission.h"

#include "payload/payload_test_rig.h"

namespace earshot::payload {
namespace {

TEST(Retransmission, NamesThePacketThatWasLost) {
    const Bytes payload = hex("fffe0102");
    const auto again = parse_retransmission(payload);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->sequence, 0xfffe);
    EXPECT_EQ(Bytes(again->payload.begin(), again->payload.end()), hex("0102"));
    EXPECT_FALSE(parse_retransmission(hex("ff")));
    EXPECT_EQ(retransmitted_type("apt=96;rtx-time=3000"), 96);
    EXPECT_EQ(retransmitted_type("rtx-time=3000"), std::nullopt);
    EXPECT_EQ(retransmitted_type("apt=200"), std::nullopt);
}

}  // namespace
}  // namespace earshot::payload
