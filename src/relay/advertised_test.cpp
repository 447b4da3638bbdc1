// Behind a NAT that forwards our ports: who is told which of our addresses.
#include <gtest/gtest.h>

#include "relay/relay_test_rig.h"

namespace earshot::relay::test {
namespace {

TEST(Advertised, IsToldToAllButThoseOnOurSideOfTheNat) {
    io::SystemClock clock;
    base::SystemRandom random;
    auto made = BuiltInRelay::create({.bind_host = *base::parse_host("127.0.0.1", 0),
                                      .other_bind_host = std::nullopt,
                                      .advertised_v4 = base::parse_host("192.0.2.1", 0),
                                      .advertised_v6 = std::nullopt,
                                      .first_port = 22000,
                                      .last_port = 22099,
                                      .max_port_pairs = 100,
                                      .receive_buffer_bytes = 0,
                                      .workers = 1,
                                      .engine = Engine::Sockets},
                                     clock, random);
    ASSERT_TRUE(made);
    BuiltInRelay& relay = **made;
    Peer a("127.0.0.2");
    Peer b("127.0.0.3");
    std::string told;
    const SdpDone keep = [&told](const base::Result<std::string, base::Reason>& sdp) {
        told = sdp ? *sdp : sdp.error().text;
    };
    relay.offer(
        kCall, {.from = Leg::A, .text = a.sdp(), .signalled_by = {}, .is_told_inside = true}, keep);
    EXPECT_EQ(base::host_to_string(rtp_of(told)), "127.0.0.1") << told;
    relay.answer(kCall, {.from = Leg::B, .text = b.sdp(), .signalled_by = {}}, keep);
    EXPECT_EQ(base::host_to_string(rtp_of(told)), "192.0.2.1") << told;
}

}  // namespace
}  // namespace earshot::relay::test
