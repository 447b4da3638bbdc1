#include "capture/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rtp/rtcp.h"
#include "rtp/rtp_packet.h"

namespace earshot::capture {
namespace {

using base::Bytes;
using testing::ElementsAre;
using By = Bundle::By;

constexpr std::uint8_t kMid = 4;  // the extension's id
const base::NetAddress kPeer = *base::parse_net_address("192.0.2.10:40000");

Bytes packet(std::uint32_t ssrc, std::uint8_t type, std::string_view mid = {},
             std::uint8_t id = kMid, std::uint16_t sequence = 1) {
    Bytes bytes;
    rtp::RtpHeader header;
    header.ssrc = ssrc;
    header.payload_type = type;
    header.sequence = sequence;
    rtp::write_rtp(header, {}, bytes);
    if (!mid.empty()) {  // RFC 8285 section 4.2
        bytes[0] |= 0x10U;
        const std::size_t words = (1 + mid.size() + 3) / 4;
        base::append_u16(bytes, 0xbede);
        base::append_u16(bytes, static_cast<std::uint16_t>(words));
        bytes.push_back(static_cast<std::uint8_t>(std::size_t{id} << 4U | (mid.size() - 1)));
        base::append(bytes, base::as_bytes(mid));
        bytes.resize(16 + 4 * words);
    }
    bytes.resize(bytes.size() + 20, 0x55);
    return bytes;
}

class BundleTest : public testing::Test {
protected:
    StreamReceiver& line(std::uint16_t stream, std::vector<std::uint8_t> types,
                         const BundleTerms& terms = {}) {
        StreamSetup setup;
        setup.key.stream = stream;
        setup.signalling_peer = kPeer;
        for (const std::uint8_t type : types)
            setup.format.payload_types.push_back(
                {.number = type, .encoding = "opus", .clock_rate = 48000});
        receivers_.push_back(std::make_unique<StreamReceiver>(setup, 1000U + stream));
        bundle_.put(stream, *receivers_.back(), &terms);
        return *receivers_.back();
    }
    // The line of it, which is then learnt.
    std::uint16_t sort(const Bytes& bytes, By by) {
        const Bundle::Sorted sorted = bundle_.sort(bytes);
        EXPECT_EQ(sorted.by, by) << to_string(sorted.by);
        bundle_.learn(sorted);
        return sorted.stream;
    }
    std::vector<std::uint16_t> rtcp(const Bytes& bytes) {
        std::vector<std::uint16_t> streams;
        bundle_.sort_rtcp(bytes, streams);
        return streams;
    }

