#include "focus/mixer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "audio/g711.h"
#include "rtp/header_extension.h"
#include "rtp/rtp_packet.h"

namespace earshot::focus {
namespace {

using testing::ElementsAre;
using testing::Gt;
using testing::IsEmpty;
using testing::Lt;

constexpr std::uint8_t kLevelId = 3;
constexpr std::size_t kNarrow = 160;

// A phone that says one tone, 20 ms a packet, and keeps what it hears.
class Phone {
public:
    Phone(MixFormat format, double hz) : format_(format), hz_(hz) {
        header_ = {.payload_type = format.payload_type,
                   .timestamp = 5000,
                   .ssrc = static_cast<std::uint32_t>(hz)};
    }

    base::Bytes next(double amplitude = 4000) {
        const bool is_wide = format_.codec == MixCodec::G722;
        const double rate = is_wide ? 16'000 : 8'000;
        std::vector<std::int16_t> samples(is_wide ? 2 * kNarrow : kNarrow);
        for (std::int16_t& sample : samples)
            sample = static_cast<std::int16_t>(
                amplitude *
                std::sin(2 * std::numbers::pi * hz_ * static_cast<double>(said_++) / rate));
        base::Bytes payload;
        if (is_wide) {
            encoder_.encode(samples, payload);
        } else {
            payload.resize(kNarrow);
            audio::encode_g711(law(), samples, payload);
        }
        base::Bytes packet;
        rtp::write_rtp(header_, payload, packet);
        ++header_.sequence;
        header_.timestamp += kNarrow;
        return packet;
    }
    // The same with RFC 6464's element.
    base::Bytes next_with_level(std::uint8_t level, bool is_voice) {
        base::Bytes packet = next();
        const base::Bytes extension{0xbe,
                                    0xde,
                                    0,
                                    1,
                                    static_cast<std::uint8_t>(kLevelId << 4U),
                                    static_cast<std::uint8_t>((is_voice ? 0x80U : 0U) | level),
                                    0,
                                    0};
        packet[0] |= 0x10;
        packet.insert(packet.begin() + 12, extension.begin(), extension.end());
        return packet;
    }

    void hear(base::ByteView packet) {
        const auto header = rtp::parse_rtp(packet);
        ASSERT_TRUE(header);
        EXPECT_EQ(header->payload_type, format_.payload_type);
        const base::ByteView payload = rtp::rtp_payload(packet, *header);
        EXPECT_EQ(payload.size(), kNarrow);
        if (format_.codec == MixCodec::G722) return decoder_.decode(payload, heard_);
        std::vector<std::int16_t> samples(payload.size());
        audio::decode_g711(law(), payload, samples);
        heard_.insert(heard_.end(), samples.begin(), samples.end());
    }
    void forget() { heard_.clear(); }

