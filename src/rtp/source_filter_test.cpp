#include "rtp/source_filter.h"

#include <gtest/gtest.h>

namespace earshot::rtp {
namespace {

using V = SourceVerdict;
constexpr std::int64_t kMs = 1'000'000;

class SourceFilterTest : public testing::Test {
protected:
    SourceFilterTest() { filter.set_hosts({peer, base::NetAddress{}}); }

    V send(std::uint32_t ssrc, int sequence) { return send_from(peer, ssrc, sequence); }
    V send_from(const base::NetAddress& from, std::uint32_t ssrc, int sequence) {
        return filter.on_packet(
            from, {.sequence = static_cast<std::uint16_t>(sequence), .ssrc = ssrc}, now_ms * kMs);
    }
    void lock(std::uint32_t ssrc) {
        send(ssrc, 1);
        send(ssrc, 2);
        filter.take_change();
    }

    const base::NetAddress peer = *base::parse_net_address("192.0.2.1:4000");
    const base::NetAddress other_port = *base::parse_net_address("192.0.2.1:4711");
    const base::NetAddress stranger = *base::parse_net_address("192.0.2.2:4000");
    SourceFilter filter;
    std::int64_t now_ms = 1'000'000;
};

TEST_F(SourceFilterTest, HoldsTheFirstPacketAndAcceptsAtTheSecond) {
    EXPECT_EQ(send(1, 65535), V::Hold);
    EXPECT_FALSE(filter.has_source());
    EXPECT_EQ(send(1, 0), V::AcceptAndHeld);
    EXPECT_EQ(send(1, 1), V::Accept);
    EXPECT_EQ(filter.current_ssrc(), 1U);
    const auto change = filter.take_change();
    ASSERT_TRUE(change);
    EXPECT_FALSE(change->from);
    EXPECT_FALSE(filter.take_change());
}

TEST_F(SourceFilterTest, AcceptsAnyPortOfAnAllowedHostAndNoOtherHost) {
    lock(1);
    EXPECT_EQ(send_from(other_port, 1, 3), V::Accept);
    EXPECT_EQ(send_from(stranger, 1, 4), V::RejectHost);
}

TEST_F(SourceFilterTest, AcceptsAnyHostWhenNoneIsKnown) {
    filter.set_hosts({base::NetAddress{}});
    EXPECT_EQ(send_from(stranger, 1, 4), V::Hold);
}

TEST_F(SourceFilterTest, HoldsAnotherSourceUntilThePresentOneWasSilentFor500Ms) {
    lock(1);
    now_ms += 20;
    EXPECT_EQ(send(2, 50), V::Hold);
    now_ms += 479;
    EXPECT_EQ(send(2, 51), V::Hold);
    now_ms += 1;
    EXPECT_EQ(send(2, 52), V::AcceptAndHeld);
    const auto change = filter.take_change();
    ASSERT_TRUE(change);
    EXPECT_EQ(change->from, 1U);
    EXPECT_EQ(change->to, 2U);
    EXPECT_EQ(change->arrival_ns, 1'000'020 * kMs);
}

TEST_F(SourceFilterTest, NeverAcceptsASourceThatThePresentOneOverlaps) {
    lock(1);
    for (int i = 0; i < 200; ++i, now_ms += 20) {
        EXPECT_EQ(send(1, 3 + i), V::Accept);
        EXPECT_EQ(send(2, 3 + i), V::Hold);
    }
    EXPECT_EQ(filter.held_since_ns(), (now_ms - 20 - 500) * kMs);
    EXPECT_FALSE(filter.settle());
    EXPECT_EQ(filter.current_ssrc(), 1U);
}

TEST_F(SourceFilterTest, AcceptsASignalledSourceAtOnceAndBothWithoutFlapping) {
    lock(1);
    filter.set_signalled({2, 3});
    EXPECT_EQ(send(2, 9), V::AcceptAndHeld);
    EXPECT_TRUE(filter.take_change());
    EXPECT_EQ(send(3, 9), V::AcceptAndHeld);
    EXPECT_TRUE(filter.take_change());
    EXPECT_EQ(send(2, 10), V::Accept);
    EXPECT_EQ(send(3, 10), V::Accept);
    EXPECT_FALSE(filter.take_change());
}

TEST_F(SourceFilterTest, AcceptsTheNextSourceAfterAByeOrAMovedAddressWithoutSilence) {
    lock(1);
    filter.on_bye(peer, 7);
    send(2, 1);
    EXPECT_EQ(send(2, 2), V::Hold);
    filter.on_bye(peer, 1);
    EXPECT_EQ(send(2, 3), V::AcceptAndHeld);
    filter.expect_change();
    send(3, 1);
    EXPECT_EQ(send(3, 2), V::AcceptAndHeld);
}

TEST_F(SourceFilterTest, CountsLatePacketsOfTheSourceBeforeForASecond) {
    lock(1);
    now_ms += 500;
    send(2, 1);
    EXPECT_EQ(send(2, 2), V::AcceptAndHeld);
    now_ms += 999;
    EXPECT_EQ(send(1, 3), V::Accept);
    now_ms += 1;
    EXPECT_EQ(send(1, 4), V::Hold);
}

TEST_F(SourceFilterTest, IsNotDelayedByAStrayPacketAtTheStart) {
    EXPECT_EQ(send(99, 5), V::Hold);
    EXPECT_EQ(send(1, 1), V::Hold);
    EXPECT_EQ(send(1, 2), V::AcceptAndHeld);
}

TEST_F(SourceFilterTest, LimitsTheSourcesOnProbation) {
    lock(1);
    for (std::uint32_t i = 0; i + 1 < SourceFilter::kMaxCandidates; ++i) {
        EXPECT_EQ(send(100 + i, 1), V::Hold);
    }
    EXPECT_EQ(send(200, 1), V::RejectSsrc);  // the last place is for the address of the SDP
    now_ms += 500;                           // the others fell silent
    EXPECT_EQ(send(200, 1), V::Hold);
}

TEST_F(SourceFilterTest, KeepsItsCountsWhenManySourcesCameAndWent) {
    for (std::uint32_t ssrc = 1; ssrc <= 20; ++ssrc) {
        now_ms += 2000;
        send(ssrc, 1);
        send(ssrc, 2);
        send(ssrc, 4);
    }
    EXPECT_EQ(filter.lost(), 20U);
    now_ms += 2000;
    send(1, 10);  // comes back after it was forgotten
    EXPECT_EQ(send(1, 11), V::AcceptAndHeld);
    EXPECT_EQ(filter.lost(), 20U);
}

TEST_F(SourceFilterTest, SettlesForASinglePacketWhereNothingElseCame) {
    EXPECT_FALSE(filter.settle());
    send(1, 1);
    EXPECT_EQ(filter.settle(), 1U);
    EXPECT_TRUE(filter.has_source());
}

TEST_F(SourceFilterTest, SettlesForAProvenSourceThatFollowedThePresentOne) {
    lock(1);
    now_ms += 20;
    send(2, 1);
    EXPECT_FALSE(SourceFilter(filter).settle());  // one packet proves nothing beside a real source
    send(2, 2);
    EXPECT_EQ(filter.settle(), 2U);
}

// ---- forged media: the SDP told an address, and somebody else sends from the same host ----------

class SignalledAddressTest : public SourceFilterTest {
protected:
    SignalledAddressTest() { filter.set_address(peer, peer_rtcp); }
    V forge(std::uint32_t ssrc, int sequence) { return send_from(other_port, ssrc, sequence); }

