#include "loadgen/rtp_stream.h"

#include <gtest/gtest.h>

#include "loadgen/keyed_payload.h"
#include "rtp/rtcp.h"
#include "rtp/rtp_packet.h"

namespace earshot::loadgen {
namespace {

const Voice& tone() {
    static const Voice voice{make_tone_speech(0, 1), Voice::AtEnd::Repeat};
    return voice;
}

RtpStream::Start start_values() {
    RtpStream::Start start;
    start.ssrc = 0xdeadbeef;
    start.sequence = 0xffff;
    start.timestamp = 0xffffff60;  // 160 before the wrap
    start.cname = "x@192.0.2.1";
    start.call = 7;
    start.stream = 1;
    return start;
}

TEST(RtpStream, NumbersPacketsAcrossTheWrap) {
    RtpStream stream{start_values(), tone()};
    stream.set_format(8, audio::G711Law::A);
    const base::ByteView first = stream.next_packet();
    const auto header = rtp::parse_rtp(first);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->payload_type, 8);
    EXPECT_TRUE(header->marker);
    EXPECT_EQ(header->sequence, 0xffff);
    EXPECT_EQ(header->timestamp, 0xffffff60);
    EXPECT_EQ(header->ssrc, 0xdeadbeef);
    EXPECT_EQ(header->payload_size, kSamplesPerPacket);

    const auto second = rtp::parse_rtp(stream.next_packet());
    EXPECT_FALSE(second->marker);
    EXPECT_EQ(second->sequence, 0);
    EXPECT_EQ(second->timestamp, 0U);
    EXPECT_EQ(stream.packets(), 2U);
}

TEST(RtpStream, LetsTimeRunWhilePausedAndMarksTheNextPacket) {
    RtpStream stream{start_values(), tone()};
    stream.next_packet();
    stream.skip_packet();
    stream.skip_packet();
    const auto header = rtp::parse_rtp(stream.next_packet());
    EXPECT_TRUE(header->marker);
    EXPECT_EQ(header->sequence, 0);          // no number is skipped: nothing was lost
    EXPECT_EQ(header->timestamp, 2 * 160U);  // 0xffffff60 + 3 * 160
    EXPECT_EQ(stream.packets(), 2U);
}

TEST(RtpStream, SaysTheVoiceInOrder) {
    RtpStream stream{start_values(), tone()};
    for (std::uint64_t i = 0; i < 70; ++i) {  // past the end of the word
        const base::ByteView packet = stream.next_packet();
        std::array<std::uint8_t, kSamplesPerPacket> expected{};
        tone().copy_packet(audio::G711Law::Mu, i, expected);
        const base::ByteView payload = packet.subspan(12);
        EXPECT_TRUE(std::equal(payload.begin(), payload.end(), expected.begin())) << i;
    }
}

TEST(RtpStream, PutsTheKeyBeforeTheTone) {
    RtpStream::Start start = start_values();
    start.has_keyed_payload = true;
    RtpStream stream{start, tone()};
    stream.next_packet();
    const base::ByteView payload = stream.next_packet().subspan(12);
    EXPECT_EQ(load_key(payload), (PayloadKey{7, 1, 1}));
    EXPECT_EQ(base::ByteView(payload.first(8))[3], 7);  // big-endian
    EXPECT_EQ(load_key(payload.first(kPayloadKeyBytes - 1)), std::nullopt);
}

TEST(RtpStream, ReportsWhatItSentAndSaysGoodbye) {
    RtpStream stream{start_values(), tone()};
    stream.next_packet();
    stream.next_packet();
    const auto now = base::wall_from_ns(1'770'000'000'000'000'000);
    const auto report = rtp::parse_rtcp(stream.sender_report(now));
    ASSERT_TRUE(report);
    ASSERT_EQ(report->size(), 2U);
    const auto& sender = std::get<rtp::SenderReport>((*report)[0]);
    EXPECT_EQ(sender.packet_count, 2U);
    EXPECT_EQ(sender.octet_count, 320U);
    EXPECT_EQ(sender.rtp_timestamp, 160U);  // of the packet that comes next
    EXPECT_EQ(sender.ntp, rtp::to_ntp(now));
    const auto& names = std::get<rtp::SourceDescriptions>((*report)[1]);
    EXPECT_EQ(names.chunks.at(0).cname, "x@192.0.2.1");

    const auto last = rtp::parse_rtcp(stream.goodbye(now));
    ASSERT_TRUE(last);
    ASSERT_EQ(last->size(), 3U);
    EXPECT_EQ(std::get<rtp::Goodbye>((*last)[2]).ssrcs.at(0), 0xdeadbeef);
}

TEST(RtpStream, AllPacketsOfAnEventCarryTheTimeOfItsStart) {
    RtpStream stream{start_values(), tone()};
    stream.set_format(0, audio::G711Law::Mu);
    stream.next_packet();
    rtp::TelephoneEvent event;
    event.event = 5;
    event.duration = 160;
    const auto first = rtp::parse_rtp(stream.next_event_packet(101, event, true));
    stream.skip_packet();
    event.end = true;
    const auto last = rtp::parse_rtp(stream.next_event_packet(101, event, false));
    stream.skip_packet();
    const auto voice = rtp::parse_rtp(stream.next_packet());
    EXPECT_EQ(first->payload_type, 101);
    EXPECT_TRUE(first->marker);
    EXPECT_FALSE(last->marker);
    EXPECT_EQ(first->payload_size, 4U);
    EXPECT_EQ(last->timestamp, first->timestamp);
    EXPECT_EQ(last->sequence, static_cast<std::uint16_t>(first->sequence + 1));
    EXPECT_EQ(voice->sequence, static_cast<std::uint16_t>(first->sequence + 2));
    EXPECT_EQ(voice->timestamp, first->timestamp + 2 * kSamplesPerPacket);
    EXPECT_EQ(voice->payload_size, kSamplesPerPacket);
}

}  // namespace
}  // namespace earshot::loadgen
