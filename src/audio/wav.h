// WAV files with PCM16 or G.711 samples: the header of one whose size is known before its samples
// are, and a reader for files of people and of ours. Past 4 GiB the header is RF64 (EBU Tech 3306).
// No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "audio/g711.h"
#include "base/bytes.h"
#include "base/result.h"

namespace earshot::audio {

struct WavFormat {
    std::uint32_t rate = 8000;  // Hz
    std::uint16_t channels = 1;
    std::optional<G711Law> law{};  // an octet a sample (format tags 6 and 7); absent: PCM
    friend bool operator==(const WavFormat&, const WavFormat&) = default;
};

// The bytes before the samples; the file is this and frames * channels samples, little-endian, and
// a zero where they are odd octets: chunks have an even size.
base::Bytes make_wav_header(const WavFormat& format, std::uint64_t frames);
void append_samples(std::span<const std::int16_t> samples, base::Bytes& out);

// Where the samples of a file lie.
struct WavLayout {
    WavFormat format;
    std::uint16_t bits = 16;  // 8, 16, 24 or 32 integer, or 32 when is_float; 8 of G.711
    bool is_float = false;
    std::uint64_t data_offset = 0;
    std::uint64_t frames = 0;
};

// Reads the chunks before the samples; `head` is the file's first kMaxWavHeadBytes or all of it,
// `file_size` the whole file's. A size that promises more than there is (a streaming writer's) is
// cut to what is there.
base::Result<WavLayout> parse_wav_head(base::ByteView head, std::uint64_t file_size);
inline constexpr std::size_t kMaxWavHeadBytes = 64ULL * 1024;
inline constexpr std::uint16_t kMaxWavChannels = 256;

struct WavAudio {
    WavFormat format;
    std::vector<std::int16_t> samples;  // interleaved
};
// A whole file in memory; other sample sizes are converted to 16 bits.
base::Result<WavAudio> parse_wav(base::ByteView file);
// The average of all channels.
std::vector<std::int16_t> to_mono(const WavAudio& audio);

}  // namespace earshot::audio
