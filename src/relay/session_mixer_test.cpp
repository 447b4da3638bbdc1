#include "relay/session_mixer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "audio/g711.h"
#include "relay/limits.h"
#include "rtp/rtp_packet.h"

namespace earshot::relay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint32_t kTickSamples = 160;

// A phone that says one tone in PCMU, 20 ms a packet.
class Phone {
public:
    Phone(double hz, std::uint32_t ssrc, std::uint32_t timestamp = 1000)
        : hz_(hz), header_{.timestamp = timestamp, .ssrc = ssrc} {}

    base::Bytes next(int amplitude = 8000) {
        std::vector<std::int16_t> samples(kTickSamples);
        for (std::int16_t& sample : samples)
            sample = static_cast<std::int16_t>(
                amplitude *
                std::sin(2 * std::numbers::pi * hz_ * static_cast<double>(said_++) / 8000));
        base::Bytes payload(kTickSamples);
        audio::encode_g711(audio::G711Law::Mu, samples, payload);
        base::Bytes packet;
        rtp::write_rtp(header_, payload, packet);
        ++header_.sequence;
        header_.timestamp += kTickSamples;
        return packet;
    }
    void be_silent(std::uint32_t ticks) { header_.timestamp += ticks * kTickSamples; }

private:
    double hz_;
    rtp::RtpHeader header_;
    std::uint64_t said_ = 0;
};

std::vector<std::int16_t> samples_of(const base::Bytes& packet) {
    const auto header = rtp::parse_rtp(packet);
    std::vector<std::int16_t> samples(header->payload_size);
    audio::decode_g711(audio::G711Law::Mu, rtp::rtp_payload(packet, *header), samples);
    return samples;
}

std::vector<std::uint32_t> csrcs_of(const base::Bytes& packet) {
    std::vector<std::uint32_t> csrcs;
    for (std::size_t i = 0; i < (packet[0] & 0x0fU); ++i)
        csrcs.push_back(base::load_u32(packet, 12 + 4 * i));
    return csrcs;
}

double share_of(std::span<const std::int16_t> samples, double hz) {
    double real = 0;
    double imaginary = 0;
    double power = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double phase = 2 * std::numbers::pi * hz * static_cast<double>(i) / 8000;
        real += samples[i] * std::cos(phase);
        imaginary += samples[i] * std::sin(phase);
        power += static_cast<double>(samples[i]) * samples[i];
    }
    if (power == 0) return 0;
    return (real * real + imaginary * imaginary) * 2 /
           (power * static_cast<double>(samples.size()));
}

class SessionMixerTest : public testing::Test {
protected:
    void add(std::uint64_t id, std::uint32_t csrc) { mixer_.add(id, {{0, MixCodec::Pcmu}}, csrc); }
    bool tick() { return mixer_.tick(packet_); }
    // Ticks until something is sent; how many were not.
    std::size_t wait() {
        std::size_t silent = 0;
        while (!tick() && silent < 100) ++silent;
        return silent;
    }

