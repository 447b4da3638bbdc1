#include "loadgen/recorded_stream.h"

#include <gtest/gtest.h>

#include "rtp/rtcp.h"

namespace earshot::loadgen {
namespace {

constexpr std::int64_t kStartNs = 1'770'000'000'000'000'000;

base::WallTime at_ms(std::int64_t ms) { return base::wall_from_ns(kStartNs + ms * 1'000'000); }

rtp::RtpHeader original(std::uint32_t ssrc, std::uint16_t sequence, std::uint32_t timestamp) {
    rtp::RtpHeader header;
    header.ssrc = ssrc;
    header.sequence = sequence;
    header.timestamp = timestamp;
    return header;
}

class RecordedStreamTest : public testing::Test {
protected:
    rtp::RtpHeader next(const rtp::RtpHeader& header, std::int64_t ms) {
        return *rtp::parse_rtp(stream_.next_packet(header, 8, payload_, at_ms(ms)));
    }

    RecordedStream stream_{{.ssrc = 0xfeed, .sequence = 65535, .timestamp = 1000, .cname = "x@h"}};
    base::Bytes payload_ = base::Bytes(160, 0x55);
};

TEST_F(RecordedStreamTest, P81_NumbersTimesAndSourceAreItsOwn) {
    const auto first = next(original(7, 100, 4'294'967'200U), 0);
    EXPECT_EQ(first.ssrc, 0xfeedU);
    EXPECT_EQ(first.sequence, 65535);
    EXPECT_EQ(first.timestamp, 1000U);
    EXPECT_EQ(first.payload_type, 8);
    EXPECT_EQ(first.payload_size, 160U);
    const auto third = next(original(7, 102, 224), 40);  // one was lost on the way to the phone
    EXPECT_EQ(third.sequence, 0);
    EXPECT_EQ(third.timestamp, 1320U) << "but its time is not";
}

TEST_F(RecordedStreamTest, AnotherSourceOfTheCallGoesOnInTheSameTime) {
    next(original(7, 100, 500), 0);
    EXPECT_EQ(next(original(8, 1, 77'000), 100).timestamp, 1800U);
    EXPECT_EQ(next(original(8, 2, 77'160), 120).timestamp, 1960U);
}

TEST_F(RecordedStreamTest, ReportsTellItsOwnClockAndCounts) {
    next(original(7, 100, 500), 0);
    next(original(7, 101, 660), 20);
    const auto packets = rtp::parse_rtcp(stream_.goodbye(at_ms(1020)));
    ASSERT_TRUE(packets);
    ASSERT_EQ(packets->size(), 3U);
    const auto& report = std::get<rtp::SenderReport>((*packets)[0]);
    EXPECT_EQ(report.ssrc, 0xfeedU);
    EXPECT_EQ(report.rtp_timestamp, 1160U + 8000U);
    EXPECT_EQ(report.packet_count, 2U);
    EXPECT_EQ(report.octet_count, 320U);
    EXPECT_EQ(std::get<rtp::SourceDescriptions>((*packets)[1]).chunks[0].cname, "x@h");
}

}  // namespace
}  // namespace earshot::loadgen
