#include "loadgen/phone_receiver.h"

#include <gtest/gtest.h>

#include "loadgen/delay_histogram.h"
#include "loadgen/keyed_payload.h"
#include "loadgen/limits.h"
#include "loadgen/rtp_stream.h"

namespace earshot::loadgen {
namespace {

constexpr std::int64_t kStartNs = 1'770'000'000'000'000'000;
constexpr std::int64_t kPacketNs = 20'000'000;

const Voice& tone() {
    static const Voice voice{make_tone_speech(0, 1), Voice::AtEnd::Repeat};
    return voice;
}

class PhoneReceiverTest : public testing::Test {
protected:
    static RtpStream stream(std::uint32_t call = 3, std::uint32_t number = 0,
                            std::uint32_t ssrc = 9) {
        RtpStream::Start start;
        start.ssrc = ssrc;
        start.sequence = 65534;
        start.timestamp = 4'294'967'000U;
        start.call = call;
        start.stream = number;
        start.has_keyed_payload = true;
        RtpStream made{std::move(start), tone()};
        made.set_format(0, audio::G711Law::Mu);
        return made;
    }
    static PhoneReceiver receiver(bool is_keyed = true, bool keeps_sound = false) {
        PhoneReceiver::Settings settings;
        settings.call = 3;
        settings.stream = 0;
        settings.has_keyed_payload = is_keyed;
        settings.keeps_sound = keeps_sound;
        return PhoneReceiver{settings};
    }
};

TEST_F(PhoneReceiverTest, CountsEachPacketOnceAndWhatIsMissing) {
    RtpStream sender = stream();
    PhoneReceiver heard = receiver();
    for (int i = 0; i < 10; ++i) {
        const base::ByteView packet = sender.next_packet();
        if (i == 4) continue;
        heard.on_rtp(packet, kStartNs + i * kPacketNs);
        if (i == 7) heard.on_rtp(packet, kStartNs + i * kPacketNs);
    }
    heard.on_rtcp();
    const HeardMedia media = heard.finish();
    EXPECT_EQ(media.packets, 9U);
    EXPECT_EQ(media.lost, 1U);
    EXPECT_EQ(media.duplicates, 1U);
    EXPECT_EQ(media.strays, 0U);
    EXPECT_EQ(media.reports, 1U);
    EXPECT_EQ(media.sources, 1U);
    EXPECT_EQ(media.first_packet, base::wall_from_ns(kStartNs));
}

TEST_F(PhoneReceiverTest, PacketsOfAnotherCallOrDirectionAreStrays) {
    PhoneReceiver heard = receiver();
    RtpStream other_call = stream(4);
    RtpStream own_voice = stream(3, 1);
    heard.on_rtp(other_call.next_packet(), kStartNs);
    heard.on_rtp(own_voice.next_packet(), kStartNs);
    heard.on_rtp(base::as_bytes("no rtp"), kStartNs);
    const HeardMedia media = heard.finish();
    EXPECT_EQ(media.packets, 0U);
    EXPECT_EQ(media.strays, 3U);
    EXPECT_FALSE(media.first_packet);
}

TEST_F(PhoneReceiverTest, WithoutKeysWhateverIsRtpIsHeard) {
    PhoneReceiver heard = receiver(false);
    RtpStream other_call = stream(4);
    heard.on_rtp(other_call.next_packet(), kStartNs);
    EXPECT_EQ(heard.finish().packets, 1U);
}

TEST_F(PhoneReceiverTest, SourcesPastTheLimitAreStrays) {
    PhoneReceiver heard = receiver();
    for (std::uint32_t ssrc = 0; ssrc <= kMaxHeardSources; ++ssrc) {
        RtpStream sender = stream(3, 0, ssrc);
        heard.on_rtp(sender.next_packet(), kStartNs);
    }
    const HeardMedia media = heard.finish();
    EXPECT_EQ(media.sources, kMaxHeardSources);
    EXPECT_EQ(media.strays, 1U);
}

TEST_F(PhoneReceiverTest, TellsHowLongAPacketWasUnderWay) {
    PhoneReceiver heard = receiver();
    RtpStream sender = stream();
    const base::ByteView packet = sender.next_packet();
    base::Bytes stamped{packet.begin(), packet.end()};
    store_sent_time(std::span{stamped}.subspan(12), kStartNs);
    EXPECT_EQ(heard.on_rtp(stamped, kStartNs + 1234)->delay_ns, 1234);
}

TEST_F(PhoneReceiverTest, DigitsAreHeardThoughTheyCarryNoKey) {
    PhoneReceiver heard = receiver();
    heard.set_event_payload_type(101);
    RtpStream sender = stream();
    for (const std::uint8_t digit : {std::uint8_t{4}, std::uint8_t{2}}) {
        for (std::uint16_t turn = 1; turn <= 3; ++turn) {
            rtp::TelephoneEvent event;
            event.event = digit;
            event.duration = static_cast<std::uint16_t>(turn * 160);
            event.end = turn == 3;
            heard.on_rtp(sender.next_event_packet(101, event, turn == 1), kStartNs);
            sender.skip_packet();
        }
        heard.on_rtp(sender.next_packet(), kStartNs);
    }
    const HeardMedia media = heard.finish();
    EXPECT_EQ(media.digits, "42");
    EXPECT_EQ(media.packets, 8U);
    EXPECT_EQ(media.lost, 0U);
}

TEST_F(PhoneReceiverTest, KeepsTheSoundWithSilenceWhereAPacketIsMissing) {
    PhoneReceiver heard = receiver(false, true);
    RtpStream sender = stream();
    for (int i = 0; i < 40; ++i) {
        const base::ByteView packet = sender.next_packet();
        if (i != 5) heard.on_rtp(packet, kStartNs + i * kPacketNs);
    }
    const auto sound = heard.finish().sound;
    ASSERT_EQ(sound.size(), 40 * kSamplesPerPacket);
    const auto is_silent = [&sound](std::size_t packet) {
        const auto* first = sound.data() + packet * kSamplesPerPacket;
        return std::all_of(first, first + kSamplesPerPacket, [](auto it) { return it == 0; });
    };
    EXPECT_TRUE(is_silent(5));
    EXPECT_FALSE(is_silent(4));
}

TEST(DelayHistogram, TellsTheStepThatAPartOfAllDoesNotExceed) {
    DelayHistogram delays;
    EXPECT_EQ(delays.quantile(0.99).count(), 0);
    for (int i = 0; i < 99; ++i) delays.add(95'000);
    delays.add(5'000'000);
    EXPECT_EQ(delays.quantile(0.5).count(), 100'000);
    EXPECT_EQ(delays.quantile(0.99).count(), 100'000);
    EXPECT_EQ(delays.quantile(1).count(), 5'000'000);
    EXPECT_EQ(delays.max().count(), 5'000'000);
}

TEST(DelayHistogram, PastTheEndTheGreatestIsKept) {
    DelayHistogram delays;
    delays.add(-5);
    delays.add(3'000'000'000);
    EXPECT_EQ(delays.count(), 2U);
    EXPECT_EQ(delays.max().count(), 3'000'000'000);
}

}  // namespace
}  // namespace earshot::loadgen
