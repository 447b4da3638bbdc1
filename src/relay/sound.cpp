#include "relay/sound.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "audio/resampler.h"
#include "audio/wav.h"
#include "relay/limits.h"

namespace earshot::relay {

namespace {

constexpr std::uint32_t kNarrowRate = 8000;
constexpr std::uint32_t kWideRate = 16'000;
constexpr double kToneHz = 1400;
constexpr double kToneSeconds = 0.2;
constexpr double kRampSeconds = 0.005;  // so that it does not click
constexpr double kFullScale = 32'767;

std::vector<std::int16_t> tone_samples(double amplitude, std::uint32_t rate) {
    const auto count = static_cast<std::size_t>(kToneSeconds * rate);
    const double ramp = kRampSeconds * rate;
    std::vector<std::int16_t> samples(count);
    for (std::size_t i = 0; i < count; ++i) {
        const double from_edge = static_cast<double>(std::min(i, count - 1 - i));
        const double gain = std::min(1.0, from_edge / ramp);
        const double angle = 2 * std::numbers::pi * kToneHz * static_cast<double>(i) / rate;
        samples[i] = static_cast<std::int16_t>(std::lround(amplitude * gain * std::sin(angle)));
    }
    return samples;
}

base::Reason bad_wav(std::string text) { return {"bad_wav", std::move(text)}; }

}  // namespace

SoundPtr make_tone(double level_db, std::chrono::milliseconds interval) {
    const double amplitude = kFullScale * std::pow(10.0, std::min(level_db, 0.0) / 20);
    return std::make_shared<const Sound>(Sound{.narrow = tone_samples(amplitude, kNarrowRate),
                                               .wide = tone_samples(amplitude, kWideRate),
                                               .interval = interval,
                                               .is_alone = false});
}

base::Result<SoundPtr, base::Reason> make_announcement(base::ByteView wav, bool is_alone) {
    const auto audio = audio::parse_wav(wav);
    if (!audio) return bad_wav(fmt::format("It is no WAV file: {}.", audio.error().what));
    const std::uint32_t rate = audio->format.rate;
    const std::vector<std::int16_t> samples = audio::to_mono(*audio);
    if (samples.empty()) return base::Reason{"empty", "It holds no sound."};
    if (!audio::can_resample(rate, kNarrowRate) || !audio::can_resample(rate, kWideRate))
        return bad_wav(fmt::format("Its sample rate of {} Hz cannot be converted.", rate));
    if (samples.size() / rate >= static_cast<std::uint64_t>(kMaxAnnouncement.count()))
        return base::Reason{"too_long",
                            fmt::format("It is longer than {} seconds.", kMaxAnnouncement.count())};
    Sound sound{.narrow = audio::resample(samples, rate, kNarrowRate),
                .wide = audio::resample(samples, rate, kWideRate),
                .interval = {},
                .is_alone = is_alone};
    sound.wide.resize(2 * sound.narrow.size());  // rounding makes it a sample longer or shorter
    return std::make_shared<const Sound>(std::move(sound));
}

SoundFormats sound_formats(std::span<const sdp::PayloadType> sent, bool may_fill) {
    constexpr std::uint32_t kClock = 8000;  // also of G.722 (RFC 3551 section 4.5.2)
    SoundFormats formats{.codecs = {}, .own = std::nullopt, .may_fill = may_fill};
    for (const sdp::PayloadType& type : sent) {
        SoundCodec codec = SoundCodec::Foreign;
        const bool is_ours = type.clock_rate == kClock && type.channels == 1;
        if (type.is("telephone-event") || type.is("CN"))
            codec = SoundCodec::Aside;
        else if (is_ours && type.is("PCMU"))
            codec = SoundCodec::Mu;
        else if (is_ours && type.is("PCMA"))
            codec = SoundCodec::A;
        else if (is_ours && type.is("G722"))
            codec = SoundCodec::G722;
        if (type.number >= formats.codecs.size()) continue;
        formats.codecs[type.number] = codec;
        if (codec != SoundCodec::Foreign && codec != SoundCodec::Aside && !formats.own)
            formats.own = type.number;
    }
    return formats;
}

}  // namespace earshot::relay