    // Amplitude of that frequency in what was heard.
    double amplitude_of(double hz) const {
        const double rate = format_.codec == MixCodec::G722 ? 16'000 : 8'000;
        double real = 0;
        double imaginary = 0;
        for (std::size_t i = 0; i < heard_.size(); ++i) {
            const double phase = 2 * std::numbers::pi * hz * static_cast<double>(i) / rate;
            real += heard_[i] * std::cos(phase);
            imaginary += heard_[i] * std::sin(phase);
        }
        return 2 * std::hypot(real, imaginary) / static_cast<double>(heard_.size());
    }

private:
    audio::G711Law law() const {
        return format_.codec == MixCodec::Pcmu ? audio::G711Law::Mu : audio::G711Law::A;
    }
    MixFormat format_;
    double hz_;
    rtp::RtpHeader header_;
    std::size_t said_ = 0;
    std::vector<std::int16_t> heard_;
    audio::G722Encoder encoder_;
    audio::G722Decoder decoder_;
};

constexpr MixFormat kMu{0, MixCodec::Pcmu};
constexpr MixFormat kA{8, MixCodec::Pcma};
constexpr MixFormat kWide{9, MixCodec::G722};

MemberLine line(MixFormat format) {
    return {.formats = {format}, .hears = format, .level_id = kLevelId, .levels_id = 2};
}

std::vector<std::uint32_t> csrcs_of(base::ByteView packet) {
    std::vector<std::uint32_t> csrcs;
    for (std::size_t i = 0; i < (packet[0] & 0x0fU); ++i)
        csrcs.push_back(base::load_u32(packet, 12 + 4 * i));
    return csrcs;
}

class MixerTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(
            mixer_.add(1, 101, {.ssrc = 11, .sequence = 7, .timestamp = 16'000}, line(kMu)));
        ASSERT_TRUE(mixer_.add(2, 102, {.ssrc = 12}, line(kA)));
        ASSERT_TRUE(mixer_.add(3, 103, {.ssrc = 13}, line(kWide)));
    }

    void tick() {
        last_.clear();
        for (const Mixer::Packet& packet : mixer_.tick()) last_[packet.to] = packet.bytes;
    }
    void hear() {
        for (const auto& [to, packet] : last_)
            if (to >= 1 && to <= 3) phones_[to - 1].hear(packet);
    }
    // All three speak for so long; what they heard of the last second is kept.
    void speak(int ticks = 100) {
        for (int i = 0; i < ticks; ++i) {
            for (std::size_t k = 0; k < phones_.size(); ++k)
                mixer_.on_packet(k + 1, phones_[k].next());
            tick();
            if (i == ticks - 50)
                for (Phone& phone : phones_) phone.forget();
            hear();
        }
    }

    Mixer mixer_;
    std::vector<Phone> phones_{{kMu, 500}, {kA, 1100}, {kWide, 2300}};
    std::map<MemberId, base::Bytes> last_;
};

TEST_F(MixerTest, EachHearsTheOthersAndNotItself) {
    speak();
    const std::vector<double> tones{500, 1100, 2300};
    for (std::size_t k = 0; k < phones_.size(); ++k)
        for (std::size_t t = 0; t < tones.size(); ++t) {
            const double heard = phones_[k].amplitude_of(tones[t]);
            if (k == t)
                EXPECT_THAT(heard, Lt(100)) << k;
            else
                EXPECT_NEAR(heard, 4000, 400) << k << " of " << t;
        }
}

TEST_F(MixerTest, WhoSpeaksWideIsHeardWideByItsKind) {
    ASSERT_TRUE(mixer_.add(4, 104, {.ssrc = 14}, line(kWide)));
    Phone high(kWide, 6000);
    for (int i = 0; i < 100; ++i) {
        mixer_.on_packet(4, high.next());
        tick();
        if (i == 50)
            for (Phone& phone : phones_) phone.forget();
        hear();
    }
    EXPECT_NEAR(phones_[2].amplitude_of(6000), 4000, 800);
    EXPECT_THAT(phones_[0].amplitude_of(2000), Lt(100));  // no mirror of it at 8 kHz
}

TEST_F(MixerTest, TheListNamesTheOthersWithTheirLevels) {
    speak();
    EXPECT_THAT(csrcs_of(last_[1]), ElementsAre(102, 103));
    EXPECT_THAT(csrcs_of(last_[3]), ElementsAre(101, 102));
    const auto header = rtp::parse_rtp(last_[1]);
    ASSERT_TRUE(header && header->has_extension);
    const auto levels = rtp::find_element(rtp::rtp_extension(last_[1], *header), 2);
    ASSERT_TRUE(levels);
    ASSERT_EQ(levels->size(), 2U);
    EXPECT_NEAR((*levels)[0], 21, 2);  // a sine of 4000: 18 dB below the peak, 3 more for the mean
    EXPECT_NEAR((*levels)[1], 21, 2);
    EXPECT_NEAR(mixer_.level_of(2), 21, 2);
}

TEST_F(MixerTest, WhoIsSilentIsInNoList) {
    for (int i = 0; i < 50; ++i) {
        mixer_.on_packet(1, phones_[0].next());
        mixer_.on_packet(2, phones_[1].next(0));
        tick();
    }
    EXPECT_THAT(csrcs_of(last_[3]), ElementsAre(101));
    EXPECT_THAT(csrcs_of(last_[1]), IsEmpty());
    EXPECT_FALSE(rtp::parse_rtp(last_[1])->has_extension);
    EXPECT_THAT(mixer_.level_of(2), Gt(60));  // A-law has no zero
}

TEST_F(MixerTest, EachStreamRunsOnWithoutBreak) {
    tick();
    auto before = *rtp::parse_rtp(last_[1]);
    EXPECT_EQ(before.sequence, 7);
    EXPECT_EQ(before.timestamp, 16'000U);
    EXPECT_EQ(before.ssrc, 11U);
    EXPECT_TRUE(before.marker);
    tick();
    const auto after = *rtp::parse_rtp(last_[1]);
    EXPECT_EQ(after.sequence, 8);
    EXPECT_EQ(after.timestamp, 16'160U);
    EXPECT_FALSE(after.marker);
    EXPECT_EQ(mixer_.sent_to(1)->packets, 2U);
    EXPECT_EQ(mixer_.sent_to(1)->octets, 320U);
}

TEST_F(MixerTest, WhoIsMutedIsHeardByNobodyAndHearsAll) {
    mixer_.mute(2, true);
    speak();
    EXPECT_THAT(phones_[0].amplitude_of(1100), Lt(100));
    EXPECT_THAT(phones_[2].amplitude_of(1100), Lt(100));
    EXPECT_NEAR(phones_[1].amplitude_of(500), 4000, 400);
    EXPECT_THAT(csrcs_of(last_[1]), ElementsAre(103));
    EXPECT_EQ(mixer_.level_of(2), kSilence);
    mixer_.mute(2, false);
    speak();
    EXPECT_NEAR(phones_[0].amplitude_of(1100), 4000, 400);
}

TEST_F(MixerTest, WhoHoldsIsSentNothing) {
    MemberLine held = line(kA);
    held.hears.reset();
    mixer_.change(2, held);
    tick();
    EXPECT_EQ(last_.count(2), 0U);
    EXPECT_EQ(mixer_.sent_to(2), std::nullopt);
    mixer_.change(2, line(kA));
    tick();
    ASSERT_EQ(last_.count(2), 1U);
    EXPECT_TRUE(rtp::parse_rtp(last_[2])->marker);
}

TEST_F(MixerTest, AnotherCodecInMidCallIsSpokenFromThenOn) {
    speak(20);
    mixer_.change(1, line(kWide));
    phones_[0] = Phone(kWide, 700);
    speak();
    EXPECT_NEAR(phones_[0].amplitude_of(1100), 4000, 600);
    EXPECT_NEAR(phones_[1].amplitude_of(700), 4000, 600);
}

TEST_F(MixerTest, ARecorderHearsAllVoicesAndNoSounds) {
    ASSERT_TRUE(mixer_.add_recorder(9, {.ssrc = 99}, kMu));
    Phone recorder(kMu, 1);
    mixer_.chime(make_chime(true));
    for (int i = 0; i < 100; ++i) {
        if (i == 5) mixer_.chime(make_chime(true));
        for (std::size_t k = 0; k < 2; ++k) mixer_.on_packet(k + 1, phones_[k].next());
        tick();
        if (i >= 5) recorder.hear(last_[9]);
    }
    EXPECT_NEAR(recorder.amplitude_of(500), 4000, 500);
    EXPECT_NEAR(recorder.amplitude_of(1100), 4000, 500);
    EXPECT_THAT(recorder.amplitude_of(880), Lt(60));
    EXPECT_THAT(csrcs_of(last_[9]), ElementsAre(101, 102));
}

TEST_F(MixerTest, ATonePlaysForOneAloneAndComesAgain) {
    mixer_.play(1, relay::make_tone(-20, std::chrono::milliseconds{400}));
    std::vector<bool> sounds;
    for (int i = 0; i < 60; ++i) {
        tick();
        phones_[0].forget();
        phones_[0].hear(last_[1]);
        sounds.push_back(phones_[0].amplitude_of(1400) > 500);
        phones_[1].hear(last_[2]);
    }
    EXPECT_TRUE(sounds[5]);
    EXPECT_FALSE(sounds[15]);
    EXPECT_TRUE(sounds[25]);
    EXPECT_TRUE(sounds[45]);
    EXPECT_THAT(phones_[1].amplitude_of(1400), Lt(30));
    mixer_.play(1, nullptr);
    for (int i = 0; i < 3; ++i) tick();
    phones_[0].forget();
    phones_[0].hear(last_[1]);
    EXPECT_THAT(phones_[0].amplitude_of(1400), Lt(30));
}

TEST_F(MixerTest, AnAnnouncementThatIsToBeHeardAloneSilencesTheOthers) {
    auto sound = std::make_shared<relay::Sound>(*relay::make_tone(-10, {}));
    sound->wide.resize(16'000);
    sound->is_alone = true;
    for (int i = 0; i < 20; ++i) {
        mixer_.on_packet(2, phones_[1].next());
        tick();
    }
    mixer_.play(1, sound);
    for (int i = 0; i < 20; ++i) {
        mixer_.on_packet(2, phones_[1].next());
        tick();
        if (i > 2) phones_[0].hear(last_[1]);
    }
    EXPECT_THAT(phones_[0].amplitude_of(1100), Lt(100));
}

TEST_F(MixerTest, AChimeIsHeardByAllOnce) {
    mixer_.chime(make_chime(false));
    for (int i = 0; i < 12; ++i) {
        tick();
        hear();
    }
    EXPECT_THAT(phones_[0].amplitude_of(880), Gt(500));
    EXPECT_THAT(phones_[2].amplitude_of(660), Gt(500));
    for (Phone& phone : phones_) phone.forget();
    for (int i = 0; i < 12; ++i) {
        tick();
        hear();
    }
    EXPECT_THAT(phones_[0].amplitude_of(880), Lt(100));
}

TEST_F(MixerTest, TheSpeakerIsWhoSpeaksLoudestForAWhile) {
    EXPECT_EQ(mixer_.speaker(), 0U);
    const auto say = [&](double one, double two, int ticks) {
        for (int i = 0; i < ticks; ++i) {
            mixer_.on_packet(1, phones_[0].next(one));
            mixer_.on_packet(2, phones_[1].next(two));
            tick();
        }
    };
    say(4000, 0, 50);
    EXPECT_EQ(mixer_.speaker(), 1U);
    say(4000, 4500, 50);  // about as loud: the floor stays
    EXPECT_EQ(mixer_.speaker(), 1U);
    say(0, 4000, 2);  // a cough
    EXPECT_EQ(mixer_.speaker(), 1U);
    say(0, 4000, 50);
    EXPECT_EQ(mixer_.speaker(), 2U);
    say(0, 0, 100);  // who spoke last
    EXPECT_EQ(mixer_.speaker(), 2U);
    mixer_.remove(2);
    EXPECT_EQ(mixer_.speaker(), 0U);
}

TEST_F(MixerTest, WhoSaysThatItsSoundIsNoSpeechGetsNoFloor) {
    mixer_.on_packet(1, phones_[0].next_with_level(20, true));
    for (int i = 0; i < 50; ++i) {
        mixer_.on_packet(1, phones_[0].next_with_level(20, false));
        mixer_.on_packet(2, phones_[1].next(1000));
        tick();
    }
    EXPECT_EQ(mixer_.speaker(), 2U);
    EXPECT_THAT(csrcs_of(last_[3]), ElementsAre(101, 102));  // and yet it is heard
}

TEST_F(MixerTest, WhatComesLateByLessThanTheQueueIsInItsPlace) {
    std::vector<base::Bytes> packets;
    for (int i = 0; i < 100; ++i) packets.push_back(phones_[0].next());
    for (std::size_t i = 1; i + 2 < packets.size(); i += 3) std::swap(packets[i], packets[i + 2]);
    for (std::size_t i = 0; i < packets.size(); ++i) {
        mixer_.on_packet(1, packets[i]);
        tick();
        if (i == 50) phones_[1].forget();
        phones_[1].hear(last_[2]);
    }
    EXPECT_NEAR(phones_[1].amplitude_of(500), 4000, 400);
    EXPECT_EQ(mixer_.counters().late, 0U);
    EXPECT_EQ(mixer_.counters().packets, 100U);
}

TEST_F(MixerTest, VoicesThatTogetherAreTooLoudAreCutAndDoNotWrap) {
    for (int i = 0; i < 60; ++i) {
        mixer_.on_packet(1, phones_[0].next(30'000));
        mixer_.on_packet(2, phones_[1].next(30'000));
        tick();
        if (i > 20) phones_[2].hear(last_[3]);
    }
    EXPECT_THAT(phones_[2].amplitude_of(500), Gt(18'000));
    EXPECT_THAT(phones_[2].amplitude_of(1100), Gt(18'000));
}

TEST_F(MixerTest, HoldsAsManyAsItMayAndNoMore) {
    for (MemberId id = 4; id <= kMaxMembers; ++id)
        ASSERT_TRUE(mixer_.add(id, 100 + static_cast<std::uint32_t>(id), {}, line(kMu)));
    EXPECT_FALSE(mixer_.add(kMaxMembers + 1, 1, {}, line(kMu)));
    EXPECT_FALSE(mixer_.add(1, 1, {}, line(kMu)));
    mixer_.remove(1);
    EXPECT_FALSE(mixer_.add(0, 1, {}, line(kMu)));
    EXPECT_TRUE(mixer_.add(1, 1, {}, line(kMu)));
    EXPECT_EQ(mixer_.members(), kMaxMembers);
}

TEST_F(MixerTest, AListHoldsFifteenAtMost) {
    std::vector<Phone> more;
    for (MemberId id = 4; id <= 20; ++id) {
        ASSERT_TRUE(mixer_.add(id, 100 + static_cast<std::uint32_t>(id), {}, line(kMu)));
        more.emplace_back(kMu, 300.0 + 10.0 * static_cast<double>(id));
    }
    for (int i = 0; i < 10; ++i) {
        for (std::size_t k = 0; k < more.size(); ++k) mixer_.on_packet(k + 4, more[k].next(1000));
        tick();
    }
    EXPECT_EQ(csrcs_of(last_[1]).size(), kMaxCsrcs);
    const auto header = rtp::parse_rtp(last_[1]);
    EXPECT_EQ(rtp::find_element(rtp::rtp_extension(last_[1], *header), 2)->size(), kMaxCsrcs);
}

}  // namespace
}  // namespace earshot::focus
