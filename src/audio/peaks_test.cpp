#include "audio/peaks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace earshot::audio {
namespace {

TEST(Peak, OfNothingIsSilence) { EXPECT_EQ(find_peak({}), Peak{}); }

TEST(Peak, IsTheLowestAndHighestSampleOfAnyLength) {
    std::mt19937 random(1);
    for (std::size_t size = 1; size < 100; ++size) {
        std::vector<std::int16_t> samples(size);
        for (std::int16_t& sample : samples) sample = static_cast<std::int16_t>(random());
        const auto [low, high] = std::minmax_element(samples.begin(), samples.end());
        EXPECT_EQ(find_peak(samples),
                  (Peak{std::min<std::int16_t>(*low, 0), std::max<std::int16_t>(*high, 0)}));
    }
    EXPECT_EQ(find_peak(std::vector<std::int16_t>{-32768, 32767}), (Peak{-32768, 32767}));
    EXPECT_EQ(find_peak(std::vector<std::int16_t>{5}), (Peak{0, 5}));
}

TEST(Peak, OfG711IsThatOfItsSamples) {
    std::mt19937 random(1);
    for (const G711Law law : {G711Law::Mu, G711Law::A}) {
        EXPECT_EQ(find_peak(law, {}), Peak{});
        std::vector<base::Bytes> cases;
        for (unsigned octet = 0; octet < 256; ++octet)
            cases.push_back({static_cast<std::uint8_t>(octet)});
        for (std::size_t size = 2; size < 100; ++size) {
            base::Bytes octets(size);
            for (std::uint8_t& octet : octets) octet = static_cast<std::uint8_t>(random());
            cases.push_back(octets);
        }
        for (const base::Bytes& octets : cases) {
            std::vector<std::int16_t> samples(octets.size());
            decode_g711(law, octets, samples);
            EXPECT_EQ(find_peak(law, octets), find_peak(samples)) << int{octets[0]};
        }
    }
}

}  // namespace
}  // namespace earshot::audio