    const base::NetAddress peer_rtcp = *base::parse_net_address("192.0.2.1:4001");
};

TEST_F(SignalledAddressTest, DisplacesWhoCameFirstFromElsewhere) {
    forge(66, 1);
    EXPECT_EQ(forge(66, 2), V::AcceptAndHeld);  // who could know: it may be NAT or RTPProxy
    EXPECT_EQ(send(1, 1), V::Hold);
    EXPECT_EQ(send(1, 2), V::AcceptAndHeld);
    EXPECT_EQ(filter.current_ssrc(), 1U);
    EXPECT_EQ(forge(66, 3), V::Hold);  // no second of grace for it
    EXPECT_EQ(send(1, 3), V::Accept);
}

TEST_F(SignalledAddressTest, LeavesNoGraceToWhomItDisplacedHoweverLateThatIs) {
    forge(66, 1);
    forge(66, 2);
    now_ms += 490;  // its packets were reordered, so it is proven only after a silence of the other
    EXPECT_EQ(send(1, 1), V::Hold);
    now_ms += 20;
    EXPECT_EQ(send(1, 2), V::AcceptAndHeld);
    EXPECT_EQ(forge(66, 3), V::Hold);
    // Nor when the voice goes on with another SSRC: the grace is for the one before.
    now_ms += 500;
    send(2, 1);
    EXPECT_EQ(send(2, 2), V::AcceptAndHeld);
    EXPECT_EQ(send(1, 3), V::Accept);
    EXPECT_EQ(forge(66, 4), V::Hold);
}

TEST_F(SignalledAddressTest, IsNotDisplacedByAnyoneWhileItSpeaks) {
    lock(1);
    for (int i = 0; i < 100; ++i, now_ms += 20) {
        EXPECT_EQ(send(1, 3 + i), V::Accept);
        EXPECT_EQ(forge(66, i), V::Hold);
    }
    EXPECT_EQ(filter.lost(), 0U);
    EXPECT_FALSE(filter.settle());
}

TEST_F(SignalledAddressTest, MayMoveToAnotherPortInMidStream) {
    lock(1);  // a NAT binding that changed: a packet with the SSRC in use counts from any port
    EXPECT_EQ(send_from(other_port, 1, 3), V::Accept);
    now_ms += 480;
    EXPECT_EQ(send_from(other_port, 1, 4), V::Accept);
}

TEST_F(SignalledAddressTest, GoesBeforeAnyOtherThatWaitsForThePresentSourceToFallSilent) {
    lock(1);
    for (int i = 0; i < 25; ++i, now_ms += 20) {
        EXPECT_EQ(send(2, i), V::Hold);
        EXPECT_EQ(forge(66, i), V::Hold);
    }
    EXPECT_EQ(forge(66, 25), V::Hold);
    EXPECT_EQ(send(2, 25), V::AcceptAndHeld);
}

TEST_F(SignalledAddressTest, NeedsTwoPacketsToDisplace) {
    forge(66, 1);
    forge(66, 2);
    EXPECT_EQ(send(1, 1), V::Hold);
    EXPECT_EQ(forge(66, 3), V::Accept);
    EXPECT_EQ(filter.current_ssrc(), 66U);
}

TEST_F(SignalledAddressTest, IsNotCrowdedOutByManyForgedSources) {
    for (std::uint32_t i = 0; i < 20; ++i) forge(100 + i, 1);
    EXPECT_EQ(send(1, 1), V::Hold);
    EXPECT_EQ(send(1, 2), V::AcceptAndHeld);
}

TEST_F(SignalledAddressTest, SaysByeOnlyFromItsOwnAddresses) {
    lock(1);
    filter.on_bye(other_port, 1);
    filter.on_bye(stranger, 1);
    forge(66, 1);
    EXPECT_EQ(forge(66, 2), V::Hold);
    filter.on_bye(peer_rtcp, 1);
    EXPECT_EQ(forge(66, 3), V::AcceptAndHeld);
}

TEST_F(SignalledAddressTest, ByeOfASourceElsewhereComesFromItsHost) {
    forge(1, 1);
    forge(1, 2);
    filter.on_bye(stranger, 1);
    EXPECT_EQ(forge(2, 1), V::Hold);
    EXPECT_EQ(forge(2, 2), V::Hold);
    filter.on_bye(*base::parse_net_address("192.0.2.1:4712"), 1);
    EXPECT_EQ(forge(2, 3), V::AcceptAndHeld);
}

TEST_F(SignalledAddressTest, PrivateAddressBehindSymmetricNatIsHeardFromAnyPortOfTheSipPeer) {
    const auto private_address = *base::parse_net_address("10.0.0.7:4000");
    filter.set_hosts({private_address, peer});
    filter.set_address(private_address, *base::parse_net_address("10.0.0.7:4001"));
    EXPECT_EQ(forge(1, 1), V::Hold);
    EXPECT_EQ(forge(1, 2), V::AcceptAndHeld);
    EXPECT_EQ(send(1, 3), V::Accept) << "another port of the NAT";
    EXPECT_EQ(forge(1, 4), V::Accept);
}

TEST_F(SignalledAddressTest, IsNotFollowedByAnyoneAtTheEndWithoutItsSilence) {
    lock(1);
    forge(66, 1);
    forge(66, 2);
    EXPECT_FALSE(SourceFilter(filter).settle());
    now_ms += 500;
    SourceFilter later = filter;
    later.on_packet(other_port, {.sequence = 3, .ssrc = 66}, (now_ms - 1) * kMs);
    EXPECT_FALSE(later.settle());
}

// Early media, or the answer in the ACK: the packets come before the SDP that tells their address.
TEST_F(SourceFilterTest, WhoSpokeWhereTheSdpLaterSaysIsPreferredFromThenOn) {
    lock(1);
    send_from(other_port, 66, 1);
    send_from(other_port, 66, 2);
    filter.set_address(peer, *base::parse_net_address("192.0.2.1:4001"));
    filter.expect_change();
    EXPECT_FALSE(SourceFilter(filter).settle());
    EXPECT_EQ(send_from(other_port, 66, 3), V::Hold);
}

TEST_F(SignalledAddressTest, SettlesForItBeforeAnyOther) {
    forge(66, 1);
    send(1, 1);
    EXPECT_EQ(filter.settle(), 1U);
}

}  // namespace
}  // namespace earshot::rtp
