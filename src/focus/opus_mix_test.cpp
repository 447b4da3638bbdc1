// Those who speak Opus, in the mix and by themselves: real packets, decoded as the child does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opus.h>

#include <cmath>
#include <map>
#include <numbers>
#include <random>
#include <set>

#include "audio/g722.h"
#include "focus/mixer.h"
#include "rtp/rtp_packet.h"

namespace earshot::focus {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::Gt;
using testing::IsEmpty;
using testing::Le;
using testing::Lt;
using voice::RecordKind;

constexpr std::uint8_t kType = 111;
constexpr MixFormat kOpus{kType, MixCodec::Opus};
constexpr MixFormat kMu{0, MixCodec::Pcmu};
constexpr MixFormat kWide{9, MixCodec::G722};
constexpr int kSamples = 960;  // 20 ms of 48 kHz

double amplitude_of(std::span<const std::int16_t> samples, double hz, double rate) {
    double real = 0;
    double imaginary = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double phase = 2 * std::numbers::pi * hz * static_cast<double>(i) / rate;
        real += samples[i] * std::cos(phase);
        imaginary += samples[i] * std::sin(phase);
    }
    return 2 * std::hypot(real, imaginary) / static_cast<double>(samples.size());
}

// A phone that has nothing but Opus.
class OpusPhone {
public:
    explicit OpusPhone(double hz, std::uint32_t ssrc = 1) : hz_(hz) {
        int error = 0;
        encoder_ = ::opus_encoder_create(48'000, 1, OPUS_APPLICATION_VOIP, &error);
        // As our answer asks for it (maxplaybackrate).
        ::opus_encoder_ctl(encoder_, OPUS_SET_MAX_BANDWIDTH(OPUS_BANDWIDTH_WIDEBAND));
        ::opus_encoder_ctl(encoder_, OPUS_SET_BITRATE(24'000));
        ::opus_encoder_ctl(encoder_, OPUS_SET_INBAND_FEC(1));
        ::opus_encoder_ctl(encoder_, OPUS_SET_PACKET_LOSS_PERC(20));
        decoder_ = ::opus_decoder_create(48'000, 1, &error);
        header_ = {.payload_type = kType, .timestamp = 4'294'960'000U, .ssrc = ssrc};
    }
    ~OpusPhone() {
        ::opus_encoder_destroy(encoder_);
        ::opus_decoder_destroy(decoder_);
    }
    OpusPhone(const OpusPhone&) = delete;
    OpusPhone& operator=(const OpusPhone&) = delete;

    base::Bytes next(double amplitude = 6000) {
        std::vector<std::int16_t> samples(kSamples);
        for (std::int16_t& sample : samples)
            sample = static_cast<std::int16_t>(
                amplitude *
                std::sin(2 * std::numbers::pi * hz_ * static_cast<double>(said_++) / 48'000));
        base::Bytes payload(1500);
        payload.resize(static_cast<std::size_t>(
            ::opus_encode(encoder_, samples.data(), kSamples, payload.data(), 1500)));
        return packet(payload);
    }
    base::Bytes packet(base::ByteView payload) {
        base::Bytes bytes;
        rtp::write_rtp(header_, payload, bytes);
        ++header_.sequence;
        header_.timestamp += kSamples;
        return bytes;
    }
    rtp::RtpHeader& header() { return header_; }

    void hear(base::ByteView bytes) {
        const auto header = rtp::parse_rtp(bytes);
        ASSERT_TRUE(header);
        EXPECT_EQ(header->payload_type, kType);
        const base::ByteView payload = rtp::rtp_payload(bytes, *header);
        octets_ += payload.size();
        std::vector<std::int16_t> samples(kSamples);
        ASSERT_EQ(::opus_decode(decoder_, payload.data(), static_cast<opus_int32>(payload.size()),
                                samples.data(), kSamples, 0),
                  kSamples);
        heard_.insert(heard_.end(), samples.begin(), samples.end());
    }
    void forget() { heard_.clear(); }
    double amplitude_of(double hz) const { return focus::amplitude_of(heard_, hz, 48'000); }
    const std::vector<std::int16_t>& heard() const { return heard_; }
    std::size_t octets() const { return octets_; }

private:
    double hz_;
    rtp::RtpHeader header_;
    OpusEncoder* encoder_ = nullptr;
    OpusDecoder* decoder_ = nullptr;
    std::size_t said_ = 0;
    std::size_t octets_ = 0;
    std::vector<std::int16_t> heard_;
};

// What the child does, at once.
class Decoding {
public:
    ~Decoding() {
        for (auto& [key, decoder] : decoders_) ::opus_decoder_destroy(decoder);
    }
    void answer(Mixer& mixer) {
        for (const OpusInput::Question& one : mixer.questions()) {
            ++kinds[one.kind];
            OpusDecoder*& decoder = decoders_[{one.member, one.stream}];
            int error = 0;
            if (decoder == nullptr) decoder = ::opus_decoder_create(16'000, 1, &error);
            std::vector<std::int16_t> samples(voice::kMaxSamples);
            const bool is_packet = one.kind == RecordKind::Decode;
            const int got =
                ::opus_decode(decoder, one.packet.empty() ? nullptr : one.packet.data(),
                              static_cast<opus_int32>(one.packet.size()), samples.data(),
                              is_packet ? static_cast<int>(voice::kMaxSamples) : one.samples,
                              one.kind == RecordKind::Repair ? 1 : 0);
            samples.resize(static_cast<std::size_t>(std::max(got, 0)));
            if (is_away) continue;
            mixer.on_decoded(one.member, one.stream, one.ticket, samples);
        }
    }
    std::map<RecordKind, int> kinds;
    bool is_away = false;  // it answers nothing

private:
    std::map<std::pair<MemberId, std::uint32_t>, OpusDecoder*> decoders_;
};

MemberLine line(MixFormat format) { return {.formats = {format}, .hears = format}; }

class OpusMixTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(mixer_.add(1, 101, {.ssrc = 11, .timestamp = 48'000}, line(kOpus)));
        ASSERT_TRUE(mixer_.add(2, 102, {.ssrc = 12}, line(kOpus)));
    }
    void tick() {
        last_.clear();
        for (const Mixer::Packet& packet : mixer_.tick()) last_[packet.to] = packet.bytes;
        decoding_.answer(mixer_);
    }

    Mixer mixer_;
    Decoding decoding_;
    OpusPhone ada_{500, 1};
    OpusPhone bo_{1100, 2};
    std::map<MemberId, base::Bytes> last_;
};

TEST_F(OpusMixTest, EachHearsTheOthersOfAnyCodecAndNotItself) {
    ASSERT_TRUE(mixer_.add(3, 103, {.ssrc = 13}, line(kWide)));
    ASSERT_TRUE(mixer_.add(4, 104, {.ssrc = 14}, line(kMu)));
    audio::G722Encoder encoder;
    audio::G722Decoder decoder;
    rtp::RtpHeader wide{.payload_type = 9, .ssrc = 3};
    std::vector<std::int16_t> heard_wide;
    std::size_t said = 0;
    for (int i = 0; i < 100; ++i) {
        mixer_.on_packet(1, ada_.next());
        mixer_.on_packet(2, bo_.next());
        std::vector<std::int16_t> samples(Mixer::kTickSamples);
        for (std::int16_t& sample : samples)
            sample =
                static_cast<std::int16_t>(6000 * std::sin(2 * std::numbers::pi * 2300 *
                                                          static_cast<double>(said++) / 16'000));
        base::Bytes payload;
        encoder.encode(samples, payload);
        base::Bytes packet;
        rtp::write_rtp(wide, payload, packet);
        ++wide.sequence;
        wide.timestamp += 160;
        mixer_.on_packet(3, packet);
        tick();
        ada_.hear(last_[1]);
        bo_.hear(last_[2]);
        const auto header = rtp::parse_rtp(last_[3]);
        decoder.decode(rtp::rtp_payload(last_[3], *header), heard_wide);
        if (i == 50) {
            ada_.forget();
            bo_.forget();
            heard_wide.clear();
        }
    }
    EXPECT_THAT(ada_.amplitude_of(500), Lt(200));
    EXPECT_NEAR(ada_.amplitude_of(1100), 6000, 900);
    EXPECT_NEAR(ada_.amplitude_of(2300), 6000, 1500);
    EXPECT_NEAR(bo_.amplitude_of(500), 6000, 900);
    EXPECT_THAT(bo_.amplitude_of(1100), Lt(200));
    EXPECT_NEAR(amplitude_of(heard_wide, 500, 16'000), 6000, 900);
    EXPECT_NEAR(amplitude_of(heard_wide, 1100, 16'000), 6000, 900);
    EXPECT_THAT(amplitude_of(heard_wide, 2300, 16'000), Lt(200));
    EXPECT_EQ(last_[4].size(), 12 + 3 * 4 + 160U);
    EXPECT_EQ(mixer_.counters().packets, 300U);
    EXPECT_EQ(mixer_.counters().late, 0U);
    EXPECT_EQ(decoding_.kinds[RecordKind::Decode], 2 * 98);
    EXPECT_EQ(decoding_.kinds[RecordKind::Conceal] + decoding_.kinds[RecordKind::Repair], 0);
}

// RFC 7587 section 4.1: 48 kHz, whatever is in it.
TEST_F(OpusMixTest, ItsTimeRunsAt48KHz) {
    tick();
    const auto before = *rtp::parse_rtp(last_[1]);
    EXPECT_EQ(before.timestamp, 48'000U);
    EXPECT_TRUE(before.marker);
    tick();
    const auto after = *rtp::parse_rtp(last_[1]);
    EXPECT_EQ(after.timestamp, 48'960U);
    EXPECT_EQ(after.sequence, before.sequence + 1);
    EXPECT_EQ(mixer_.sent_to(1)->timestamp, 49'920U);
}

TEST_F(OpusMixTest, AVoiceIsHeardAfterSixtyMilliseconds) {
    int ticks = 0;
    for (; ticks < 20 && mixer_.level_of(1) == kSilence; ++ticks) {
        mixer_.on_packet(1, ada_.next());
        tick();
    }
    EXPECT_EQ(ticks, 4);  // the fourth tick ends 80 ms after the first packet came
}

// All who only listen hear the same packet, made once; who speaks has one of its own.
TEST_F(OpusMixTest, ListenersShareAnEncoder) {
    for (MemberId id = 3; id <= 6; ++id)
        ASSERT_TRUE(mixer_.add(id, 100 + static_cast<std::uint32_t>(id),
                               {.ssrc = static_cast<std::uint32_t>(id)}, line(kOpus)));
    MemberLine cheap = line(kOpus);
    cheap.opus.bitrate = 12'000;
    ASSERT_TRUE(mixer_.add(7, 107, {.ssrc = 7}, cheap));
    const auto payload = [&](MemberId id) {
        const base::ByteView view = rtp::rtp_payload(last_[id], *rtp::parse_rtp(last_[id]));
        return std::string(view.begin(), view.end());
    };
    for (int i = 0; i < 30; ++i) {
        mixer_.on_packet(1, ada_.next());
        tick();
    }
    const std::string shared = payload(2);
    for (MemberId id = 3; id <= 6; ++id) EXPECT_EQ(payload(id), shared) << id;
    EXPECT_NE(payload(1), shared);
    EXPECT_THAT(payload(7).size(), Lt(shared.size()));
    // A tone for one alone is not for the others.
    mixer_.play(3, relay::make_tone(-10, std::chrono::milliseconds{400}));
    mixer_.on_packet(1, ada_.next());
    tick();
    EXPECT_NE(payload(3), payload(2));
    EXPECT_EQ(payload(4), payload(2));
}

// From the shared encoder to an own one and back: nothing louder than what is said is heard.
TEST_F(OpusMixTest, WhoBeginsAndEndsToSpeakHearsTheOthersAllTheWhile) {
    OpusPhone cy(2300, 3);
    ASSERT_TRUE(mixer_.add(3, 103, {.ssrc = 13}, line(kOpus)));
    for (int i = 0; i < 400; ++i) {
        mixer_.on_packet(1, ada_.next());
        if (i >= 100 && i < 150) mixer_.on_packet(2, bo_.next());
        tick();
        bo_.hear(last_[2]);
        cy.hear(last_[3]);
        if (i < 25) continue;
        const auto& heard = bo_.heard();
        const std::span<const std::int16_t> window(heard.data() + heard.size() - kSamples,
                                                   kSamples);
        EXPECT_THAT(amplitude_of(window, 500, 48'000), AllOf(Gt(4000), Lt(8000))) << i;
        int loudest = 0;
        for (const std::int16_t sample : window) loudest = std::max(loudest, std::abs(sample));
        EXPECT_THAT(loudest, Lt(10'000)) << i;
    }
    EXPECT_THAT(bo_.amplitude_of(1100), Lt(100));
    EXPECT_THAT(cy.amplitude_of(1100), Gt(500));
}

TEST_F(OpusMixTest, ChimesTonesAndAnnouncementsAreHeard) {
    ASSERT_TRUE(mixer_.add(3, 103, {.ssrc = 13}, line(kMu)));
    mixer_.chime(make_chime(false));
    for (int i = 0; i < 12; ++i) {
        tick();
        ada_.hear(last_[1]);
    }
    EXPECT_THAT(ada_.amplitude_of(880), Gt(500));
    EXPECT_THAT(ada_.amplitude_of(660), Gt(500));
    auto sound = std::make_shared<relay::Sound>();
    for (int i = 0; i < 16'000; ++i)
        sound->wide.push_back(
            static_cast<std::int16_t>(5000 * std::sin(2 * std::numbers::pi * 700 * i / 16'000.0)));
    sound->is_alone = true;
    for (int i = 0; i < 20; ++i) {
        mixer_.on_packet(2, bo_.next());
        tick();
        ada_.hear(last_[1]);
    }
    mixer_.play(1, sound);
    for (int i = 0; i < 40; ++i) {
        mixer_.on_packet(2, bo_.next());
        tick();
        if (i == 5) ada_.forget();
        ada_.hear(last_[1]);
    }
    EXPECT_NEAR(ada_.amplitude_of(700), 5000, 700);
    EXPECT_THAT(ada_.amplitude_of(1100), Lt(150));
}

TEST_F(OpusMixTest, WhatIsLostIsRepairedOrConcealed) {
    for (int i = 0; i < 100; ++i) {
        const base::Bytes packet = ada_.next();
        const bool is_lost = i == 60 || i == 70 || i == 71;
        if (!is_lost) mixer_.on_packet(1, packet);
        tick();
        bo_.hear(last_[2]);
        if (i == 40) bo_.forget();
    }
    const auto& heard = bo_.heard();
    for (std::size_t at = 0; at + kSamples <= heard.size(); at += kSamples) {
        double energy = 0;
        for (const std::int16_t sample : std::span(heard).subspan(at, kSamples))
            energy += double{1} * sample * sample;
        // A decoder makes little of a tone that it lacks, but no hole.
        EXPECT_THAT(std::sqrt(energy / kSamples), Gt(250))
            << at / kSamples;  // 4,243 is said; a gap is 0
    }
    // The last one before what is there tells of the lost one.
    EXPECT_EQ(decoding_.kinds[RecordKind::Repair], 2);
    EXPECT_EQ(decoding_.kinds[RecordKind::Conceal], 1);
    EXPECT_EQ(mixer_.counters().late, 0U);
}

TEST_F(OpusMixTest, WhoFallsSilentIsSilentAndComesBack) {
    for (int i = 0; i < 30; ++i) {
        mixer_.on_packet(1, ada_.next());
        tick();
    }
    EXPECT_THAT(mixer_.level_of(1), Lt(30));
    for (int i = 0; i < 100; ++i) tick();
    EXPECT_EQ(mixer_.level_of(1), kSilence);
    const int concealed = decoding_.kinds[RecordKind::Conceal];
    EXPECT_THAT(concealed, AllOf(Ge(4), Le(5)));
    for (int i = 0; i < 10; ++i) tick();
    EXPECT_EQ(decoding_.kinds[RecordKind::Conceal], concealed);  // nobody is asked for silence
    ada_.header().timestamp += 100 * kSamples;                   // as with DTX
    for (int i = 0; i < 10; ++i) {
        mixer_.on_packet(1, ada_.next());
        tick();
    }
    EXPECT_THAT(mixer_.level_of(1), Lt(30));
    ada_.header().timestamp -= 50'000'000;  // and one that counts anew
    for (int i = 0; i < 10; ++i) {
        mixer_.on_packet(1, ada_.next());
        tick();
    }
    EXPECT_THAT(mixer_.level_of(1), Lt(30));
    EXPECT_EQ(mixer_.counters().packets, 50U);
}

TEST_F(OpusMixTest, WhatComesLateByLessThanTheQueueIsInItsPlace) {
    std::vector<base::Bytes> packets;
    for (int i = 0; i < 100; ++i) packets.push_back(ada_.next());
    for (std::size_t i = 1; i + 1 < packets.size(); i += 3) std::swap(packets[i], packets[i + 1]);
    for (std::size_t i = 0; i < packets.size(); ++i) {
        mixer_.on_packet(1, packets[i]);
        tick();
        if (i == 50) bo_.forget();
        bo_.hear(last_[2]);
    }
    EXPECT_NEAR(bo_.amplitude_of(500), 6000, 900);
    EXPECT_EQ(mixer_.counters().late, 0U);
    EXPECT_EQ(decoding_.kinds[RecordKind::Decode], 98);
}

TEST_F(OpusMixTest, ASenderWhoseClockRunsFasterOrSlowerIsHeardAllTheSame) {
    // 2 % too fast, then 2 % too slow: a tick in 50 has two packets, or none.
    for (int i = 0; i < 2'000; ++i) {
        if (i < 1'000 || i % 50 != 0) mixer_.on_packet(1, ada_.next());
        if (i < 1'000 && i % 50 == 0) mixer_.on_packet(1, ada_.next());
        tick();
        if (i > 20) {
            EXPECT_THAT(mixer_.level_of(1), Lt(40)) << i;
        }
    }
    EXPECT_THAT(mixer_.counters().left_out, Gt(0U));
    EXPECT_THAT(mixer_.counters().late, Lt(25U));
}

TEST_F(OpusMixTest, AnotherCodecInMidCallIsSpokenFromThenOn) {
    for (int i = 0; i < 20; ++i) {
        mixer_.on_packet(1, ada_.next());
        tick();
    }
    mixer_.change(1, line(kMu));
    tick();
    EXPECT_EQ(last_[1].size() % 4, 0U);
    EXPECT_EQ(rtp::parse_rtp(last_[1])->payload_type, 0);
    mixer_.change(1, line(kOpus));
    std::set<std::uint32_t> streams;
    for (int i = 0; i < 20; ++i) {
        mixer_.on_packet(1, ada_.next());
        tick();
        for (const auto& one : mixer_.questions()) streams.insert(one.stream);
    }
    EXPECT_EQ(streams, std::set<std::uint32_t>{1});  // not that of the first time
    EXPECT_THAT(mixer_.level_of(1), Lt(30));
    OpusPhone other(700, 77);
    for (int i = 0; i < 20; ++i) {
        mixer_.on_packet(1, other.next());
        tick();
        for (const auto& one : mixer_.questions()) streams.insert(one.stream);
    }
    EXPECT_EQ(streams, (std::set<std::uint32_t>{1, 2}));
    EXPECT_THAT(mixer_.level_of(1), Lt(30));
}

TEST_F(OpusMixTest, WithoutADecoderNobodyIsHurt) {
    decoding_.is_away = true;
    for (int i = 0; i < 100; ++i) {
        mixer_.on_packet(1, ada_.next());
        tick();
        bo_.hear(last_[2]);
    }
    EXPECT_EQ(mixer_.level_of(1), kSilence);
    decoding_.is_away = false;
    for (int i = 0; i < 20; ++i) {
        mixer_.on_packet(1, ada_.next());
        tick();
    }
    EXPECT_THAT(mixer_.level_of(1), Lt(30));
    // Answers to what nobody asked.
    const std::vector<std::int16_t> samples(320, 20'000);
    mixer_.on_decoded(1, 0, 1'000'000, samples);
    mixer_.on_decoded(1, 9, 1, samples);
    mixer_.on_decoded(77, 0, 1, samples);
    tick();
    EXPECT_THAT(mixer_.level_of(1), Gt(10));
}

TEST_F(OpusMixTest, HostilePacketsCostNothingButThemselves) {
    std::mt19937 random(3);  // NOLINT(cert-msc51-cpp): the same each time
    OpusPhone eve(900, 3);
    ASSERT_TRUE(mixer_.add(3, 103, {.ssrc = 13}, line(kOpus)));
    for (int i = 0; i < 300; ++i) {
        mixer_.on_packet(1, ada_.next());
        for (int k = 0; k < 3; ++k) {
            base::Bytes payload(random() % 1'800);
            for (std::uint8_t& octet : payload) octet = static_cast<std::uint8_t>(random());
            if (random() % 10 == 0) eve.header().timestamp = static_cast<std::uint32_t>(random());
            if (random() % 20 == 0) eve.header().ssrc = static_cast<std::uint32_t>(random());
            mixer_.on_packet(3, eve.packet(payload));
        }
        tick();
        EXPECT_THAT(mixer_.questions().size(), Lt(30U));
        for (const auto& one : mixer_.questions()) {
            EXPECT_LE(one.samples, voice::kMaxSamples);
            EXPECT_LE(one.packet.size(), voice::kMaxPacketBytes);
        }
    }
    EXPECT_THAT(mixer_.level_of(1), Lt(30));
    EXPECT_THAT(mixer_.counters().passed_over, Gt(0U));
    mixer_.mute(3, true);
    for (int i = 0; i < 40; ++i) {
        mixer_.on_packet(1, ada_.next());
        tick();
        if (i == 20) bo_.forget();
        bo_.hear(last_[2]);
    }
    EXPECT_NEAR(bo_.amplitude_of(500), 6000, 900);
}

TEST(SpeechEncoderTest, SaysWhatWasWished) {
    std::vector<std::int16_t> samples(320);
    const auto octets = [&](const OpusWishes& wishes) {
        SpeechEncoder encoder(wishes);
        std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same each time
        base::Bytes out;
        std::set<std::size_t> sizes;
        for (int i = 0; i < 50; ++i) {
            for (std::int16_t& sample : samples)
                sample = static_cast<std::int16_t>(static_cast<int>(random() % 16'000) - 8'000);
            const std::size_t before = out.size();
            encoder.encode(samples, false, out);
            if (i > 10) sizes.insert(out.size() - before);
            EXPECT_EQ(::opus_packet_get_nb_channels(out.data() + before), 1);
            const int bandwidth = ::opus_packet_get_bandwidth(out.data() + before);
            EXPECT_LE(bandwidth, wishes.bandwidth_hz <= 8'000 ? OPUS_BANDWIDTH_NARROWBAND
                                                              : OPUS_BANDWIDTH_WIDEBAND);
        }
        if (wishes.is_constant) {
            EXPECT_EQ(sizes.size(), 1U);
        }
        return out.size();
    };
    const std::size_t usual = octets({});
    EXPECT_NEAR(static_cast<double>(usual), 28'000 / 8, 1200);
    EXPECT_LT(octets({.bitrate = 8'000}), usual / 2);
    EXPECT_LT(octets({.bandwidth_hz = 8'000, .bitrate = 12'000}), usual);
    octets({.is_constant = true});
    octets({.bitrate = 1});  // less than there is
}

}  // namespace
}  // namespace earshot::focus
