#include "audio/wav.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace earshot::audio {
namespace {

constexpr std::uint16_t kPcm = 1;
constexpr std::uint16_t kFloat = 3;
constexpr std::uint16_t kALaw = 6;
constexpr std::uint16_t kMuLaw = 7;
constexpr std::uint16_t kExtensible = 0xfffe;
constexpr std::uint32_t kIn64 = 0xffffffff;  // "the real size stands in ds64"

void append_tag(base::Bytes& out, std::string_view tag) { base::append(out, base::as_bytes(tag)); }

bool has_tag(base::ByteView head, std::size_t at, std::string_view tag) {
    return base::as_text(head.subspan(at, 4)) == tag;
}

base::Result<base::Done> parse_format(base::ByteView chunk, WavLayout& layout) {
    if (chunk.size() < 16) return base::Error{base::Errc::Malformed, "WAV: short fmt chunk"};
    auto tag = base::load_le<std::uint16_t>(chunk, 0);
    layout.format.channels = base::load_le<std::uint16_t>(chunk, 2);
    layout.format.rate = base::load_le<std::uint32_t>(chunk, 4);
    layout.bits = base::load_le<std::uint16_t>(chunk, 14);
    // WAVE_FORMAT_EXTENSIBLE: the tag proper opens the sub-format's GUID.
    if (tag == kExtensible && chunk.size() >= 26) tag = base::load_le<std::uint16_t>(chunk, 24);
    layout.is_float = tag == kFloat;
    if (tag == kALaw) layout.format.law = G711Law::A;
    if (tag == kMuLaw) layout.format.law = G711Law::Mu;
    if (layout.format.channels == 0 || layout.format.channels > kMaxWavChannels ||
        layout.format.rate == 0) {
        return base::Error{base::Errc::Malformed, "WAV: no channels or no rate"};
    }
    const bool is_integer = tag == kPcm && (layout.bits == 8 || layout.bits == 16 ||
                                            layout.bits == 24 || layout.bits == 32);
    const bool is_g711 = layout.format.law && layout.bits == 8;
    if (!is_integer && !is_g711 && !(layout.is_float && layout.bits == 32)) {
        return base::Error{base::Errc::Unsupported,
                           "WAV: samples are neither integer, float nor G.711"};
    }
    return base::Done{};
}

// A size that promises more than there is was a streaming writer's.
void set_samples(std::uint64_t begin, std::uint64_t told, std::uint64_t file_size,
                 WavLayout& layout) {
    const std::uint64_t there = file_size > begin ? file_size - begin : 0;
    layout.data_offset = begin;
    layout.frames =
        std::min(told, there) / (std::uint64_t{layout.format.channels} * (layout.bits / 8));
}

std::int16_t read_sample(base::ByteView b, const WavLayout& layout) {
    if (layout.format.law)
        return *layout.format.law == G711Law::Mu ? decode_mu_law(b[0]) : decode_a_law(b[0]);
    if (layout.is_float) {
        const auto value = std::bit_cast<float>(base::load_le<std::uint32_t>(b, 0));
        if (!(value > -1.0F)) return value != value ? 0 : -32768;  // NaN compares to nothing
        return static_cast<std::int16_t>(std::lround(std::min(value, 1.0F) * 32767.0F));
    }
    switch (layout.bits) {
        case 8:
            return static_cast<std::int16_t>((b[0] - 128) * 256);  // unsigned by definition
        case 16:
            return static_cast<std::int16_t>(base::load_le<std::uint16_t>(b, 0));
        case 24:
            return static_cast<std::int16_t>(base::load_le<std::uint16_t>(b, 1));
        default:
            return static_cast<std::int16_t>(base::load_le<std::uint16_t>(b, 2));
    }
}

}  // namespace

