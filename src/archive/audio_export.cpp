#include "archive/audio_export.h"

#include <algorithm>
#include <array>
#include <cstdlib>

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
    void set_rate(std::uint32_t rate) { resampler_.emplace(layout_.format.rate, rate); }

    base::Result<base::Done, base::Reason> read(std::span<std::int16_t> out) {
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
        base::Bytes bytes(2 * frames);
        const auto count = file_->read_at(layout_.data_offset + 2 * next_frame_, bytes);
        if (!count) return part_reason(count.error(), part_);
        if (*count != bytes.size()) {
            return part_reason({base::Errc::Malformed, "the file is cut", *count}, part_);
        }
        std::vector<std::int16_t> samples(frames);
        for (std::size_t i = 0; i < frames; ++i) {
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
    if (layout->bits != 16 || layout->is_float || layout->format.channels != 1) {
        return part_reason({base::Errc::Malformed, "no track of ours"}, part);
    }
    return std::make_unique<TrackSource>(std::move(*file), *layout, part);
}

}  // namespace

std::vector<std::size_t> stereo_channels(const Summary& summary) {
    const std::vector<std::size_t> streams = audio_streams(summary);
    std::vector<std::size_t> channels(streams.size(), 1);
    const auto is_sent_by = [&](std::size_t place, const std::string& aor) {
        const StreamSummary& stream = summary.streams[streams[place]];
        return stream.packets > 0 && !stream.senders.empty() && stream.senders.front() == aor;
    };
    for (const ParticipantSummary& participant : summary.participants) {
        bool is_found = false;
        for (std::size_t i = 0; i < streams.size(); ++i) {
            if (!is_sent_by(i, participant.aor)) continue;
            channels[i] = 0;
            is_found = true;
        }
        if (is_found) return channels;
    }
    for (std::size_t i = 0; i < streams.size(); ++i) {
        if (summary.streams[streams[i]].packets == 0) continue;
        channels[i] = 0;
        break;
    }
    return channels;
}

base::Result<std::unique_ptr<Rendering>, base::Reason> render_audio(
    const StoredRecording& recording, bool is_stereo) {
    const auto summary = recording.summary();
    if (!summary) return summary.error();
    const std::vector<std::size_t> streams = audio_streams(*summary);
    const std::vector<std::size_t> sides = stereo_channels(*summary);
    std::vector<Input> inputs;
    std::uint32_t rate = 0;
    for (std::size_t i = 0; i < streams.size(); ++i) {
        Input input{.track = nullptr, .channel = is_stereo ? sides[i] : i};
        const std::string& name = summary->streams[streams[i]].track;
        if (!name.empty()) {
            auto track = open_track(recording, name);
            if (!track) return track.error();
            input.track = std::move(*track);
            rate = std::max(rate, input.track->rate());
        }
        inputs.push_back(std::move(input));
    }
    if (rate == 0) {
        return base::Reason{"no_audio", "Nothing of this recording can be decoded to audio."};
    }
    for (Input& input : inputs) {
        if (!input.track) continue;
        if (!audio::can_resample(input.track->rate(), rate)) {
            return part_reason({base::Errc::Malformed, "a track's rate is none of ours"}, "tracks");
        }
        input.track->set_rate(rate);
    }
    // No recorder runs for a century: a stored duration beyond that is damage.
    constexpr std::int64_t kMaxDurationMs = 100LL * 365 * 86'400 * 1000;
    const std::int64_t duration_ms = summary->duration_ms.value_or(0);
    if (duration_ms > kMaxDurationMs || inputs.size() > kMaxStreams) {
        return part_reason({base::Errc::Malformed, "duration or streams out of range"},
                           "summary.json");
    }
    const audio::WavFormat format{
        .rate = rate, .channels = static_cast<std::uint16_t>(is_stereo ? 2 : inputs.size())};
    const auto frames = static_cast<std::uint64_t>(duration_ms) * rate / 1000;
    return std::unique_ptr<Rendering>(
        std::make_unique<AudioRendering>(std::move(inputs), format, frames));
}

}  // namespace earshot::archive
