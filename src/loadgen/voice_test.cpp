#include "loadgen/voice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <numbers>

#include "audio/wav.h"

namespace earshot::loadgen {
namespace {

// The power of one frequency (Goertzel), relative to the signal's whole power.
double share_of(const std::vector<std::int16_t>& samples, double frequency) {
    const double w = 2 * std::numbers::pi * frequency / kSampleRate;
    double s1 = 0;
    double s2 = 0;
    double power = 0;
    for (const std::int16_t sample : samples) {
        const double s0 = sample + 2 * std::cos(w) * s1 - s2;
        s2 = s1;
        s1 = s0;
        power += static_cast<double>(sample) * sample;
    }
    const double at = s1 * s1 + s2 * s2 - 2 * std::cos(w) * s1 * s2;
    return 2 * at / (power * static_cast<double>(samples.size()));
}

TEST(ToneSpeech, GivesEachPartyItsOwnSpectrum) {
    const auto a = make_tone_speech(0);
    const auto b = make_tone_speech(1);
    EXPECT_GT(share_of(a, 440), 0.2);
    EXPECT_GT(share_of(b, 880), 0.2);
    EXPECT_LT(share_of(a, 880), 1e-6);
    EXPECT_LT(share_of(b, 440), 1e-6);
}

TEST(ToneSpeech, HasPausesAndWholeWords) {
    const auto word = make_tone_speech(0, 1);
    EXPECT_EQ(word.size(), 64 * kSamplesPerPacket);
    EXPECT_EQ(word[8 * 210], 0);   // between two syllables
    EXPECT_EQ(word[8 * 1200], 0);  // after the word
    const auto peak = *std::max_element(word.begin(), word.end());
    EXPECT_GT(peak, 8000);
    EXPECT_LT(peak, 14000);
}

std::uint8_t first_octet(const Voice& voice, audio::G711Law law, std::uint64_t packet) {
    std::array<std::uint8_t, kSamplesPerPacket> octets{};
    voice.copy_packet(law, packet, octets);
    return octets[0];
}

TEST(Voice, RepeatsATone) {
    std::vector<std::int16_t> samples(2 * kSamplesPerPacket, 1000);
    std::fill_n(samples.begin(), kSamplesPerPacket, std::int16_t{-1000});
    const Voice voice{samples, Voice::AtEnd::Repeat};
    const std::uint8_t low = audio::encode_mu_law(-1000);
    const std::uint8_t high = audio::encode_mu_law(1000);
    EXPECT_EQ(first_octet(voice, audio::G711Law::Mu, 0), low);
    EXPECT_EQ(first_octet(voice, audio::G711Law::Mu, 1), high);
    EXPECT_EQ(first_octet(voice, audio::G711Law::Mu, 2), low);
    EXPECT_EQ(first_octet(voice, audio::G711Law::A, 1'000'001), audio::encode_a_law(1000));
}

TEST(Voice, FallsSilentAfterAFile) {
    const std::vector<std::int16_t> samples(kSamplesPerPacket + 1, 1000);
    const Voice voice{samples, Voice::AtEnd::FallSilent};
    EXPECT_EQ(voice.packets(), 2U);
    EXPECT_EQ(first_octet(voice, audio::G711Law::Mu, 1), audio::encode_mu_law(1000));
    EXPECT_EQ(first_octet(voice, audio::G711Law::Mu, 2), audio::encode_mu_law(0));
    EXPECT_EQ(first_octet(voice, audio::G711Law::A, 99), audio::encode_a_law(0));
}

TEST(Voice, OfNoSamplesIsSilence) {
    const Voice voice{{}, Voice::AtEnd::Repeat};
    EXPECT_EQ(first_octet(voice, audio::G711Law::Mu, 5), audio::encode_mu_law(0));
}

std::string write_wav(std::uint32_t rate, std::uint16_t channels, std::size_t frames) {
    const std::string path = testing::TempDir() + "voice_test.wav";
    base::Bytes bytes = audio::make_wav_header({rate, channels}, frames);
    audio::append_samples(std::vector<std::int16_t>(frames * channels, 500), bytes);
    std::ofstream file(path, std::ios::binary);
    file << base::as_text(bytes);
    return path;
}

TEST(LoadVoice, BringsAFileTo8000Hz) {
    const std::string path = write_wav(48000, 2, 48000);
    const auto voice = load_voice(path);
    std::remove(path.c_str());
    ASSERT_TRUE(voice) << voice.error().text;
    EXPECT_EQ(voice->packets(), 50U);
    const std::uint8_t middle = first_octet(*voice, audio::G711Law::Mu, 25);
    EXPECT_NEAR(audio::decode_mu_law(middle), 500, 30);
}

TEST(LoadVoice, NamesTheFileThatIsMissingOrNoWav) {
    const auto missing = load_voice("/nonexistent/x.wav");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, "bad_audio_file");
    EXPECT_NE(missing.error().text.find("/nonexistent/x.wav"), std::string::npos);

    const std::string path = testing::TempDir() + "voice_test.txt";
    std::ofstream{path} << "no audio";
    EXPECT_FALSE(load_voice(path));
    std::remove(path.c_str());
}

}  // namespace
}  // namespace earshot::loadgen