base::Bytes make_wav_header(const WavFormat& format, std::uint64_t frames) {
    const std::uint16_t sample_size = format.law ? 1 : 2;
    const std::uint32_t frame_size = std::uint32_t{sample_size} * format.channels;
    const std::uint64_t data_size = frames * frame_size;
    std::uint16_t tag = kPcm;
    if (format.law) tag = *format.law == G711Law::Mu ? kMuLaw : kALaw;
    base::Bytes chunks;
    append_tag(chunks, "fmt ");
    base::append_le<std::uint32_t>(chunks, format.law ? 18 : 16);
    base::append_le(chunks, tag);
    base::append_le(chunks, format.channels);
    base::append_le(chunks, format.rate);
    base::append_le(chunks, format.rate * frame_size);
    base::append_le(chunks, static_cast<std::uint16_t>(frame_size));
    base::append_le<std::uint16_t>(chunks, static_cast<std::uint16_t>(8 * sample_size));
    if (format.law) {  // all formats but PCM have a size of further fields, and the fact chunk
        base::append_le<std::uint16_t>(chunks, 0);
        append_tag(chunks, "fact");
        base::append_le<std::uint32_t>(chunks, 4);
        base::append_le(chunks, static_cast<std::uint32_t>(std::min<std::uint64_t>(frames, kIn64)));
    }
    append_tag(chunks, "data");
    // Of the rest of the file, behind the 8 bytes of "RIFF" and this size.
    const std::uint64_t rest = 4 + chunks.size() + 4 + data_size + (data_size & 1U);
    const bool is_large = rest >= kIn64;
    base::Bytes out;
    append_tag(out, is_large ? "RF64" : "RIFF");
    base::append_le(out, is_large ? kIn64 : static_cast<std::uint32_t>(rest));
    append_tag(out, "WAVE");
    if (is_large) {
        append_tag(out, "ds64");
        base::append_le<std::uint32_t>(out, 28);
        base::append_le<std::uint64_t>(out, rest + 36);
        base::append_le<std::uint64_t>(out, data_size);
        base::append_le<std::uint64_t>(out, frames);
        base::append_le<std::uint32_t>(out, 0);  // no further sizes
    }
    base::append(out, chunks);
    base::append_le(out, is_large ? kIn64 : static_cast<std::uint32_t>(data_size));
    return out;
}

void append_samples(std::span<const std::int16_t> samples, base::Bytes& out) {
    std::size_t at = out.size();
    out.resize(at + 2 * samples.size());
    if constexpr (std::endian::native == std::endian::little) {
        if (!samples.empty()) std::memcpy(&out[at], samples.data(), 2 * samples.size());
        return;
    }
    for (const std::int16_t sample : samples) {
        const auto value = static_cast<std::uint16_t>(sample);
        out[at++] = static_cast<std::uint8_t>(value);
        out[at++] = static_cast<std::uint8_t>(value >> 8);
    }
}

base::Result<WavLayout> parse_wav_head(base::ByteView head, std::uint64_t file_size) {
    if (head.size() < 12) return base::Error{base::Errc::Malformed, "WAV: short"};
    const bool is_large = has_tag(head, 0, "RF64");
    if ((!is_large && !has_tag(head, 0, "RIFF")) || !has_tag(head, 8, "WAVE")) {
        return base::Error{base::Errc::Malformed, "WAV: neither RIFF nor RF64"};
    }
    WavLayout layout;
    bool has_format = false;
    std::uint64_t large_size = 0;
    std::uint64_t at = 12;
    while (at + 8 <= head.size()) {
        const auto offset = static_cast<std::size_t>(at);
        const auto size = base::load_le<std::uint32_t>(head, offset + 4);
        const base::ByteView chunk =
            head.subspan(offset + 8, std::min<std::size_t>(size, head.size() - offset - 8));
        if (has_tag(head, offset, "fmt ")) {
            const auto parsed = parse_format(chunk, layout);
            if (!parsed) return parsed.error();
            has_format = true;
        } else if (has_tag(head, offset, "ds64") && chunk.size() >= 16) {
            large_size = base::load_le<std::uint64_t>(chunk, 8);
        } else if (has_tag(head, offset, "data")) {
            if (!has_format)
                return base::Error{base::Errc::Malformed, "WAV: data before fmt", offset};
            set_samples(at + 8, is_large && size == kIn64 ? large_size : size, file_size, layout);
            return layout;
        }
        at += 8 + std::uint64_t{size} + (size & 1U);  // chunks are padded to an even size
    }
    return base::Error{base::Errc::Malformed, "WAV: no data chunk", head.size()};
}

base::Result<WavAudio> parse_wav(base::ByteView file) {
    const auto layout = parse_wav_head(file, file.size());
    if (!layout) return layout.error();
    WavAudio audio{.format = layout->format, .samples = {}};
    const std::size_t sample_size = layout->bits / 8;
    const auto count = static_cast<std::size_t>(layout->frames * layout->format.channels);
    audio.samples.reserve(count);
    const base::ByteView samples = file.subspan(static_cast<std::size_t>(layout->data_offset));
    for (std::size_t i = 0; i < count; ++i) {
        audio.samples.push_back(
            read_sample(samples.subspan(i * sample_size, sample_size), *layout));
    }
    return audio;
}

std::vector<std::int16_t> to_mono(const WavAudio& audio) {
    const std::size_t channels = audio.format.channels;
    if (channels <= 1) return audio.samples;
    std::vector<std::int16_t> mono(audio.samples.size() / channels);
    for (std::size_t i = 0; i < mono.size(); ++i) {
        int sum = 0;
        for (std::size_t c = 0; c < channels; ++c) sum += audio.samples[i * channels + c];
        mono[i] = static_cast<std::int16_t>(sum / static_cast<int>(channels));
    }
    return mono;
}

}  // namespace earshot::audio
