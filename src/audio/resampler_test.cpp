#include "audio/resampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace earshot::audio {
namespace {

std::vector<std::int16_t> make_sine(double hertz, std::uint32_t rate, std::size_t count) {
    std::vector<std::int16_t> samples(count);
    for (std::size_t i = 0; i < count; ++i) {
        const double phase = 2 * std::numbers::pi * hertz * static_cast<double>(i) / rate;
        samples[i] = static_cast<std::int16_t>(std::lround(10'000 * std::sin(phase)));
    }
    return samples;
}

TEST(Resampler, MovesASineBetweenAllUsualRatesWithoutDelay) {
    for (const std::uint32_t from : {8000U, 11025U, 16000U, 22050U, 44100U, 48000U}) {
        for (const std::uint32_t to : {8000U, 16000U, 44100U, 48000U}) {
            ASSERT_TRUE(can_resample(from, to));
            const auto got = resample(make_sine(1000, from, from), from, to);
            ASSERT_EQ(got.size(), to) << from << " to " << to;
            const auto expected = make_sine(1000, to, to);
            for (std::size_t i = 200; i + 200 < got.size(); ++i) {
                ASSERT_NEAR(got[i], expected[i], 12) << from << " to " << to << " at " << i;
            }
        }
    }
}

TEST(Resampler, RemovesWhatTheLowerRateCannotHold) {
    const auto got = resample(make_sine(6000, 48000, 48000), 48000, 8000);
    for (std::size_t i = 100; i + 100 < got.size(); ++i) ASSERT_NEAR(got[i], 0, 10) << i;
}

TEST(Resampler, GivesTheSameInPiecesOfAnySize) {
    const auto in = make_sine(700, 8000, 3000);
    const auto whole = resample(in, 8000, 44100);
    for (const std::size_t piece : {1U, 7U, 160U, 1000U}) {
        Resampler resampler(8000, 44100);
        std::vector<std::int16_t> out;
        for (std::size_t at = 0; at < in.size(); at += piece) {
            resampler.push(std::span(in).subspan(at, std::min(piece, in.size() - at)), out);
        }
        resampler.finish(out);
        EXPECT_EQ(out, whole) << piece;
    }
}

TEST(Resampler, CopiesAtEqualRates) {
    const auto in = make_sine(700, 8000, 100);
    EXPECT_EQ(resample(in, 8000, 8000), in);
}

TEST(Resampler, StartsAnewAfterFinish) {
    const auto in = make_sine(700, 8000, 500);
    Resampler resampler(8000, 16000);
    std::vector<std::int16_t> first;
    resampler.push(in, first);
    resampler.finish(first);
    std::vector<std::int16_t> second;
    resampler.push(in, second);
    resampler.finish(second);
    EXPECT_EQ(first, second);
    EXPECT_EQ(first.size(), 1000U);
}

TEST(Resampler, RoundsTheNumberOfSamplesUp) {
    for (std::size_t count = 1; count < 60; ++count) {
        const std::vector<std::int16_t> in(count, 1000);
        EXPECT_EQ(resample(in, 44100, 8000).size(), (count * 80 + 440) / 441);
        EXPECT_EQ(resample(in, 8000, 16000).size(), 2 * count);
    }
    EXPECT_TRUE(resample({}, 8000, 16000).empty());
}

TEST(Resampler, ClipsInsteadOfWrapping) {
    std::vector<std::int16_t> in(400, 32767);
    for (std::size_t i = 0; i < in.size(); i += 40) {
        std::fill_n(in.begin() + static_cast<std::ptrdiff_t>(i), 20, std::int16_t{-32768});
    }
    for (const std::int16_t sample : resample(in, 8000, 48000)) {
        EXPECT_LE(std::abs(int{sample}), 32768);
    }
}

TEST(Resampler, RefusesRatesThatWouldNeedAHugeTable) {
    EXPECT_FALSE(can_resample(44101, 48000));
    EXPECT_FALSE(can_resample(0, 8000));
    EXPECT_FALSE(can_resample(8000, 192'001));
    EXPECT_TRUE(can_resample(4000, 192'000));
}

}  // namespace
}  // namespace earshot::audio