    SessionMixer mixer_{{0, MixCodec::Pcmu}, {.ssrc = 77, .sequence = 5, .timestamp = 160'000}};
    base::Bytes packet_;
};

TEST_F(SessionMixerTest, VoicesAreAddedAndTheListTellsWhose) {
    add(1, 111);
    add(2, 222);
    Phone ada(400, 1);
    Phone bo(1000, 2);
    mixer_.on_packet(1, ada.next());
    mixer_.on_packet(2, bo.next());
    EXPECT_EQ(wait(), 3U);  // 60 ms for what is late
    EXPECT_THAT(csrcs_of(packet_), ElementsAre(111, 222));
    const auto samples = samples_of(packet_);
    EXPECT_GT(share_of(samples, 400), 0.4);
    EXPECT_GT(share_of(samples, 1000), 0.4);
    const auto header = rtp::parse_rtp(packet_);
    EXPECT_EQ(header->ssrc, 77U);
    EXPECT_EQ(header->sequence, 5);
    EXPECT_EQ(header->timestamp, 160'000U + 3 * 160);
    EXPECT_TRUE(header->marker);
    EXPECT_EQ(header->payload_size, kTickSamples);
}

TEST_F(SessionMixerTest, NothingIsSentWhileNobodySpeaksAndTimeGoesOn) {
    add(1, 111);
    EXPECT_FALSE(tick());
    EXPECT_THAT(packet_, IsEmpty());
    EXPECT_EQ(mixer_.timestamp(), 160'160U);
    EXPECT_TRUE(mixer_.tick(packet_, true));  // silence, to keep the way open
    EXPECT_THAT(csrcs_of(packet_), IsEmpty());
}

TEST_F(SessionMixerTest, SilenceOfAVoiceIsSentWithoutItsName) {
    add(1, 111);
    Phone ada(400, 1);
    mixer_.on_packet(1, ada.next(0));
    wait();
    EXPECT_THAT(csrcs_of(packet_), IsEmpty());
    EXPECT_EQ(rtp::parse_rtp(packet_)->payload_size, kTickSamples);
}

TEST_F(SessionMixerTest, WhatComesInAnotherOrderIsPutRight) {
    add(1, 111);
    Phone ada(400, 1);
    const base::Bytes first = ada.next();
    const base::Bytes second = ada.next();
    const base::Bytes third = ada.next();
    mixer_.on_packet(1, first);
    mixer_.on_packet(1, third);
    mixer_.on_packet(1, second);
    wait();
    EXPECT_EQ(samples_of(packet_), samples_of(first));
    EXPECT_TRUE(tick());
    EXPECT_EQ(samples_of(packet_), samples_of(second));
    EXPECT_TRUE(tick());
    EXPECT_EQ(samples_of(packet_), samples_of(third));
    EXPECT_FALSE(tick());
    EXPECT_EQ(mixer_.counters().late, 0U);
}

TEST_F(SessionMixerTest, WhatIsTooLateIsCounted) {
    add(1, 111);
    Phone ada(400, 1);
    const base::Bytes early = ada.next();
    mixer_.on_packet(1, ada.next());
    wait();
    mixer_.on_packet(1, early);
    EXPECT_EQ(mixer_.counters().late, 1U);
    EXPECT_EQ(mixer_.counters().packets, 1U);
}

TEST_F(SessionMixerTest, APauseOfTheSpeakerIsAPauseOfTheMix) {
    add(1, 111);
    Phone ada(400, 1);
    mixer_.on_packet(1, ada.next());
    ada.be_silent(10);
    wait();
    for (int i = 0; i < 7; ++i) EXPECT_FALSE(tick());
    mixer_.on_packet(1, ada.next());
    EXPECT_EQ(wait(), 3U);
    EXPECT_TRUE(rtp::parse_rtp(packet_)->marker);
}

TEST_F(SessionMixerTest, AnotherSourceBeginsAnew) {
    add(1, 111);
    Phone before(400, 1);
    mixer_.on_packet(1, before.next());
    Phone after(1000, 9, 4'000'000'000);
    mixer_.on_packet(1, after.next());
    wait();
    std::size_t heard = 1;
    while (tick()) ++heard;
    EXPECT_GE(heard, 1U);
    EXPECT_EQ(mixer_.counters().packets, 2U);
    EXPECT_EQ(mixer_.counters().late, 0U);
}

TEST_F(SessionMixerTest, DigitsAndNonsenseArePassedOver) {
    add(1, 111);
    base::Bytes digit;
    rtp::write_rtp({.payload_type = 101}, base::Bytes{1, 2, 3, 4}, digit);
    mixer_.on_packet(1, digit);
    mixer_.on_packet(1, base::Bytes{1, 2, 3});
    mixer_.on_packet(9, digit);  // of nobody
    EXPECT_EQ(mixer_.counters().passed_over, 2U);
    EXPECT_FALSE(tick());
}

TEST_F(SessionMixerTest, LoudVoicesAreCutAndNotFolded) {
    for (std::uint64_t i = 1; i <= 4; ++i) {
        add(i, static_cast<std::uint32_t>(i));
        Phone phone(400, static_cast<std::uint32_t>(i));
        mixer_.on_packet(i, phone.next(30'000));
    }
    wait();
    const auto samples = samples_of(packet_);
    EXPECT_GT(samples[5], 30'000);  // the first half of a wave is above zero
}

TEST_F(SessionMixerTest, AListHasFifteenNamesAtMost) {
    for (std::uint64_t i = 1; i <= 20; ++i) {
        add(i, static_cast<std::uint32_t>(i));
        Phone phone(400, static_cast<std::uint32_t>(i));
        mixer_.on_packet(i, phone.next(1000));
    }
    wait();
    EXPECT_EQ(csrcs_of(packet_).size(), SessionMixer::kMaxCsrcs);
    EXPECT_EQ(rtp::parse_rtp(packet_)->payload_size, kTickSamples);
}

TEST_F(SessionMixerTest, WhoHasEndedIsHeardToTheEnd) {
    add(1, 111);
    Phone ada(400, 1);
    mixer_.on_packet(1, ada.next());
    mixer_.on_packet(1, ada.next());
    mixer_.end(1);
    EXPECT_EQ(wait(), 3U);
    EXPECT_TRUE(tick());
    EXPECT_FALSE(tick());
    EXPECT_FALSE(tick());
    EXPECT_EQ(mixer_.inputs(), 0U);
    EXPECT_EQ(mixer_.counters().packets, 2U);
}

TEST_F(SessionMixerTest, AFastClockCostsQuietMomentsAndNoMemory) {
    add(1, 111);
    Phone ada(400, 1);
    for (int i = 0; i < 4000; ++i) {
        mixer_.on_packet(1, ada.next(0));
        if (i % 10 != 0) tick();  // a tenth too fast: no phone is
    }
    EXPECT_GT(mixer_.counters().left_out, 300U);
    EXPECT_EQ(mixer_.counters().late, 0U);
}

TEST_F(SessionMixerTest, ASlowClockIsMadeUpForByAPause) {
    add(1, 111);
    Phone ada(400, 1);
    std::size_t sent = 0;
    for (int i = 0; i < 4000; ++i) {
        if (i % 10 != 0) mixer_.on_packet(1, ada.next());
        sent += tick() ? 1 : 0;
    }
    EXPECT_GT(sent, 3500U);
    EXPECT_EQ(mixer_.counters().late, 0U);
    EXPECT_EQ(mixer_.counters().packets, 3600U);
}

TEST_F(SessionMixerTest, AWideBandMixTakesNarrowVoices) {
    mixer_.set_output({9, MixCodec::G722});
    add(1, 111);
    Phone ada(400, 1);
    std::vector<std::int16_t> heard;
    audio::G722Decoder decoder;
    for (int i = 0; i < 50; ++i) {
        mixer_.on_packet(1, ada.next());
        if (!tick()) continue;
        const auto header = rtp::parse_rtp(packet_);
        EXPECT_EQ(header->payload_type, 9);
        EXPECT_EQ(header->payload_size, kTickSamples);
        decoder.decode(rtp::rtp_payload(packet_, *header), heard);
    }
    ASSERT_GT(heard.size(), 12'000U);
    // 400 Hz at 16 kHz is 200 Hz at 8 kHz.
    EXPECT_GT(share_of(std::span(heard).subspan(4000, 8000), 200), 0.9);
}

TEST_F(SessionMixerTest, ManyPacketsAtOnceHaveALimit) {
    add(1, 111);
    rtp::RtpHeader header{.timestamp = 0, .ssrc = 1};
    base::Bytes packet;
    for (std::uint32_t i = 0; i < 2 * kMaxMixPackets; ++i) {
        header.timestamp = i;
        rtp::write_rtp(header, base::Bytes{0xff}, packet);
        mixer_.on_packet(1, packet);
    }
    EXPECT_EQ(mixer_.counters().packets, kMaxMixPackets);
    EXPECT_EQ(mixer_.counters().late, kMaxMixPackets);
}

}  // namespace
}  // namespace earshot::relay
