#include "archive/codec.h"

#include <algorithm>
#include <array>

#include "audio/g711.h"
#include "audio/l16.h"
#include "base/text.h"

namespace earshot::archive {
namespace {

// Rates between which audio/resampler.h converts: a track may hold several, an export mixes tracks.
bool is_usual_rate(std::uint32_t rate) {
    constexpr std::array<std::uint32_t, 10> kRates{8000,  11025, 12000, 16000, 22050,
                                                   24000, 32000, 44100, 48000, 96000};
    return std::find(kRates.begin(), kRates.end(), rate) != kRates.end();
}

}  // namespace

std::int64_t Codec::duration_ticks(std::size_t payload_size) const {
    const auto size = static_cast<std::int64_t>(payload_size);
    switch (kind) {
        case CodecKind::MuLaw:
        case CodecKind::ALaw:
        case CodecKind::G722:
            return size;  // an octet a tick, for G.722 two samples
        case CodecKind::L16:
            return size / (2 * std::int64_t{channels});
        default:
            return 0;
    }
}

std::optional<audio::G711Law> Codec::law() const {
    if (kind == CodecKind::MuLaw) return audio::G711Law::Mu;
    if (kind == CodecKind::ALaw) return audio::G711Law::A;
    return std::nullopt;
}

Codec find_codec(const PayloadFormat* format, bool is_audio) {
    Codec codec;
    if (format == nullptr) {
        codec.clock_rate = is_audio ? 8000 : 90'000;
        return codec;
    }
    codec.clock_rate = format->clock_rate;
    const std::string_view name = format->encoding;
    const bool is_narrow = is_audio && format->clock_rate == 8000 && format->channels == 1;
    if (base::iequals(name, "telephone-event")) {
        codec.kind = CodecKind::TelephoneEvent;
    } else if (base::iequals(name, "CN")) {
        codec.kind = CodecKind::ComfortNoise;
    } else if (is_narrow && base::iequals(name, "PCMU")) {
        codec.kind = CodecKind::MuLaw;
        codec.sample_rate = 8000;
    } else if (is_narrow && base::iequals(name, "PCMA")) {
        codec.kind = CodecKind::ALaw;
        codec.sample_rate = 8000;
    } else if (is_narrow && base::iequals(name, "G722")) {
        codec.kind = CodecKind::G722;
        codec.sample_rate = 16'000;
    } else if (is_audio && base::iequals(name, "L16") && is_usual_rate(format->clock_rate)) {
        codec.kind = CodecKind::L16;
        codec.sample_rate = format->clock_rate;
        codec.channels = std::max<std::uint16_t>(format->channels, 1);
    }
    return codec;
}

std::string codec_name(const PayloadFormat& format) {
    std::string name =
        format.encoding.empty() ? "PT" + std::to_string(format.number) : format.encoding;
    name += "/" + std::to_string(format.clock_rate);
    if (format.channels > 1) name += "/" + std::to_string(format.channels);
    return name;
}

void AudioDecoder::decode(const Codec& codec, base::ByteView payload,
                          std::vector<std::int16_t>& out) {
    const std::size_t before = out.size();
    if (codec.kind == CodecKind::G722 && last_ != CodecKind::G722) g722_ = {};
    if (codec.is_decoded()) last_ = codec.kind;  // noise and digits leave the state alone
    switch (codec.kind) {
        case CodecKind::MuLaw:
        case CodecKind::ALaw: {
            const bool is_mu = codec.kind == CodecKind::MuLaw;
            out.resize(before + payload.size());
            audio::decode_g711(is_mu ? audio::G711Law::Mu : audio::G711Law::A, payload,
                               std::span(out).subspan(before));
            break;
        }
        case CodecKind::G722:
            g722_.decode(payload, out);
            break;
        case CodecKind::L16: {
            std::vector<std::int16_t> samples(payload.size() / 2);
            audio::decode_l16(payload, samples);
            const std::size_t channels = std::max<std::size_t>(codec.channels, 1);
            for (std::size_t i = 0; i + channels <= samples.size(); i += channels) {
                int sum = 0;
                for (std::size_t c = 0; c < channels; ++c) sum += samples[i + c];
                out.push_back(static_cast<std::int16_t>(sum / static_cast<int>(channels)));
            }
            break;
        }
        default:
            break;
    }
}

}  // namespace earshot::archive
