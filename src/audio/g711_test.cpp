#include "audio/g711.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

namespace earshot::audio {
namespace {

// G.711 tables 2a/2b: the decoder's output values y of the segment edges, at 14 bits.
TEST(G711MuLaw, DecodesTheSegmentEdgesOfTheRecommendation) {
    const std::pair<int, int> edges[] = {{0x80, 8031}, {0x8f, 4191}, {0x9f, 2079}, {0xaf, 1023},
                                         {0xbf, 495},  {0xcf, 231},  {0xdf, 99},   {0xef, 33},
                                         {0xfe, 2},    {0xff, 0}};
    for (const auto& [octet, value] : edges) {
        EXPECT_EQ(decode_mu_law(static_cast<std::uint8_t>(octet)), value * 4) << octet;
        EXPECT_EQ(decode_mu_law(static_cast<std::uint8_t>(octet & 0x7f)), -value * 4) << octet;
    }
}

// G.711 tables 1a/1b: decoder output values at 13 bits (with 1 for the half step), before the
// inversion of even bits.
TEST(G711ALaw, DecodesTheSegmentEdgesOfTheRecommendation) {
    const std::pair<int, int> edges[] = {{0xff, 4032}, {0xf0, 2112}, {0xe0, 1056}, {0xd0, 528},
                                         {0xc0, 264},  {0xb0, 132},  {0xa0, 66},   {0x80, 1}};
    for (const auto& [octet, value] : edges) {
        const auto sent = static_cast<std::uint8_t>(octet ^ 0x55);
        EXPECT_EQ(decode_a_law(sent), value * 8) << octet;
        EXPECT_EQ(decode_a_law(static_cast<std::uint8_t>(sent ^ 0x80)), -value * 8) << octet;
    }
}

TEST(G711, EncodesEachDecodedValueBackToItsOctet) {
    for (int i = 0; i < 256; ++i) {
        const auto octet = static_cast<std::uint8_t>(i);
        EXPECT_EQ(encode_a_law(decode_a_law(octet)), octet);
        EXPECT_EQ(encode_mu_law(decode_mu_law(octet)), octet == 0x7f ? 0xff : octet);
    }
}

TEST(G711, ErrsByLessThanHalfAStepOverTheWholeRange) {
    for (int sample = -32768; sample <= 32767; ++sample) {
        const auto value = static_cast<std::int16_t>(sample);
        const int clipped = std::min(std::max(sample, -32124 - 512), 32124 + 512);
        const int mu = decode_mu_law(encode_mu_law(value));
        EXPECT_LE(std::abs(mu - clipped), std::max(4, (std::abs(clipped) + 132) / 32)) << sample;
        const int a = decode_a_law(encode_a_law(value));
        EXPECT_LE(std::abs(a - sample), std::max(8, std::abs(sample) / 31)) << sample;
    }
}

TEST(G711, ConvertsRunsLikeSingleSamples) {
    const std::vector<std::int16_t> in{0, 1000, -1000, 32767, -32768};
    for (const G711Law law : {G711Law::Mu, G711Law::A}) {
        std::vector<std::uint8_t> coded(in.size());
        std::vector<std::int16_t> out(in.size());
        encode_g711(law, in, coded);
        decode_g711(law, coded, out);
        for (std::size_t i = 0; i < in.size(); ++i) {
            const bool mu = law == G711Law::Mu;
            EXPECT_EQ(coded[i], mu ? encode_mu_law(in[i]) : encode_a_law(in[i]));
            EXPECT_EQ(out[i], mu ? decode_mu_law(coded[i]) : decode_a_law(coded[i]));
        }
    }
}

}  // namespace
}  // namespace earshot::audio
