#include "audio/wav.h"

#include <gtest/gtest.h>

#include <bit>

#include "audio/l16.h"

namespace earshot::audio {
namespace {

base::Bytes make_file(const WavFormat& format, const std::vector<std::int16_t>& samples) {
    base::Bytes file = make_wav_header(format, samples.size() / format.channels);
    append_samples(samples, file);
    return file;
}

TEST(Wav, WritesWhatItReads) {
    const WavFormat format{.rate = 16000, .channels = 2};
    const std::vector<std::int16_t> samples{0, 1, -1, 32767, -32768, 256};
    const base::Bytes file = make_file(format, samples);
    EXPECT_EQ(file.size(), 44U + 12U);
    EXPECT_EQ(base::load_le<std::uint32_t>(file, 4), file.size() - 8);
    const auto audio = parse_wav(file);
    ASSERT_TRUE(audio);
    EXPECT_EQ(audio->format, format);
    EXPECT_EQ(audio->samples, samples);
}

TEST(Wav, RefusesEachTruncationOfItsHeader) {
    const base::Bytes file = make_file({.rate = 8000, .channels = 1}, {1, 2, 3});
    for (std::size_t size = 0; size < 44; ++size) {
        EXPECT_FALSE(parse_wav(base::ByteView(file).first(size))) << size;
    }
    for (std::size_t size = 44; size < file.size(); ++size) {  // cut samples are left out
        const auto audio = parse_wav(base::ByteView(file).first(size));
        ASSERT_TRUE(audio);
        EXPECT_EQ(audio->samples.size(), (size - 44) / 2);
    }
}

TEST(Wav, SkipsChunksThatItDoesNotKnow) {
    base::Bytes file = make_file({.rate = 8000, .channels = 1}, {7});
    const base::Bytes list{'L', 'I', 'S', 'T', 3, 0, 0, 0, 1, 2, 3, 0};  // padded to four
    file.insert(file.begin() + 12, list.begin(), list.end());
    const auto audio = parse_wav(file);
    ASSERT_TRUE(audio);
    EXPECT_EQ(audio->samples, std::vector<std::int16_t>{7});
}

TEST(Wav, IsRf64Past4GiB) {
    const std::uint64_t frames = 3'000'000'000;
    const base::Bytes head = make_wav_header({.rate = 8000, .channels = 1}, frames);
    EXPECT_EQ(base::as_text(base::ByteView(head).first(4)), "RF64");
    const auto layout = parse_wav_head(head, head.size() + 2 * frames);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->frames, frames);
    EXPECT_EQ(layout->data_offset, head.size());
    const base::Bytes small = make_wav_header({.rate = 8000, .channels = 1}, 2'147'483'000);
    EXPECT_EQ(base::as_text(base::ByteView(small).first(4)), "RIFF");
}

TEST(Wav, HoldsG711AsItIs) {
    for (const G711Law law : {G711Law::Mu, G711Law::A}) {
        const WavFormat format{.rate = 8000, .channels = 1, .law = law};
        const base::Bytes octets{0x00, 0x7e, 0x80, 0xd5, 0xff};
        base::Bytes file = make_wav_header(format, octets.size());
        // RIFF, fmt with its size of further fields, fact, data.
        ASSERT_EQ(file.size(), 12U + 8 + 18 + 8 + 4 + 8);
        EXPECT_EQ(base::load_le<std::uint16_t>(file, 20), law == G711Law::Mu ? 7 : 6);
        EXPECT_EQ(base::load_le<std::uint32_t>(file, 28), 8000U);  // octets a second
        EXPECT_EQ(base::as_text(base::ByteView(file).subspan(38, 4)), "fact");
        EXPECT_EQ(base::load_le<std::uint32_t>(file, 46), octets.size());
        base::append(file, octets);
        file.push_back(0);
        EXPECT_EQ(base::load_le<std::uint32_t>(file, 4), file.size() - 8);
        const auto audio = parse_wav(file);
        ASSERT_TRUE(audio);
        EXPECT_EQ(audio->format, format);
        ASSERT_EQ(audio->samples.size(), octets.size());
        for (std::size_t i = 0; i < octets.size(); ++i)
            EXPECT_EQ(audio->samples[i],
                      law == G711Law::Mu ? decode_mu_law(octets[i]) : decode_a_law(octets[i]));
    }
}

TEST(Wav, RefusesEachTruncationOfAG711Header) {
    const base::Bytes file = make_wav_header({.rate = 8000, .channels = 1, .law = G711Law::A}, 0);
    for (std::size_t size = 0; size < file.size(); ++size)
        EXPECT_FALSE(parse_wav(base::ByteView(file).first(size))) << size;
    EXPECT_TRUE(parse_wav(file));
}

base::Bytes make_foreign(std::uint16_t tag, std::uint16_t bits, const base::Bytes& samples) {
    base::Bytes file = make_wav_header({.rate = 22050, .channels = 1}, 0);
    base::store_le<std::uint16_t>(file, 20, tag);
    base::store_le<std::uint16_t>(file, 34, bits);
    base::store_le<std::uint32_t>(file, 40, static_cast<std::uint32_t>(samples.size()));
    base::append(file, samples);
    return file;
}

TEST(Wav, ConvertsOtherSampleSizes) {
    EXPECT_EQ(parse_wav(make_foreign(1, 8, {0, 128, 255}))->samples,
              (std::vector<std::int16_t>{-32768, 0, 32512}));
    EXPECT_EQ(parse_wav(make_foreign(1, 24, {9, 0x34, 0x12}))->samples,
              std::vector<std::int16_t>{0x1234});
    EXPECT_EQ(parse_wav(make_foreign(1, 32, {9, 9, 0x34, 0x12}))->samples,
              std::vector<std::int16_t>{0x1234});
    base::Bytes floats;
    for (const float value : {0.0F, 1.0F, -1.0F, 9.0F, -9.0F}) {
        base::append_le(floats, std::bit_cast<std::uint32_t>(value));
    }
    EXPECT_EQ(parse_wav(make_foreign(3, 32, floats))->samples,
              (std::vector<std::int16_t>{0, 32767, -32768, 32767, -32768}));
}

TEST(Wav, RefusesCompressedSamples) {
    EXPECT_FALSE(parse_wav(make_foreign(2, 4, {1, 2})));  // ADPCM
    EXPECT_FALSE(parse_wav(make_foreign(7, 16, {1, 2})));
    EXPECT_FALSE(parse_wav(make_foreign(1, 12, {1, 2})));
}

TEST(Wav, AveragesChannelsToMono) {
    const WavAudio audio{.format = {.rate = 8000, .channels = 2}, .samples = {10, 20, -5, -7}};
    EXPECT_EQ(to_mono(audio), (std::vector<std::int16_t>{15, -6}));
}

TEST(L16, IsInNetworkOrder) {
    std::vector<std::int16_t> out(2);
    decode_l16(base::Bytes{0x12, 0x34, 0xff, 0xfe, 0x77}, out);
    EXPECT_EQ(out, (std::vector<std::int16_t>{0x1234, -2}));
    base::Bytes back(4);
    encode_l16(out, back);
    EXPECT_EQ(back, (base::Bytes{0x12, 0x34, 0xff, 0xfe}));
}

}  // namespace
}  // namespace earshot::audio
