#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "srtp/srtp_test_packets.h"

namespace earshot::srtp {
namespace {

constexpr std::uint32_t kSsrc = 0x11223344;

class EachSuite : public ::testing::TestWithParam<base::SrtpSuiteFacts> {
protected:
    MasterKey key_ = key_of(GetParam().suite);
    Sender sender_{key_};
    Receiver receiver_{key_};
    std::uint32_t at_ = 0;  // the sequence number of who counts here
};
INSTANTIATE_TEST_SUITE_P(Suites, EachSuite,
                         ::testing::ValuesIn(base::srtp_suites().begin(),
                                             base::srtp_suites().end()),
                         [](const auto& each) { return std::string{each.param.name}; });

TEST_P(EachSuite, RtpComesOutAsItWentIn) {
    for (const std::size_t payload : {0U, 1U, 15U, 16U, 17U, 160U, 1400U}) {
        const base::Bytes packet = rtp_packet(kSsrc, static_cast<std::uint16_t>(payload), payload);
        const base::Bytes wire = protect_rtp(sender_, packet);
        EXPECT_EQ(wire.size(), packet.size() + GetParam().rtp_tag);
        EXPECT_TRUE(std::equal(packet.begin(), packet.begin() + 12, wire.begin()));
        EXPECT_EQ(std::search(wire.begin(), wire.end(), packet.begin(), packet.end()) != wire.end(),
                  payload == 0);
        EXPECT_EQ(take(receiver_, wire).plain, packet);
    }
}

TEST_P(EachSuite, ContributingSourcesAndExtensionStayInTheClear) {
    base::Bytes packet = rtp_packet(kSsrc, 7, 0);
    packet[0] = 0x92;  // extension, two CSRCs
    base::append(packet, hex("00000001 00000002 bede0001 10ff0000"));
    const std::size_t header = packet.size();
    base::append(packet, hex("aabbccdd"));
    const base::Bytes wire = protect_rtp(sender_, packet);
    EXPECT_TRUE(std::equal(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(header),
                           wire.begin()));
    EXPECT_EQ(take(receiver_, wire).plain, packet);
}

TEST_P(EachSuite, RtcpComesOutAsItWentIn) {
    const base::Bytes packet = rtcp_packet(kSsrc);
    std::set<base::Bytes> seen;
    for (int i = 0; i < 3; ++i) {
        const base::Bytes wire = protect_rtcp(sender_, packet);
        EXPECT_EQ(wire.size(), packet.size() + GetParam().rtcp_tag + 4);
        EXPECT_TRUE(seen.insert(wire).second);  // another index, another key stream
        EXPECT_EQ(take(receiver_, wire, PacketKind::Rtcp).plain, packet);
    }
}

TEST_P(EachSuite, EveryChangedOctetIsNoticedAndThePacketIsLeftAlone) {
    const base::Bytes wire = protect_rtp(sender_, rtp_packet(kSsrc, 9, 20));
    for (std::size_t i = 0; i < wire.size(); ++i) {
        base::Bytes forged = wire;
        forged[i] ^= 0x40;
        EXPECT_TRUE(take(receiver_, forged).fault) << i;
    }
    EXPECT_FALSE(take(receiver_, wire).fault);
    const base::Bytes report = protect_rtcp(sender_, rtcp_packet(kSsrc));
    for (std::size_t i = 0; i < report.size(); ++i) {
        base::Bytes forged = report;
        forged[i] ^= 0x01;
        EXPECT_TRUE(take(receiver_, forged, PacketKind::Rtcp).fault) << i;
    }
    EXPECT_FALSE(take(receiver_, report, PacketKind::Rtcp).fault);
}

TEST_P(EachSuite, EveryTruncationIsRefused) {
    const base::Bytes wire = protect_rtp(sender_, rtp_packet(kSsrc, 9, 20));
    const base::Bytes report = protect_rtcp(sender_, rtcp_packet(kSsrc));
    const auto cut = [](const base::Bytes& packet, std::size_t size) {
        return base::Bytes(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
    };
    for (std::size_t size = 0; size < wire.size(); ++size)
        EXPECT_TRUE(take(receiver_, cut(wire, size)).fault) << size;
    for (std::size_t size = 0; size < report.size(); ++size)
        EXPECT_TRUE(take(receiver_, cut(report, size), PacketKind::Rtcp).fault) << size;
    EXPECT_EQ(*take(receiver_, cut(wire, 12)).fault, Fault::Malformed);
}

TEST_P(EachSuite, AnotherKeyOpensNothing) {
    Receiver stranger(key_of(GetParam().suite, 2));
    EXPECT_EQ(take(stranger, protect_rtp(sender_, rtp_packet(kSsrc, 1))).fault,
              Fault::Authentication);
    EXPECT_EQ(take(stranger, protect_rtcp(sender_, rtcp_packet(kSsrc)), PacketKind::Rtcp).fault,
              Fault::Authentication);
}

TEST_P(EachSuite, AReplayIsRefused) {
    const base::Bytes wire = protect_rtp(sender_, rtp_packet(kSsrc, 1));
    const base::Bytes report = protect_rtcp(sender_, rtcp_packet(kSsrc));
    EXPECT_FALSE(take(receiver_, wire).fault);
    EXPECT_EQ(take(receiver_, wire).fault, Fault::Replay);
    EXPECT_FALSE(take(receiver_, report, PacketKind::Rtcp).fault);
    EXPECT_EQ(take(receiver_, report, PacketKind::Rtcp).fault, Fault::Replay);
}

TEST_P(EachSuite, LatePacketsWithinTheWindowAreTakenOnce) {
    std::vector<base::Bytes> wires;
    for (std::uint16_t i = 0; i <= kRtpReplayWindow; ++i)
        wires.push_back(protect_rtp(sender_, rtp_packet(kSsrc, i, 1)));
    EXPECT_FALSE(take(receiver_, wires.back()).fault);
    EXPECT_EQ(take(receiver_, wires[0]).fault, Fault::Replay);  // one too old
    EXPECT_FALSE(take(receiver_, wires[1]).fault);
    EXPECT_EQ(take(receiver_, wires[1]).fault, Fault::Replay);
}

TEST_P(EachSuite, TheCounterRollsOverForBothSides) {
    for (std::uint32_t i = 0; i < 3 * 0x10000; i += 1021) {
        const base::Bytes packet = rtp_packet(kSsrc, static_cast<std::uint16_t>(i), 8);
        ASSERT_EQ(take(receiver_, protect_rtp(sender_, packet)).plain, packet) << i;
    }
}

TEST_P(EachSuite, APacketFromBeforeTheWrapThatComesLateIsTaken) {
    const base::Bytes before = protect_rtp(sender_, rtp_packet(kSsrc, 65'534));
    const base::Bytes late = protect_rtp(sender_, rtp_packet(kSsrc, 65'535));
    const base::Bytes after = protect_rtp(sender_, rtp_packet(kSsrc, 0));
    EXPECT_FALSE(take(receiver_, before).fault);
    EXPECT_FALSE(take(receiver_, after).fault);
    EXPECT_FALSE(take(receiver_, late).fault);
}

TEST_P(EachSuite, AStreamWhoseBeginningWasLostAcrossTheWrapIsTaken) {
    (void)protect_rtp(sender_, rtp_packet(kSsrc, 65'530));
    const base::Bytes first = rtp_packet(kSsrc, 3);
    EXPECT_EQ(take(receiver_, protect_rtp(sender_, first)).plain, first);
    const base::Bytes second = rtp_packet(kSsrc, 4);
    EXPECT_EQ(take(receiver_, protect_rtp(sender_, second)).plain, second);
}

TEST_P(EachSuite, AStreamThatWasAwayForMostOfARolloverIsTakenAgain) {
    EXPECT_FALSE(take(receiver_, protect_rtp(sender_, rtp_packet(kSsrc, 1000))).fault);
    for (std::uint32_t i = 1100; i < 0x10000 + 900; i += 1000)
        (void)protect_rtp(sender_, rtp_packet(kSsrc, static_cast<std::uint16_t>(i), 8));
    const base::Bytes packet = rtp_packet(kSsrc, 900);
    EXPECT_EQ(take(receiver_, protect_rtp(sender_, packet)).plain, packet);
}

TEST_P(EachSuite, TheCounterOfAStreamThatRanBeforeIsFoundOnceAndAfterAGap) {
    const auto run_for = [&](std::uint32_t rollovers) {
        for (std::uint32_t i = 0; i < rollovers * 4; ++i)
            (void)protect_rtp(sender_,
                              rtp_packet(kSsrc, static_cast<std::uint16_t>(at_ += 0x4000)));
    };
    const auto next = [&] { return rtp_packet(kSsrc, static_cast<std::uint16_t>(++at_)); };
    run_for(20);
    const base::Bytes first = next();
    EXPECT_EQ(take(receiver_, protect_rtp(sender_, first)).plain, first);
    run_for(10);
    EXPECT_EQ(take(receiver_, protect_rtp(sender_, next())).fault, Fault::Authentication);
    receiver_.expect_gap();
    const base::Bytes second = next();
    EXPECT_EQ(take(receiver_, protect_rtp(sender_, second)).plain, second);
    run_for(static_cast<std::uint32_t>(kMaxSearchedRollovers) + 1);
    receiver_.expect_gap();
    EXPECT_EQ(take(receiver_, protect_rtp(sender_, next())).fault, Fault::Authentication);
}

TEST_P(EachSuite, TheCounterIsSearchedForEachSourceOfItsOwn) {
    const auto run = [&](std::uint32_t ssrc, std::uint32_t rollovers) {
        for (std::uint32_t i = 1; i <= rollovers * 4; ++i)
            (void)protect_rtp(sender_, rtp_packet(ssrc, static_cast<std::uint16_t>(i * 0x4000)));
    };
    const auto is_taken = [&](std::uint32_t ssrc, std::uint16_t sequence) {
        const base::Bytes packet = rtp_packet(ssrc, sequence);
        return take(receiver_, protect_rtp(sender_, packet)).plain == packet;
    };
    run(2, 20);
    run(3, 9);
    EXPECT_TRUE(is_taken(1, 1));  // whose counter is 0
    EXPECT_TRUE(is_taken(2, 1));
    EXPECT_TRUE(is_taken(3, 1));
    run(2, 5);
    run(3, 7);
    receiver_.expect_gap();
    EXPECT_TRUE(is_taken(1, 2));
    EXPECT_TRUE(is_taken(3, 2));
    EXPECT_TRUE(is_taken(2, 2));
}

TEST_P(EachSuite, WhoForgesMakesNobodySearchForEverAndLosesNoStream) {
    base::Bytes forged = protect_rtp(sender_, rtp_packet(8, 1));
    forged.back() ^= 1;
    for (std::uint32_t i = 0; i < 3 * 4; ++i)
        (void)protect_rtp(sender_, rtp_packet(2, static_cast<std::uint16_t>(i * 0x4000)));
    // Before anything was authentic there is no bound.
    for (std::uint32_t i = 0; i <= kMaxVainSearches; ++i) (void)take(receiver_, forged);
    EXPECT_FALSE(take(receiver_, protect_rtp(sender_, rtp_packet(2, 1))).fault);

    for (std::uint32_t i = 0; i < 3 * 4; ++i)
        (void)protect_rtp(sender_, rtp_packet(3, static_cast<std::uint16_t>(i * 0x4000)));
    for (std::uint32_t i = 0; i < kMaxVainSearches; ++i) (void)take(receiver_, forged);
    EXPECT_EQ(take(receiver_, protect_rtp(sender_, rtp_packet(3, 1))).fault, Fault::Authentication);
    EXPECT_FALSE(take(receiver_, protect_rtp(sender_, rtp_packet(2, 2))).fault);  // gives one back
    EXPECT_FALSE(take(receiver_, protect_rtp(sender_, rtp_packet(3, 2))).fault);
}

TEST_P(EachSuite, SourcesOfOneKeyHaveCountersOfTheirOwn) {
    for (std::uint32_t ssrc = 1; ssrc <= 40; ++ssrc) {
        const base::Bytes packet = rtp_packet(ssrc, static_cast<std::uint16_t>(ssrc * 1600));
        ASSERT_EQ(take(receiver_, protect_rtp(sender_, packet)).plain, packet);
    }
    const base::Bytes again = rtp_packet(3, 3 * 1600 + 1);
    EXPECT_EQ(take(receiver_, protect_rtp(sender_, again)).plain, again);
}

TEST_P(EachSuite, TheMkiSaysWhichKeyItIs) {
    const MasterKey one = key_of(GetParam().suite, 11, "\x01\x02");
    const MasterKey two = key_of(GetParam().suite, 12, "\x01\x03");
    Sender first(one);
    Sender second(two);
    Receiver receiver(one);
    const base::Bytes early = protect_rtp(second, rtp_packet(kSsrc, 1));
    EXPECT_EQ(take(receiver, early).fault, Fault::UnknownKey);
    ASSERT_TRUE(receiver.add(two));
    EXPECT_FALSE(take(receiver, early).fault);
    const base::Bytes packet = rtp_packet(kSsrc, 2);
    EXPECT_EQ(take(receiver, protect_rtp(first, packet)).plain, packet);
    const base::Bytes report = rtcp_packet(kSsrc);
    EXPECT_EQ(take(receiver, protect_rtcp(second, report), PacketKind::Rtcp).plain, report);
}

TEST(Receiver, TakesOnlyFurtherKeysThatFitTheFirst) {
    Receiver receiver(key_of(Suite::AesCm128Sha1_80, 1, "a"));
    EXPECT_FALSE(receiver.add(key_of(Suite::AesCm128Sha1_32, 2, "b")));
    EXPECT_FALSE(receiver.add(key_of(Suite::AesCm128Sha1_80, 2, "bb")));
    EXPECT_FALSE(receiver.add(key_of(Suite::AesCm128Sha1_80, 2, "a")));
    for (std::size_t i = 1; i < kMaxMasterKeys; ++i)
        EXPECT_TRUE(receiver.add(
            key_of(Suite::AesCm128Sha1_80, 2, std::string(1, static_cast<char>('b' + i)))));
    EXPECT_FALSE(receiver.add(key_of(Suite::AesCm128Sha1_80, 2, "y")));
    Receiver without(key_of(Suite::AesCm128Sha1_80, 1));
    EXPECT_FALSE(without.add(key_of(Suite::AesCm128Sha1_80, 2)));
}

TEST(Receiver, ForgetsTheSourceThatWasSilentLongest) {
    const MasterKey key = key_of(Suite::AesCm128Sha1_80);
    Sender sender(key);
    Receiver receiver(key);
    const base::Bytes oldest = protect_rtp(sender, rtp_packet(0, 1));
    EXPECT_FALSE(take(receiver, oldest).fault);
    for (std::uint32_t ssrc = 1; ssrc <= kMaxReceivedSources; ++ssrc)
        ASSERT_FALSE(take(receiver, protect_rtp(sender, rtp_packet(ssrc, 1, 1))).fault);
    EXPECT_FALSE(take(receiver, oldest).fault);  // not known any more
}

TEST(Sender, RefusesToUseAnIndexTwice) {
    Sender sender(key_of(Suite::AeadAes128Gcm));
    base::Bytes buffer = rtp_packet(kSsrc, 5);
    const std::size_t size = buffer.size();
    buffer.resize(size + sender.rtp_overhead());
    ASSERT_TRUE(sender.protect_rtp(buffer, size));
    base::Bytes again = rtp_packet(kSsrc, 5, 100);
    const std::size_t again_size = again.size();
    again.resize(again_size + sender.rtp_overhead());
    const Outcome outcome = sender.protect_rtp(again, again_size);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error(), Fault::Replay);
}

TEST(Sender, StopsAtTheEndOfTheKeysLifetime) {
    Sender sender(key_of(Suite::AesCm128Sha1_80), 2);
    (void)protect_rtp(sender, rtp_packet(kSsrc, 1));
    (void)protect_rtp(sender, rtp_packet(kSsrc, 2));
    base::Bytes buffer = rtp_packet(kSsrc, 3);
    buffer.resize(buffer.size() + 10);
    const Outcome outcome = sender.protect_rtp(buffer, buffer.size() - 10);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error(), Fault::Exhausted);
}

TEST(Sender, WantsRoomForWhatItAppends) {
    Sender sender(key_of(Suite::AesCm128Sha1_80, 1, "id"));
    base::Bytes buffer = rtp_packet(kSsrc, 3);
    const std::size_t size = buffer.size();
    buffer.resize(size + sender.rtp_overhead() - 1);
    const Outcome outcome = sender.protect_rtp(buffer, size);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error(), Fault::NoRoom);
    buffer.resize(size + sender.rtp_overhead());
    EXPECT_TRUE(sender.protect_rtp(buffer, size));  // the index was not spent
    EXPECT_LE(sender.rtp_overhead(), kMaxRtpOverheadBytes + 2);
}

TEST(Sender, RefusesWhatIsNoRtpOrRtcp) {
    Sender sender(key_of(Suite::AesCm128Sha1_80));
    for (base::Bytes packet : {base::Bytes(11, 0x80), base::Bytes(12, 0x40), hex("9f00")}) {
        const std::size_t size = packet.size();
        packet.resize(size + 64);
        EXPECT_FALSE(sender.protect_rtp(packet, size));
    }
    base::Bytes report(7 + 64, 0x80);
    EXPECT_FALSE(sender.protect_rtcp(report, 7));
}

TEST(ReplayWindow, KnowsEachIndexInItsWindow) {
    ReplayWindow<128> window;
    using Verdict = ReplayWindow<128>::Verdict;
    std::set<std::uint64_t> seen;
    base::SeededRandom random(5);
    std::uint64_t base = 1'000'000;
    for (int i = 0; i < 20'000; ++i) {
        const std::uint32_t draw = random.u32();
        base += draw % 7;
        if (draw % 997 == 0) base += 500;  // a jump past the whole window
        const std::uint64_t index = base - (draw >> 8U) % 150;
        const std::uint64_t highest = seen.empty() ? 0 : *seen.rbegin();
        const Verdict expected = index > highest                  ? Verdict::New
                                 : highest - index >= 128         ? Verdict::TooOld
                                 : seen.find(index) != seen.end() ? Verdict::Seen
                                                                  : Verdict::New;
        ASSERT_EQ(window.judge(index), expected) << i;
        if (expected != Verdict::New) continue;
        window.add(index);
        seen.insert(index);
    }
}

TEST(GuessIndex, IsTheNearestToTheNewestPacket) {
    struct Case {
        std::uint64_t highest;
        std::uint16_t sequence;
        std::uint64_t index;
    };
    for (const Case& c : {
             Case{0, 1, 1},
             Case{0, 65'535, 65'535},  // no rollover lies before the first
             Case{65'535, 0, 0x10000},
             Case{0x10005, 65'530, 65'530},
             Case{0x18000, 0, 0x10000},
             Case{0x18001, 0, 0x20000},
             Case{0x10000, 0x8000, 0x18000},
             Case{0x10000, 0x8001, 0x8001},
         })
        EXPECT_EQ(guess_index(c.highest, c.sequence), c.index) << c.highest << ' ' << c.sequence;
}

TEST(SrtpKey, TakesKeysOfTheSuitesLengthAlone) {
    for (const base::SrtpSuiteFacts& facts : base::srtp_suites()) {
        EXPECT_TRUE(MasterKey::from(facts.suite, base::Bytes(facts.material_bytes())));
        EXPECT_FALSE(MasterKey::from(facts.suite, base::Bytes(facts.material_bytes() - 1)));
        EXPECT_FALSE(MasterKey::from(facts.suite, base::Bytes(facts.material_bytes() + 1)));
        EXPECT_EQ(base::find_srtp_suite(base::to_lower(facts.name)), facts.suite);
        EXPECT_EQ(&base::facts_of(facts.suite), &facts);
    }
    EXPECT_FALSE(base::find_srtp_suite("F8_128_HMAC_SHA1_80"));
    const base::Bytes material(30);
    EXPECT_TRUE(MasterKey::from(Suite::AesCm128Sha1_80, material, base::Bytes(128)));
    EXPECT_FALSE(MasterKey::from(Suite::AesCm128Sha1_80, material, base::Bytes(129)));
}

}  // namespace
}  // namespace earshot::srtp
