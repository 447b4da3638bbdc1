// WAV, Ogg Opus and levels: sound alone.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "audio/wav.h"
#include "media/limits.h"
#include "media/mixer.h"
#include "media/sound_encoder.h"
#include "media/sound_streams.h"
#include "media/stage.h"
#include "media/unit_queue.h"

namespace earshot::media {
namespace {

using rendition::Format;
using rendition::Product;
using rendition::Stream;

// The channel of each stream, by how the product lays them out.
class Channels {
public:
    explicit Channels(const rendition::Job& job) : is_stereo_(job.product != Product::Wav) {
        if (job.product == Product::Peaks) is_stereo_ = false;
        for (const Stream& stream : job.streams)
            if (stream.is_audio()) order_.push_back(stream.number);
    }
    std::size_t count() const { return is_stereo_ ? 2 : std::max<std::size_t>(order_.size(), 1); }
    std::size_t of(const Stream& stream) const {
        if (is_stereo_) return stream.is_first ? 0 : 1;
        return static_cast<std::size_t>(std::find(order_.begin(), order_.end(), stream.number) -
                                        order_.begin());
    }

private:
    bool is_stereo_;
    std::vector<std::uint16_t> order_;
};

// The highest rate among what is decoded, as the WAV export of the server has it.
int rate_of(const rendition::Job& job) {
    if (job.product == Product::Ogg) return kSoundRate;
    int rate = 8000;
    for (const Stream& stream : job.streams)
        for (const Format& format : stream.formats)
            if (const auto codec = find_sound_codec(format); stream.is_audio() && codec)
                rate = std::max(rate, codec->sample_rate);
    return rate;
}

// Where the mixed samples go.
class SampleSink {
public:
    SampleSink() = default;
    SampleSink(const SampleSink&) = delete;
    SampleSink& operator=(const SampleSink&) = delete;
    virtual ~SampleSink() = default;
    virtual Outcome add(std::span<const std::int16_t> samples) = 0;
    virtual Outcome finish() = 0;
};

class WavSink : public SampleSink {
public:
    WavSink(Output& output, const rendition::Job& job, int rate, std::size_t channels)
        : output_(output) {
        const auto frames =
            static_cast<std::uint64_t>(job.duration_ms) * static_cast<std::uint64_t>(rate) / 1000;
        output_.write(audio::make_wav_header({.rate = static_cast<std::uint32_t>(rate),
                                              .channels = static_cast<std::uint16_t>(channels)},
                                             frames));
    }
    Outcome add(std::span<const std::int16_t> samples) override {
        bytes_.clear();
        audio::append_samples(samples, bytes_);
        if (output_.write(bytes_)) return base::Done{};
        return base::Reason{"cancelled", "Nobody reads it any more."};
    }
    Outcome finish() override { return base::Done{}; }

private:
    Output& output_;
    base::Bytes bytes_;
};

class OggSink : public SampleSink {
public:
    static Expected<std::unique_ptr<SampleSink>> make(Output& output, const rendition::Job& job) {
        auto muxer = Muxer::make(rendition::Container::Ogg, output, job);
        if (!muxer) return muxer.error();
        auto encoder = SoundEncoder::make(AV_CODEC_ID_OPUS, 2, **muxer, job.title);
        if (!encoder) return encoder.error();
        if (auto begun = (*muxer)->begin(); !begun) return begun.error();
        std::unique_ptr<OggSink> sink(new OggSink);
        sink->muxer_ = std::move(*muxer);
        sink->encoder_ = std::move(*encoder);
        return std::unique_ptr<SampleSink>(std::move(sink));
    }
    Outcome add(std::span<const std::int16_t> samples) override { return encoder_->add(samples); }
    Outcome finish() override {
        if (auto done = encoder_->finish(); !done) return done;
        return muxer_->finish();
    }

private:
    std::unique_ptr<Muxer> muxer_;
    std::unique_ptr<SoundEncoder> encoder_;
};

// As the archive's peaks.json: a track for each stream that has sound.
class PeaksSink : public SampleSink {
public:
    PeaksSink(Stage& stage, int rate, std::size_t channels)
        : stage_(stage),
          per_peak_(static_cast<std::size_t>(rate * kPeakIntervalMs / 1000)),
          low_(channels),
          high_(channels) {}

