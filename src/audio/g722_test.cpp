#include "audio/g722.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

namespace earshot::audio {
namespace {

constexpr int kRate = 16000;

std::vector<std::int16_t> make_sine(double hertz, double amplitude, std::size_t count) {
    std::vector<std::int16_t> samples(count);
    for (std::size_t i = 0; i < count; ++i) {
        const double phase = 2 * std::numbers::pi * hertz * static_cast<double>(i) / kRate;
        samples[i] = static_cast<std::int16_t>(std::lround(amplitude * std::sin(phase)));
    }
    return samples;
}

// The two QMFs together delay by 22 samples.
constexpr std::size_t kDelay = 22;

double snr_db(const std::vector<std::int16_t>& sent, const std::vector<std::int16_t>& got) {
    double signal = 0;
    double noise = 0;
    for (std::size_t i = 1600; i + kDelay < got.size(); ++i) {
        const double error = double{1} * got[i + kDelay] - sent[i];
        signal += double{1} * sent[i] * sent[i];
        noise += error * error;
    }
    return 10 * std::log10(signal / std::max(noise, 1e-9));
}

std::vector<std::int16_t> code_and_decode(const std::vector<std::int16_t>& sent) {
    base::Bytes coded;
    G722Encoder{}.encode(sent, coded);
    std::vector<std::int16_t> got;
    G722Decoder{}.decode(coded, got);
    return got;
}

TEST(G722, MakesTwoSamplesOfEachOctet) {
    std::vector<std::int16_t> out;
    G722Decoder{}.decode(base::Bytes(160, 0xfa), out);
    EXPECT_EQ(out.size(), 320U);  // media.md section 4: 20 ms = 160 octets = 320 samples
}

TEST(G722, ReturnsSinesOfTheLowerBandWell) {
    for (const double hertz : {200.0, 440.0, 1000.0, 2500.0}) {
        const auto sent = make_sine(hertz, 8000, kRate);
        EXPECT_GT(snr_db(sent, code_and_decode(sent)), 30) << hertz;
    }
}

TEST(G722, ReturnsSinesOfTheHigherBand) {
    const auto sent = make_sine(5500, 4000, kRate);
    EXPECT_GT(snr_db(sent, code_and_decode(sent)), 12);
}

TEST(G722, KeepsSilenceSilent) {
    const auto got = code_and_decode(std::vector<std::int16_t>(3200, 0));
    for (const std::int16_t sample : got) EXPECT_LE(std::abs(sample), 8);
}

TEST(G722, ForgetsALostPacketWithinASecond) {
    const auto sent = make_sine(700, 8000, 3 * kRate);
    base::Bytes coded;
    G722Encoder{}.encode(sent, coded);
    std::vector<std::int16_t> whole;
    G722Decoder{}.decode(coded, whole);
    coded.erase(coded.begin() + 4000, coded.begin() + 4160);
    std::vector<std::int16_t> cut;
    G722Decoder{}.decode(coded, cut);
    double worst = 0;
    for (std::size_t i = 2 * kRate; i < cut.size(); ++i) {
        worst = std::max(worst, std::abs(double{1} * cut[i] - whole[i + 320]));
    }
    EXPECT_LT(worst, 200);
}

TEST(G722, DecodesAnyOctetsWithoutOverflow) {
    std::mt19937 engine(1);
    base::Bytes noise(200'000);
    for (auto& octet : noise) octet = static_cast<std::uint8_t>(engine());
    std::vector<std::int16_t> out;
    G722Decoder{}.decode(noise, out);
    for (const unsigned fixed : {0x00U, 0x3fU, 0x04U, 0x20U, 0xffU, 0xc0U}) {
        G722Decoder decoder;
        decoder.decode(base::Bytes(20'000, static_cast<std::uint8_t>(fixed)), out);
    }
    EXPECT_EQ(out.size(), 2U * (200'000 + 6 * 20'000));
}

}  // namespace
}  // namespace earshot::audio