    std::vector<std::unique_ptr<StreamReceiver>> receivers_;
    Bundle bundle_;
};

TEST_F(BundleTest, TheMidComesFirstAndTeachesTheSsrc) {
    line(0, {96}, {.mid = "a", .mid_extension = kMid, .ssrcs = {}});
    line(1, {96}, {.mid = "b", .mid_extension = kMid, .ssrcs = {}});
    EXPECT_EQ(sort(packet(7, 96, "b"), By::Mid), 1);
    EXPECT_EQ(sort(packet(8, 96, "a"), By::Mid), 0);
    EXPECT_EQ(sort(packet(7, 96), By::Ssrc), 1);  // senders leave the MID out once it is known
    EXPECT_EQ(sort(packet(8, 96), By::Ssrc), 0);
    const auto assigned = bundle_.poll_assigned();
    ASSERT_TRUE(assigned);
    EXPECT_EQ(assigned->ssrc, 7U);
    EXPECT_EQ(assigned->stream, 1);
    EXPECT_TRUE(bundle_.poll_assigned());
    EXPECT_FALSE(bundle_.poll_assigned());  // told once
}

TEST_F(BundleTest, AMidMovesASourceToItsLine) {
    line(0, {96}, {.mid = "a", .mid_extension = kMid, .ssrcs = {7}});
    line(1, {96}, {.mid = "b", .mid_extension = kMid, .ssrcs = {}});
    EXPECT_EQ(sort(packet(7, 96), By::Ssrc), 0);
    EXPECT_EQ(sort(packet(7, 96, "b"), By::Mid), 1);
    EXPECT_EQ(sort(packet(7, 96), By::Ssrc), 1);
}

TEST_F(BundleTest, WhatSaysThatItIsOfNoLineIsForeign) {
    line(0, {96}, {.mid = "a", .mid_extension = kMid, .ssrcs = {7}});
    line(1, {97}, {.mid = "b", .mid_extension = kMid, .ssrcs = {}});
    EXPECT_EQ(sort(packet(7, 96, "c"), By::Foreign), 0);
    EXPECT_EQ(sort(packet(9, 97, "c"), By::Foreign), 0);
    EXPECT_FALSE(bundle_.poll_assigned());
    // An element of another id is no MID.
    EXPECT_EQ(sort(packet(9, 97, "c", 5), By::PayloadType), 1);
}

TEST_F(BundleTest, ALineMayHaveAnotherIdForTheMid) {
    line(0, {96}, {.mid = "a", .mid_extension = kMid, .ssrcs = {}});
    line(1, {96}, {.mid = "b", .mid_extension = 9, .ssrcs = {}});
    EXPECT_EQ(sort(packet(7, 96, "b", 9), By::Mid), 1);
    EXPECT_EQ(sort(packet(8, 96, "a"), By::Mid), 0);
    EXPECT_EQ(sort(packet(9, 96, "a", 9), By::Foreign), 0);  // not under that id
}

// What it has left behind is taken for a while at the same port (docs/srtp.md), and senders do not
// stop to write the MID because there is no group any more.
TEST_F(BundleTest, ALineThatIsLeftAloneMaySayWhatItLikesOfItself) {
    line(0, {96}, {.mid = "a", .mid_extension = kMid, .ssrcs = {}});
    StreamReceiver& left = line(1, {96}, {.mid = "b", .mid_extension = kMid, .ssrcs = {}});
    bundle_.put(1, left, nullptr);
    EXPECT_EQ(sort(packet(7, 96, "b"), By::Mid), 1);
    EXPECT_EQ(sort(packet(8, 96, "a"), By::Mid), 0);
    EXPECT_EQ(sort(packet(7, 96, "c"), By::Ssrc), 1);  // its new name: no group says otherwise
    const BundleTerms again{.mid = "c", .mid_extension = kMid, .ssrcs = {}};
    bundle_.put(1, left, &again);
    EXPECT_EQ(sort(packet(7, 96, "b"), By::Foreign), 0);
}

TEST_F(BundleTest, ThenTheSsrcOfTheSdp) {
    line(0, {0}, {.mid = "a", .mid_extension = 0, .ssrcs = {7}});
    line(1, {0}, {.mid = "b", .mid_extension = 0, .ssrcs = {8, 9}});
    EXPECT_EQ(sort(packet(9, 0), By::Ssrc), 1);
    EXPECT_EQ(sort(packet(7, 0), By::Ssrc), 0);
    EXPECT_FALSE(bundle_.poll_assigned());  // the SDP says it
}

TEST_F(BundleTest, ThenAPayloadTypeThatOneLineHas) {
    line(0, {0, 101});
    line(1, {8, 101});
    EXPECT_EQ(sort(packet(7, 8), By::PayloadType), 1);
    EXPECT_EQ(sort(packet(8, 0), By::PayloadType), 0);
    EXPECT_EQ(sort(packet(7, 101), By::Ssrc), 1);
    EXPECT_EQ(sort(packet(8, 101), By::Ssrc), 0);
    // RFC 9143 section 9.2: with a type of the other line it is of that line.
    EXPECT_EQ(sort(packet(7, 0), By::PayloadType), 0);
}

TEST_F(BundleTest, WhereNothingTellsSourcesGoToTheLinesInTheirOrder) {
    StreamReceiver& first = line(0, {0});
    StreamReceiver& second = line(1, {0});
    EXPECT_EQ(sort(packet(7, 0), By::Order), 0);
    EXPECT_EQ(sort(packet(8, 0), By::Order), 1);
    EXPECT_EQ(sort(packet(7, 0), By::Ssrc), 0);
    EXPECT_EQ(bundle_.poll_assigned()->by, By::Order);
    // A third takes the place of who was heard least recently.
    for (std::uint16_t i = 1; i < 4; ++i) {
        first.on_datagram(SocketKind::Rtp, packet(7, 0, {}, kMid, i), kPeer, 1000 + i);
        second.on_datagram(SocketKind::Rtp, packet(8, 0, {}, kMid, i), kPeer, 500 + i);
    }
    EXPECT_EQ(sort(packet(9, 0), By::Order), 1);
}

TEST_F(BundleTest, E25_WhatMayBeOfALineThatIsPausedIsNotAnothers) {
    line(0, {0});
    StreamReceiver& paused = line(1, {0});
    EXPECT_EQ(sort(packet(7, 0), By::Order), 0);
    paused.pause(0);
    EXPECT_EQ(sort(packet(8, 0), By::Order), 1);
    EXPECT_EQ(sort(packet(7, 0), By::Ssrc), 0);
    // It was not taken for a fact.
    paused.resume(1, {});
    paused.settle_resume();
    EXPECT_EQ(bundle_.sort(packet(8, 0)).by, By::Order);
}

TEST_F(BundleTest, WhatNoLineHasIsJudgedByTheFirst) {
    line(3, {0});
    line(4, {8});
    EXPECT_EQ(sort(packet(7, 96), By::Nothing), 3);
    EXPECT_EQ(sort(Bytes{0x80, 0x00}, By::Nothing), 3);
    EXPECT_EQ(sort(packet(8, 8), By::PayloadType), 4);
    EXPECT_EQ(sort(packet(8, 96), By::Ssrc), 4);
    bundle_.remove(3);
    EXPECT_EQ(sort(packet(9, 96), By::Nothing), 4);
}

TEST_F(BundleTest, ALineThatComesLaterLeavesItsSourceToTheFirst) {
    StreamReceiver& first = line(0, {0});
    for (std::uint16_t i = 1; i < 4; ++i)
        first.on_datagram(SocketKind::Rtp, packet(7, 0, {}, kMid, i), kPeer, i);
    const BundleTerms terms;
    bundle_.put(0, first, &terms);
    line(1, {0});
    EXPECT_EQ(sort(packet(7, 0), By::Ssrc), 0);
    EXPECT_EQ(sort(packet(8, 0), By::Order), 1);
}

TEST_F(BundleTest, RtcpGoesToTheLinesWhoseSourcesItTellsAbout) {
    line(0, {0}, {.mid = "a", .mid_extension = kMid, .ssrcs = {7}});
    line(1, {8}, {.mid = "b", .mid_extension = kMid, .ssrcs = {8}});
    Bytes bytes;
    rtp::SenderReport report;
    report.ssrc = 8;
    rtp::append_sender_report(report, bytes);
    EXPECT_THAT(rtcp(bytes), ElementsAre(1));
    report.ssrc = 7;
    rtp::append_sender_report(report, bytes);
    EXPECT_THAT(rtcp(bytes), ElementsAre(1, 0));
    Bytes goodbye;
    rtp::append_receiver_report({.ssrc = 99, .reports = {}}, goodbye);
    EXPECT_THAT(rtcp(goodbye), ElementsAre(0));  // of none: the first
    rtp::append_goodbye(8, "", goodbye);
    EXPECT_THAT(rtcp(goodbye), ElementsAre(1));
    EXPECT_THAT(rtcp(Bytes{0x80}), ElementsAre(0));
}

TEST_F(BundleTest, RtcpTellsTheMidOfASource) {
    line(0, {0}, {.mid = "a", .mid_extension = kMid, .ssrcs = {}});
    line(1, {0}, {.mid = "b", .mid_extension = kMid, .ssrcs = {}});
    // SDES with one chunk: SSRC 9, MID (15) "b".
    const Bytes bytes{0x81, 202, 0, 2, 0, 0, 0, 9, 15, 1, 'b', 0};
    EXPECT_THAT(rtcp(bytes), ElementsAre(1));
    EXPECT_EQ(sort(packet(9, 0), By::Ssrc), 1);
}

TEST_F(BundleTest, RemembersSoManySourcesAndThoseOfTheSdpForEver) {
    line(0, {0}, {.mid = "a", .mid_extension = kMid, .ssrcs = {1}});
    line(1, {0}, {.mid = "b", .mid_extension = kMid, .ssrcs = {}});
    const auto most = static_cast<std::uint32_t>(kMaxBundledSources);
    for (std::uint32_t ssrc = 2; ssrc <= most; ++ssrc) sort(packet(ssrc, 0, "b"), By::Mid);
    EXPECT_EQ(sort(packet(2, 0), By::Ssrc), 1);
    sort(packet(most + 1, 0, "b"), By::Mid);
    EXPECT_EQ(sort(packet(1, 0), By::Ssrc), 0);
    EXPECT_EQ(bundle_.sort(packet(2, 0)).by, By::Order);  // the oldest was forgotten
    EXPECT_EQ(sort(packet(most + 1, 0), By::Ssrc), 1);
    std::uint32_t told = 0;
    while (bundle_.poll_assigned()) ++told;
    EXPECT_EQ(told, kMaxAssignedEvents);
}

}  // namespace
}  // namespace earshot::capture
