#include "archive/audio_export.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>

#include "audio/resampler.h"
#include "audio/wav.h"

namespace earshot::archive {
namespace {

constexpr std::size_t kChunkSamples = 32ULL * 1024;  // of all channels together

bool is_safe_name(std::string_view name) {  // stored files are not trusted: no way out of tracks/
    return !name.empty() && name.find('/') == std::string_view::npos && name.front() != '.';
}

// One track, read forward and converted to the export's rate; silence after its end.
class TrackSource {
public:
    TrackSource(std::unique_ptr<io::File> file, const audio::WavLayout& layout, std::string part)
        : file_(std::move(file)), layout_(layout), part_(std::move(part)) {}

    std::uint32_t rate() const { return layout_.format.rate; }
    // That of the export, and how many samples of it pass before the track begins.
    void set_rate(std::uint32_t rate, std::uint64_t lead) {
        resampler_.emplace(layout_.format.rate, rate);
        lead_ = lead;
    }

    base::Result<base::Done, base::Reason> read(std::span<std::int16_t> out) {
        const auto silent = static_cast<std::size_t>(std::min<std::uint64_t>(lead_, out.size()));
        std::fill_n(out.begin(), silent, std::int16_t{0});
        lead_ -= silent;
        out = out.subspan(silent);
        while (ready_.size() < out.size() && !is_finished_) {
            if (auto failure = read_more()) return *failure;
        }
        const std::size_t count = std::min(out.size(), ready_.size());
        std::copy_n(ready_.begin(), count, out.begin());
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(count), out.end(), std::int16_t{0});
        ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(count));
        return base::Done{};
    }

private:
    std::optional<base::Reason> read_more() {
        const std::uint64_t left = layout_.frames - next_frame_;
        const auto frames = static_cast<std::size_t>(std::min<std::uint64_t>(left, 16ULL * 1024));
        const std::size_t size = layout_.bits / 8;
        base::Bytes bytes(size * frames);
        const auto count = file_->read_at(layout_.data_offset + size * next_frame_, bytes);
        if (!count) return part_reason(count.error(), part_);
        if (*count != bytes.size()) {
            return part_reason({base::Errc::Malformed, "the file is cut", *count}, part_);
        }
        std::vector<std::int16_t> samples(frames);
        if (layout_.format.law) {
            audio::decode_g711(*layout_.format.law, bytes, samples);
        } else {
            for (std::size_t i = 0; i < frames; ++i)
                samples[i] = static_cast<std::int16_t>(base::load_le<std::uint16_t>(bytes, 2 * i));
        }
        next_frame_ += frames;
        resampler_->push(samples, ready_);
        if (next_frame_ == layout_.frames) {
            resampler_->finish(ready_);
            is_finished_ = true;
        }
        return std::nullopt;
    }

    std::unique_ptr<io::File> file_;
    audio::WavLayout layout_;
    std::string part_;
    std::uint64_t next_frame_ = 0;
    std::optional<audio::Resampler> resampler_;
    std::uint64_t lead_ = 0;
    std::vector<std::int16_t> ready_;
    bool is_finished_ = false;
};

// A stream's place in the export: its track, where it has one, and its channel.
struct Input {
    std::unique_ptr<TrackSource> track;
    std::size_t channel = 0;
};

// Beyond three quarters of the range a sum of voices is bent instead of cut: no crackling.
std::int16_t limit_mix(int sum) {
    constexpr int kKnee = 24'576;
    constexpr int kRoom = 32'767 - kKnee;
    const int over = std::abs(sum) - kKnee;
    if (over <= 0) return static_cast<std::int16_t>(sum);
    const int bent = kKnee + over * kRoom / (over + kRoom);
    return static_cast<std::int16_t>(sum < 0 ? -bent : bent);
}

class AudioRendering : public Rendering {
public:
    AudioRendering(std::vector<Input> inputs, const audio::WavFormat& format, std::uint64_t frames)
        : inputs_(std::move(inputs)),
          voices_(format.channels, 0),
          channels_(format.channels),
          frames_(frames),
          header_(audio::make_wav_header(format, frames)) {
        for (const Input& input : inputs_) {
            if (input.track) ++voices_[input.channel];
        }
    }

