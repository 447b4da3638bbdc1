#include "relay/sound_mixer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "audio/g711.h"
#include "audio/g722.h"
#include "audio/wav.h"
#include "base/text.h"
#include "relay/limits.h"

namespace earshot::relay {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::size_t kOctets = 160;

// How much of the power of these samples is at that frequency, 0 to 1 (Goertzel).
double share_of(std::span<const std::int16_t> samples, double hz, double rate) {
    const double coefficient = 2 * std::cos(2 * std::numbers::pi * hz / rate);
    double last = 0;
    double before = 0;
    double power = 0;
    for (const std::int16_t sample : samples) {
        const double now = sample + coefficient * last - before;
        before = last;
        last = now;
        power += static_cast<double>(sample) * sample;
    }
    if (power == 0) return 0;
    const double at = last * last + before * before - coefficient * last * before;
    return at / (power * static_cast<double>(samples.size()) / 2);
}

std::vector<std::int16_t> voice(std::size_t count, std::size_t from, double rate = 8000) {
    std::vector<std::int16_t> samples(count);
    for (std::size_t i = 0; i < count; ++i)
        samples[i] = static_cast<std::int16_t>(
            8000 * std::sin(2 * std::numbers::pi * 300 * static_cast<double>(from + i) / rate));
    return samples;
}

sdp::PayloadType payload_type(std::uint8_t number, std::string_view encoding,
                              std::uint32_t clock_rate = 8000) {
    sdp::PayloadType type;
    type.number = number;
    type.encoding = encoding;
    type.clock_rate = clock_rate;
    return type;
}
const sdp::PayloadType kMu = payload_type(0, "PCMU");
const sdp::PayloadType kA = payload_type(8, "PCMA");
const sdp::PayloadType kG722 = payload_type(9, "G722");
const sdp::PayloadType kOpus = payload_type(96, "opus", 48'000);
const sdp::PayloadType kEvents = payload_type(101, "telephone-event");

class Mixing : public testing::Test {
protected:
    SoundMixer mixer(SoundPtr sound, std::vector<sdp::PayloadType> types, bool may_fill = true) {
        return {std::move(sound),
                sound_formats(types, may_fill),
                {.ssrc = 99, .sequence = 65'535, .timestamp = 1000}};
    }
    base::Bytes packet(std::uint8_t type, base::ByteView payload) {
        base::Bytes made;
        rtp::write_rtp({.payload_type = type,
                        .sequence = sequence_++,
                        .timestamp = static_cast<std::uint32_t>(sequence_) * 160,
                        .ssrc = 7},
                       payload, made);
        return made;
    }
    base::Bytes speech(audio::G711Law law) {
        base::Bytes payload(kOctets);
        audio::encode_g711(law, voice(kOctets, kOctets * sequence_), payload);
        return packet(law == audio::G711Law::Mu ? 0 : 8, payload);
    }
    // The packet as the leg gets it; empty: it does not.
    base::Bytes pass(SoundMixer& mixer, const base::Bytes& in) {
        base::Bytes out(in.size());
        const auto fate = mixer.on_packet(in, out, now_);
        if (fate == SoundMixer::Fate::Drop) return {};
        return fate == SoundMixer::Fate::Pass ? in : out;
    }
    base::Bytes fill(SoundMixer& mixer) {
        base::Bytes out(SoundMixer::kFillBytes);
        out.resize(mixer.fill(out, now_));
        return out;
    }
    static std::vector<std::int16_t> heard(audio::G711Law law, const base::Bytes& packet) {
        const auto header = rtp::parse_rtp(packet);
        std::vector<std::int16_t> samples(header->payload_size);
        audio::decode_g711(law, rtp::rtp_payload(packet, *header), samples);
        return samples;
    }

    std::int64_t now_ = 1000 * kMs;
    std::uint16_t sequence_ = 1;
};

class MixingG711 : public Mixing, public testing::WithParamInterface<audio::G711Law> {};

TEST_P(MixingG711, AddsTheToneToWhatIsSaidAndLeavesHeaderSizeAndTimeAlone) {
    SoundMixer tone = mixer(make_tone(-10, std::chrono::seconds{15}), {kMu, kA});
    std::vector<std::int16_t> all;
    for (int i = 0; i < 20; ++i, now_ += 20 * kMs) {
        const base::Bytes in = speech(GetParam());
        const base::Bytes out = pass(tone, in);
        ASSERT_EQ(out.size(), in.size());
        EXPECT_TRUE(std::equal(in.begin(), in.begin() + 12, out.begin()));
        const auto samples = heard(GetParam(), out);
        all.insert(all.end(), samples.begin(), samples.end());
        EXPECT_TRUE(fill(tone).empty()) << "nothing of ours is needed";
    }
    const std::span<const std::int16_t> whole(all);
    EXPECT_GT(share_of(whole.first(1600), 1400, 8000), 0.5)
        << "200 ms of tone, from the first packet";
    EXPECT_GT(share_of(whole.first(1600), 300, 8000), 0.2) << "and what is said goes on";
    EXPECT_LT(share_of(whole.subspan(1600), 1400, 8000), 0.01) << "then nothing but that";
}

TEST_P(MixingG711, LeavesEveryOctetAloneBetweenTheTones) {
    SoundMixer tone = mixer(make_tone(-10, std::chrono::seconds{1}), {kMu, kA});
    std::vector<bool> changed;
    for (int i = 0; i < 110; ++i, now_ += 20 * kMs) {
        const base::Bytes in = speech(GetParam());
        changed.push_back(pass(tone, in) != in);
    }
    for (std::size_t i = 0; i < changed.size(); ++i)
        EXPECT_EQ(changed[i], i % 50 < 10) << "packet " << i;
}

TEST_P(MixingG711, IsClippedAndNotWrapped) {
    SoundMixer tone = mixer(make_tone(-6, std::chrono::seconds{15}), {kMu, kA});
    const std::vector<std::int16_t> loud(kOctets, 32'000);
    base::Bytes payload(kOctets);
    audio::encode_g711(GetParam(), loud, payload);
    const auto out =
        heard(GetParam(), pass(tone, packet(GetParam() == audio::G711Law::Mu ? 0 : 8, payload)));
    for (const std::int16_t sample : out) EXPECT_GT(sample, 10'000);
}

INSTANTIATE_TEST_SUITE_P(Laws, MixingG711, testing::Values(audio::G711Law::Mu, audio::G711Law::A));

TEST_F(Mixing, G722IsTranscodedWhileTheToneLasts) {
    SoundMixer tone = mixer(make_tone(-10, std::chrono::seconds{15}), {kG722});
    audio::G722Encoder phone;
    audio::G722Decoder ear;
    std::vector<std::int16_t> all;
    for (std::size_t i = 0; i < 20; ++i, now_ += 20 * kMs) {
        base::Bytes payload;
        phone.encode(voice(2 * kOctets, 2 * kOctets * i, 16'000), payload);
        const base::Bytes in = packet(9, payload);
        const base::Bytes out = pass(tone, in);
        ASSERT_EQ(out.size(), in.size());
        EXPECT_EQ(out == in, i >= 10) << i;
        ear.decode(base::ByteView(out).subspan(12), all);
    }
    const std::span<const std::int16_t> whole(all);
    EXPECT_GT(share_of(whole.first(3200), 1400, 16'000), 0.4);
    // What both coders adapted to differs when the tone is over, and is forgotten soon.
    EXPECT_GT(share_of(whole.last(3200 - 640), 300, 16'000), 0.95);
}

TEST_F(Mixing, SilenceIsFilledByAStreamOfOurOwn) {
    SoundMixer tone = mixer(make_tone(-10, std::chrono::seconds{1}), {kA, kMu, kEvents});
    EXPECT_TRUE(fill(tone).empty()) << "it may be that somebody speaks in a moment";
    std::vector<std::int16_t> all;
    std::vector<std::uint32_t> timestamps;
    std::uint16_t next = 65'535;
    for (int i = 0; i < 190; ++i) {
        now_ += 10 * kMs;
        const base::Bytes out = fill(tone);
        if (out.empty()) continue;
        const auto header = rtp::parse_rtp(out);
        ASSERT_TRUE(header);
        EXPECT_EQ(header->ssrc, 99U);
        EXPECT_EQ(header->payload_type, 8) << "what the leg prefers of those that we speak";
        EXPECT_EQ(header->sequence, next++);
        EXPECT_EQ(header->marker, timestamps.size() % 10 == 0);
        timestamps.push_back(header->timestamp);
        const auto samples = heard(audio::G711Law::A, out);
        all.insert(all.end(), samples.begin(), samples.end());
    }
    ASSERT_EQ(timestamps.size(), 20U) << "two tones of 200 ms";
    EXPECT_GT(share_of(all, 1400, 8000), 0.95);
    EXPECT_EQ(timestamps[1] - timestamps[0], 160U);
    EXPECT_NEAR(timestamps[10] - timestamps[0], 8000 - 8 * 70, 8 * 20)
        << "its clock went on between them, and at first it waits for somebody to speak";
}

TEST_F(Mixing, WhoWantsToHearNothingIsSentNothing) {
    SoundMixer tone = mixer(make_tone(-10, std::chrono::seconds{1}), {kMu}, false);
    for (int i = 0; i < 100; ++i, now_ += 10 * kMs) EXPECT_TRUE(fill(tone).empty());
}

TEST_F(Mixing, ForeignSpeechGivesWayToTheTone) {
    SoundMixer tone = mixer(make_tone(-10, std::chrono::seconds{1}), {kOpus, kMu, kEvents});
    const base::Bytes opus(70, 0x55);
    std::size_t passed = 0;
    std::size_t ours = 0;
    for (int i = 0; i < 50; ++i, now_ += 20 * kMs) {
        const base::Bytes in = packet(96, opus);
        const base::Bytes out = pass(tone, in);
        passed += out == in ? 1U : 0U;
        EXPECT_TRUE(out == in || out.empty());
        ours += fill(tone).empty() ? 0U : 1U;
    }
    EXPECT_EQ(ours, 10U);
    EXPECT_EQ(passed, 40U);
}

TEST_F(Mixing, ForeignSpeechPassesWhereThereIsNothingElse) {
    EXPECT_FALSE(sound_formats(std::vector{kOpus, kEvents}, true).own);
    SoundMixer tone = mixer(make_tone(-10, std::chrono::seconds{1}), {kOpus});
    const base::Bytes in = packet(96, base::Bytes(70, 0x55));
    EXPECT_EQ(pass(tone, in), in);
    EXPECT_TRUE(fill(tone).empty());
}

TEST_F(Mixing, KeysPassAsTheyAre) {
    SoundMixer tone = mixer(make_tone(-10, std::chrono::seconds{1}), {kMu, kEvents});
    const base::Bytes in = packet(101, base::Bytes{1, 10, 0, 160});
    EXPECT_EQ(pass(tone, in), in);
}

TEST_F(Mixing, WhatIsNoRtpPassesAtAnyLength) {
    SoundMixer tone = mixer(make_tone(-10, std::chrono::seconds{1}), {kMu});
    const base::Bytes whole = speech(audio::G711Law::Mu);
    for (std::size_t size = 0; size < 12; ++size) {
        const base::Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_EQ(pass(tone, cut), cut);
    }
    const base::Bytes dtls(40, 22);
    EXPECT_EQ(pass(tone, dtls), dtls);
}

base::Bytes wav_of(std::span<const std::int16_t> samples, std::uint32_t rate) {
    base::Bytes file = audio::make_wav_header({.rate = rate}, samples.size());
    audio::append_samples(samples, file);
    return file;
}

TEST_F(Mixing, AnAnnouncementIsHeardOnceAndMayBeHeardAlone) {
    const std::vector<std::int16_t> words(4000, 5000);
    const auto made = make_announcement(wav_of(words, 8000), true);
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ((*made)->length(), std::chrono::milliseconds{500});
    SoundMixer announcement = mixer(*made, {kMu});
    for (int i = 0; i < 50; ++i, now_ += 20 * kMs) {
        const base::Bytes in = speech(audio::G711Law::Mu);
        const base::Bytes out = pass(announcement, in);
        EXPECT_EQ(out == in, i >= 25) << i;
        if (i >= 25) continue;
        for (const std::int16_t sample : heard(audio::G711Law::Mu, out))
            EXPECT_NEAR(sample, 5000, 200) << "the peer is not heard meanwhile";
    }
    EXPECT_TRUE(announcement.is_over());
}

TEST(Sound, AnAnnouncementIsReadAtItsLimits) {
    const std::vector<std::int16_t> minute(8000U * kMaxAnnouncement.count(), 1);
    EXPECT_EQ(make_announcement(wav_of(minute, 8000), false).error().code, "too_long");
    const auto most =
        make_announcement(wav_of(std::span(minute).first(minute.size() - 1), 8000), false);
    ASSERT_TRUE(most);
    EXPECT_EQ((*most)->wide.size(), 2 * (*most)->narrow.size());
    EXPECT_EQ(make_announcement(wav_of({}, 8000), false).error().code, "empty");
    const base::Bytes whole = wav_of(std::span(minute).first(100), 16'000);
    for (std::size_t size = 0; size < 44; ++size)
        EXPECT_FALSE(make_announcement(base::ByteView(whole).first(size), false)) << size;
    const auto fine = make_announcement(whole, false);
    ASSERT_TRUE(fine);
    EXPECT_EQ((*fine)->narrow.size(), 50U);
}

}  // namespace
}  // namespace earshot::relay
