#include "rtp/rtcp.h"

#include <gtest/gtest.h>

#include "rtp/limits.h"
#include "rtp/rtcp_interval.h"

namespace earshot::rtp {
namespace {

using base::Bytes;

ReportBlock block(std::uint32_t ssrc) {
    return {.ssrc = ssrc,
            .fraction_lost = 17,
            .cumulative_lost = -5,
            .extended_highest = 0x1fff0,
            .jitter = 33,
            .last_sr = 0xaabbccdd,
            .delay_since_sr = 65536};
}

Bytes compound() {
    Bytes out;
    append_sender_report({.ssrc = 1,
                          .ntp = 0xe000000080000000,
                          .rtp_timestamp = 0xfffffff0,
                          .packet_count = 3,
                          .octet_count = 480,
                          .reports = {block(9), block(10)}},
                         out);
    append_cname(1, "party-a@earshot.example", out);
    append_goodbye(1, "hung up", out);
    return out;
}

TEST(Rtcp, ReadsTheCompoundThatItWrote) {
    const auto packets = parse_rtcp(compound());
    ASSERT_TRUE(packets);
    ASSERT_EQ(packets->size(), 3U);
    const auto& report = std::get<SenderReport>((*packets)[0]);
    EXPECT_EQ(report.ntp, 0xe000000080000000U);
    EXPECT_EQ(report.octet_count, 480U);
    EXPECT_EQ(report.reports, (std::vector{block(9), block(10)}));
    const auto& texts = std::get<SourceDescriptions>((*packets)[1]);
    ASSERT_EQ(texts.chunks.size(), 1U);
    EXPECT_EQ(texts.chunks[0], (SourceDescription{1, "party-a@earshot.example"}));
    EXPECT_EQ(std::get<Goodbye>((*packets)[2]), (Goodbye{{1}, "hung up"}));
}

TEST(Rtcp, NeverReadsPastATruncation) {
    const Bytes whole = compound();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        const auto packets = parse_rtcp(cut);
        // Only a cut between two packets leaves a legal compound.
        if (packets) {
            EXPECT_LT(packets->size(), 3U) << size;
        }
    }
}

TEST(Rtcp, KeepsKindsThatItDoesNotKnow) {
    const Bytes pli{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
    const auto packets = parse_rtcp(pli);
    ASSERT_TRUE(packets);
    const auto& other = std::get<OtherRtcp>(packets->front());
    EXPECT_EQ(other.type, 206);
    EXPECT_EQ(other.count, 1);
    EXPECT_EQ(other.body.size(), 8U);
}

TEST(Rtcp, RefusesCountsThatDoNotFit) {
    Bytes report;
    append_receiver_report({.ssrc = 1, .reports = {block(2)}}, report);
    report[0] = 0x82;
    EXPECT_FALSE(parse_rtcp(report));
    const Bytes goodbye{0x82, 203, 0, 1, 0, 0, 0, 1};
    EXPECT_FALSE(parse_rtcp(goodbye));
    const Bytes item_past_the_end{0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, 'a', 0};
    EXPECT_FALSE(parse_rtcp(item_past_the_end));
    const Bytes no_end_of_list{0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, 'a', 'b'};
    EXPECT_FALSE(parse_rtcp(no_end_of_list));
}

TEST(Rtcp, AllowsPaddingInTheLastPacketOnly) {
    Bytes padded{0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4};
    EXPECT_TRUE(parse_rtcp(padded));
    padded.back() = 3;
    EXPECT_FALSE(parse_rtcp(padded));
    padded.back() = 12;
    EXPECT_FALSE(parse_rtcp(padded));
    padded.back() = 4;
    append_goodbye(1, "", padded);
    EXPECT_FALSE(parse_rtcp(padded));
}

TEST(Rtcp, LimitsThePacketsOfACompound) {
    Bytes many;
    for (std::size_t i = 0; i < kMaxRtcpPackets; ++i) append_goodbye(1, "", many);
    EXPECT_TRUE(parse_rtcp(many));
    append_goodbye(1, "", many);
    EXPECT_FALSE(parse_rtcp(many));
}

TEST(Rtcp, WritesTextsOfEachLengthAlignedAndCutsThemAtTheLimit) {
    for (std::size_t length = 1; length < 260; ++length) {
        Bytes out;
        append_cname(7, std::string(length, 'x'), out);
        append_goodbye(7, std::string(length, 'y'), out);
        ASSERT_EQ(out.size() % 4, 0U);
        const auto packets = parse_rtcp(out);
        ASSERT_TRUE(packets) << length;
        const std::size_t kept = std::min(length, kMaxSdesTextBytes);
        EXPECT_EQ(std::get<SourceDescriptions>((*packets)[0]).chunks[0].cname.size(), kept);
        EXPECT_EQ(std::get<Goodbye>((*packets)[1]).reason.size(), kept);
    }
}

TEST(Rtcp, ClampsCumulativeLossTo24Bits) {
    for (const std::int32_t lost : {0x7fffff, 0x800000, -0x800000, -0x800001}) {
        ReportBlock b = block(1);
        b.cumulative_lost = lost;
        Bytes out;
        append_receiver_report({.ssrc = 1, .reports = {b}}, out);
        const auto packets = parse_rtcp(out);
        const auto& report = std::get<ReceiverReport>(packets->front());
        EXPECT_EQ(report.reports[0].cumulative_lost, lost > 0 ? 0x7fffff : -0x800000);
    }
}

TEST(Rtcp, WritesAtMost31Blocks) {
    Bytes out;
    append_receiver_report({.ssrc = 1, .reports = std::vector(40, block(1))}, out);
    const auto packets = parse_rtcp(out);
    ASSERT_TRUE(packets);
    EXPECT_EQ(std::get<ReceiverReport>(packets->front()).reports.size(), kMaxReportBlocks);
}

TEST(NtpTime, GoesThereAndBackOverTheEraOf2036) {
    const std::int64_t year_2036 = 2'085'978'496;  // 2036-02-07T06:28:16Z: NTP seconds are 0 again
    for (const std::int64_t s : {std::int64_t{0}, std::int64_t{1'772'442'900}, year_2036 - 1,
                                 year_2036, year_2036 + 1, std::int64_t{2'200'000'000}}) {
        const auto time = base::wall_from_ns(s * 1'000'000'000 + 123'456'789);
        const auto near = time + std::chrono::hours(24 * 365);
        EXPECT_LE(std::abs(base::to_ns(from_ntp(to_ntp(time), near)) - base::to_ns(time)), 1) << s;
    }
    EXPECT_EQ(to_ntp(base::wall_from_ns(year_2036 * 1'000'000'000)) >> 32, 0U);
    EXPECT_EQ(to_ntp(base::wall_from_ns(0)) >> 32, 2'208'988'800U);
    EXPECT_EQ(ntp_middle(0x1111222233334444), 0x22223333U);
}

TEST(RtcpInterval, LiesWithinTheRandomisedMinimum) {
    base::SeededRandom random(1);
    using std::chrono::milliseconds;
    for (int i = 0; i < 1000; ++i) {
        const auto interval = rtcp_interval({}, random);
        EXPECT_GE(interval, milliseconds(2052));
        EXPECT_LE(interval, milliseconds(6157));
        EXPECT_LE(rtcp_interval({.initial = true}, random), milliseconds(3079));
    }
}

TEST(RtcpInterval, GrowsWithTheMembers) {
    base::SeededRandom random(1);
    EXPECT_GT(rtcp_interval({.members = 1000}, random), std::chrono::seconds(100));
}

}  // namespace
}  // namespace earshot::rtp