    std::optional<std::uint64_t> size() const override {
        return header_.size() + 2 * frames_ * channels_;
    }

    base::Result<bool, base::Reason> next(std::string& chunk) override {
        chunk.clear();
        if (!is_begun_) {
            chunk = base::as_text(header_);
            is_begun_ = true;
            return true;
        }
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(
            frames_ - done_, std::max<std::size_t>(kChunkSamples / channels_, 1)));
        if (count == 0) return false;
        std::vector<int> mixed(count * channels_, 0);
        std::vector<std::int16_t> samples(count);
        for (Input& input : inputs_) {
            if (!input.track) continue;  // a codec that we do not decode: its channel stays silent
            auto read = input.track->read(samples);
            if (!read) return read.error();
            for (std::size_t i = 0; i < count; ++i)
                mixed[i * channels_ + input.channel] += samples[i];
        }
        std::vector<std::int16_t> out(mixed.size());
        for (std::size_t i = 0; i < mixed.size(); ++i) {
            // One voice alone is left exactly as it was.
            out[i] = voices_[i % channels_] > 1 ? limit_mix(mixed[i])
                                                : static_cast<std::int16_t>(mixed[i]);
        }
        base::Bytes bytes;
        audio::append_samples(out, bytes);
        chunk = base::as_text(bytes);
        done_ += count;
        return true;
    }

private:
    std::vector<Input> inputs_;
    std::vector<std::size_t> voices_;  // tracks in each channel
    std::size_t channels_;
    std::uint64_t frames_;
    base::Bytes header_;
    bool is_begun_ = false;
    std::uint64_t done_ = 0;
};

std::vector<std::size_t> audio_streams(const Summary& summary) {
    std::vector<std::size_t> result;
    for (const std::size_t index : streams_by_label(summary)) {
        if (summary.streams[index].media == "audio") result.push_back(index);
    }
    return result;
}

base::Result<std::unique_ptr<TrackSource>, base::Reason> open_track(
    const StoredRecording& recording, const std::string& name) {
    const std::string part = "tracks/" + name + ".wav";
    if (!is_safe_name(name)) {
        return part_reason({base::Errc::Malformed, "a track's name leads elsewhere"},
                           "summary.json");
    }
    auto file = recording.open(part);
    if (!file) return file.error();
    const auto size = (*file)->size();
    if (!size) return part_reason(size.error(), part);
    base::Bytes head(audio::kMaxWavHeadBytes);
    const auto count = (*file)->read_at(0, head);
    if (!count) return part_reason(count.error(), part);
    const auto layout = audio::parse_wav_head(base::ByteView(head).first(*count), *size);
    if (!layout) return part_reason(layout.error(), part);
    const bool is_ours = layout->format.law ? layout->bits == 8 : layout->bits == 16;
    if (!is_ours || layout->is_float || layout->format.channels != 1) {
        return part_reason({base::Errc::Malformed, "no track of ours"}, part);
    }
    return std::make_unique<TrackSource>(std::move(*file), *layout, part);
}

// An audio stream of one of the pieces.
struct Voice {
    std::size_t piece = 0;
    const StreamSummary* stream = nullptr;

    bool is_sent_by(const std::string& aor) const {
        return stream->packets > 0 && !stream->senders.empty() && stream->senders.front() == aor;
    }
};

std::vector<Voice> voices_of(std::span<const Summary> pieces) {
    std::vector<Voice> voices;
    for (std::size_t piece = 0; piece < pieces.size(); ++piece)
        for (const std::size_t index : audio_streams(pieces[piece]))
            voices.push_back({piece, &pieces[piece].streams[index]});
    return voices;
}

// No recorder runs for a century: a stored duration beyond that is damage.
constexpr std::int64_t kMaxDurationMs = 100LL * 365 * 86'400 * 1000;

// Where each piece begins, and where the last one ends.
struct Layout {
    std::vector<std::int64_t> begin_ms;
    std::int64_t duration_ms = 0;
};