    Outcome add(std::span<const std::int16_t> samples) override {
        const std::size_t channels = low_.size();
        for (std::size_t i = 0; i + channels <= samples.size(); i += channels, ++frames_) {
            const bool begins = frames_ % per_peak_ == 0;
            for (std::size_t c = 0; c < channels; ++c) {
                const std::int16_t sample = samples[i + c];
                if (begins) {
                    low_[c].push_back(sample);
                    high_[c].push_back(sample);
                }
                low_[c].back() = std::min(low_[c].back(), sample);
                high_[c].back() = std::max(high_[c].back(), sample);
            }
        }
        return base::Done{};
    }

    Outcome finish() override {
        nlohmann::json levels{{"interval_ms", kPeakIntervalMs},
                              {"tracks", nlohmann::json::array()}};
        std::size_t channel = 0;
        for (const Stream& stream : stage_.job.streams) {
            if (!stream.is_audio()) continue;
            if (is_rendered(stream))
                levels["tracks"].push_back({{"label", stream.label},
                                            {"track", ""},
                                            {"min", low_[channel]},
                                            {"max", high_[channel]},
                                            {"comfort_noise", nlohmann::json::array()}});
            ++channel;
        }
        stage_.output.write(base::as_bytes(
            levels.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"));
        return base::Done{};
    }

private:
    bool is_rendered(const Stream& stream) const {
        const auto& tracks = stage_.report.tracks;
        return std::any_of(tracks.begin(), tracks.end(), [&](const rendition::TrackNote& note) {
            return note.stream == stream.number && note.state == "rendered";
        });
    }
    Stage& stage_;
    const std::size_t per_peak_;
    std::size_t frames_ = 0;
    std::vector<std::vector<std::int16_t>> low_;
    std::vector<std::vector<std::int16_t>> high_;
};

Expected<std::unique_ptr<SampleSink>> make_sink(Stage& stage, int rate, std::size_t channels) {
    if (stage.job.product == Product::Ogg) return OggSink::make(stage.output, stage.job);
    if (stage.job.product == Product::Peaks)
        return std::unique_ptr<SampleSink>(std::make_unique<PeaksSink>(stage, rate, channels));
    return std::unique_ptr<SampleSink>(
        std::make_unique<WavSink>(stage.output, stage.job, rate, channels));
}

}  // namespace

Outcome make_sound(Stage& stage) {
    const int rate = rate_of(stage.job);
    const Channels channels(stage.job);
    auto sink = make_sink(stage, rate, channels.count());
    if (!sink) return sink.error();
    Mixer mixer(channels.count());
    const std::int64_t end = stage.job.duration_ms * rate / 1000;
    SoundStreams streams(
        stage, rate,
        [&](const Stream& stream, std::int64_t sample, std::span<const std::int16_t> samples) {
            mixer.add(channels.of(stream), sample, samples);
        });
    UnitQueue units(stage.job);
    const auto flush = [&](std::int64_t until) -> Outcome {
        const std::vector<std::int16_t> samples = mixer.take_until(std::min(until, end));
        if (samples.empty()) return base::Done{};
        return (*sink)->add(samples);
    };
    while (true) {
        auto record = stage.input.next();
        if (!record) return record.error();
        if (!record->has_value()) break;
        units.add(**record);
        while (auto unit = units.poll()) streams.add(*unit);
        const std::int64_t position_ms = (*record)->header.position_ns / 1'000'000;
        const std::int64_t settled = (position_ms - kSettleMs) * rate / 1000;
        if (settled < mixer.position() + rate / 10) continue;
        if (auto done = flush(settled); !done) return done;
        stage.on_progress((*record)->header.position_ns);
    }
    units.finish();
    while (auto unit = units.poll()) streams.add(*unit);
    streams.finish();
    if (!streams.has_any())
        return base::Reason{"no_audio", "Nothing of this recording can be decoded as sound."};
    while (mixer.position() < end)  // in pieces: a long silence is no reason to need much memory
        if (auto done = flush(mixer.position() + rate); !done) return done;
    return (*sink)->finish();
}

}  // namespace earshot::media