std::optional<Layout> lay_out(std::span<const Summary> pieces) {
    Layout layout;
    base::WallTime start = pieces.front().start;
    for (const Summary& piece : pieces) start = std::min(start, piece.start);
    for (const Summary& piece : pieces) {
        const std::int64_t lasts = piece.duration_ms.value_or(0);
        const std::int64_t begin =
            std::chrono::duration_cast<std::chrono::milliseconds>(piece.start - start).count();
        if (begin > kMaxDurationMs || lasts > kMaxDurationMs) return std::nullopt;
        layout.begin_ms.push_back(begin);
        layout.duration_ms = std::max(layout.duration_ms, begin + lasts);
    }
    return layout;
}

std::uint64_t frames_of(std::int64_t ms, std::uint32_t rate) {
    return static_cast<std::uint64_t>(ms) * rate / 1000;
}

using Tracks = base::Result<std::vector<Input>, base::Reason>;

Tracks open_tracks(std::span<const StoredRecording> pieces, const std::vector<Voice>& voices,
                   const std::vector<std::size_t>& channels) {
    std::vector<Input> inputs;
    for (std::size_t i = 0; i < voices.size(); ++i) {
        Input input{.track = nullptr, .channel = channels[i]};
        const std::string& name = voices[i].stream->track;
        if (!name.empty()) {
            auto track = open_track(pieces[voices[i].piece], name);
            if (!track) return track.error();
            input.track = std::move(*track);
        }
        inputs.push_back(std::move(input));
    }
    return inputs;
}

}  // namespace

std::vector<std::size_t> stereo_channels(std::span<const Summary> pieces) {
    const std::vector<Voice> voices = voices_of(pieces);
    std::vector<std::size_t> channels(voices.size(), 1);
    for (const Summary& piece : pieces) {
        for (const ParticipantSummary& participant : piece.participants) {
            bool is_found = false;
            for (std::size_t i = 0; i < voices.size(); ++i) {
                if (!voices[i].is_sent_by(participant.aor)) continue;
                channels[i] = 0;
                is_found = true;
            }
            if (is_found) return channels;
        }
    }
    std::vector<std::size_t> counts(pieces.size(), 0);
    for (const Voice& voice : voices) ++counts[voice.piece];
    std::vector<bool> has_left(pieces.size(), false);
    bool any_left = false;
    for (std::size_t i = 0; i < voices.size(); ++i) {
        const std::size_t piece = voices[i].piece;
        if (voices[i].stream->packets == 0 || has_left[piece] || (counts[piece] == 1 && any_left))
            continue;
        channels[i] = 0;
        has_left[piece] = true;
        any_left = true;
    }
    return channels;
}

base::Result<std::unique_ptr<Rendering>, base::Reason> render_audio(
    std::span<const StoredRecording> pieces, bool is_stereo) {
    std::vector<Summary> summaries;
    for (const StoredRecording& piece : pieces) {
        auto summary = piece.summary();
        if (!summary) return summary.error();
        summaries.push_back(std::move(*summary));
    }
    const std::vector<Voice> voices = voices_of(summaries);
    std::vector<std::size_t> channels = stereo_channels(summaries);
    if (!is_stereo) std::iota(channels.begin(), channels.end(), 0);
    auto inputs = open_tracks(pieces, voices, channels);
    if (!inputs) return inputs.error();
    std::uint32_t rate = 0;
    for (const Input& input : *inputs)
        if (input.track) rate = std::max(rate, input.track->rate());
    if (rate == 0) {
        return base::Reason{"no_audio", "Nothing of this recording can be decoded to audio."};
    }
    const auto layout = lay_out(summaries);
    if (!layout || inputs->size() > kMaxStreams) {
        return part_reason({base::Errc::Malformed, "duration or streams out of range"},
                           "summary.json");
    }
    for (std::size_t i = 0; i < inputs->size(); ++i) {
        TrackSource* track = (*inputs)[i].track.get();
        if (track == nullptr) continue;
        if (!audio::can_resample(track->rate(), rate)) {
            return part_reason({base::Errc::Malformed, "a track's rate is none of ours"}, "tracks");
        }
        track->set_rate(rate, frames_of(layout->begin_ms[voices[i].piece], rate));
    }
    const audio::WavFormat format{
        .rate = rate, .channels = static_cast<std::uint16_t>(is_stereo ? 2 : inputs->size())};
    return std::unique_ptr<Rendering>(std::make_unique<AudioRendering>(
        std::move(*inputs), format, frames_of(layout->duration_ms, rate)));
}

}  // namespace earshot::archive
