#include "archive/track_writer.h"

#include <algorithm>
#include <map>
#include <optional>

#include "archive/codec_lookup.h"
#include "audio/peaks.h"
#include "audio/resampler.h"
#include "audio/wav.h"

namespace earshot::archive {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::size_t kBufferBytes = 64ULL * 1024;

// Samples as bytes, in a way of their own: PCM16, and octets of a law.
struct Pcm16 {
    using Sample = std::int16_t;
    static constexpr std::uint64_t kBytes = 2;

    static audio::WavFormat format(std::uint32_t rate) { return {.rate = rate, .channels = 1}; }
    static std::uint8_t silence() { return 0; }
    static audio::Peak peak(std::span<const Sample> samples) { return audio::find_peak(samples); }
    static void append(std::span<const Sample> samples, base::Bytes& out) {
        audio::append_samples(samples, out);
    }
};

struct G711 {
    using Sample = std::uint8_t;
    static constexpr std::uint64_t kBytes = 1;
    audio::G711Law law;

    audio::WavFormat format(std::uint32_t rate) const {
        return {.rate = rate, .channels = 1, .law = law};
    }
    // The positive one of the values nearest to zero: 0 of mu-law, 8 of A-law, which has no zero.
    std::uint8_t silence() const { return law == audio::G711Law::Mu ? 0xff : 0xd5; }
    audio::Peak peak(std::span<const Sample> samples) const {
        return audio::find_peak(law, samples);
    }
    static void append(std::span<const Sample> samples, base::Bytes& out) {
        base::append(out, samples);
    }
};

// Writes samples at growing positions of a WAV file whose length is known, and silence between.
template <class Form>
class SampleFile {
public:
    using Sample = typename Form::Sample;

    SampleFile(io::File& file, const Form& form, std::uint32_t rate, std::int64_t duration_ms)
        : file_(file),
          form_(form),
          rate_(rate),
          frames_(static_cast<std::uint64_t>(duration_ms) * rate / 1000),
          buffer_(audio::make_wav_header(form.format(rate), frames_)) {
        const auto peaks =
            static_cast<std::size_t>((duration_ms + kPeakIntervalMs - 1) / kPeakIntervalMs);
        track_.peak_min.assign(peaks, 0);
        track_.peak_max.assign(peaks, 0);
        const std::uint64_t size = buffer_.size() + Form::kBytes * frames_;
        buffer_.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(size, 2 * kBufferBytes)));
    }

    // Samples outside [0, frames) are cut off; positions do not go back.
    void write(std::int64_t position, std::span<const Sample> samples) {
        const auto frames = static_cast<std::int64_t>(frames_);
        if (position < 0) {
            const auto cut =
                std::min<std::int64_t>(-position, static_cast<std::int64_t>(samples.size()));
            samples = samples.subspan(static_cast<std::size_t>(cut));
            position += cut;
        }
        if (position >= frames || samples.empty()) return;
        samples = samples.first(static_cast<std::size_t>(
            std::min<std::int64_t>(frames - position, static_cast<std::int64_t>(samples.size()))));
        add_peaks(position, samples);
        fill_to(static_cast<std::uint64_t>(position));
        form_.append(samples, buffer_);
        next_ += samples.size();
        if (buffer_.size() >= kBufferBytes) flush();
    }

    base::Result<Track> finish(std::vector<NoiseMark> noise) {
        fill_to(frames_);
        if (Form::kBytes * frames_ % 2 != 0) buffer_.push_back(0);  // make_wav_header()
        flush();
        if (error_) return *error_;
        track_.noise = std::move(noise);
        return std::move(track_);
    }

private:
    void fill_to(std::uint64_t position) {
        while (next_ < position) {
            const std::uint64_t count = std::min<std::uint64_t>(position - next_, kBufferBytes);
            buffer_.insert(buffer_.end(), static_cast<std::size_t>(Form::kBytes * count),
                           form_.silence());
            next_ += count;
            if (buffer_.size() >= kBufferBytes) flush();
        }
    }
    void flush() {
        const auto written = file_.write_at(stored_, buffer_);
        if (!written && !error_) error_ = written.error();
        stored_ += buffer_.size();
        buffer_.clear();
    }
    void add_peaks(std::int64_t position, std::span<const Sample> samples) {
        for (std::size_t i = 0; i < samples.size();) {
            const auto at = static_cast<std::uint64_t>(position) + i;
            const std::uint64_t peak = at * 1000 / kPeakIntervalMs / rate_;
            const std::uint64_t next = ((peak + 1) * rate_ * kPeakIntervalMs + 999) / 1000;
            const auto count =
                static_cast<std::size_t>(std::min<std::uint64_t>(next - at, samples.size() - i));
            if (peak >= track_.peak_min.size()) return;
            const audio::Peak part = form_.peak(samples.subspan(i, count));
            auto& min = track_.peak_min[static_cast<std::size_t>(peak)];
            auto& max = track_.peak_max[static_cast<std::size_t>(peak)];
            min = std::min(min, part.low);
            max = std::max(max, part.high);
            i += count;
        }
    }

    io::File& file_;
    const Form form_;
    const std::uint32_t rate_;
    const std::uint64_t frames_;
    Track track_;
    base::Bytes buffer_;
    std::uint64_t next_ = 0;    // frame that is written next
    std::uint64_t stored_ = 0;  // bytes on their way
    std::optional<base::Error> error_;
};

// What a packet holds to be heard.
struct PacketAudio {
    Codec codec;
    base::ByteView payload;
    std::uint8_t source = 0;
};

// Joins packets that follow each other without a gap into runs.
class Runs {
public:
    // Of `samples` at `position`, counted at `rate` from the recording's start, those that are new.
    template <class Sample>
    std::span<const Sample> add(std::int64_t position, std::uint32_t rate,
                                std::span<const Sample> samples) {
        begins_ = rate != rate_ || position > next_ + kSlack || rate_ == 0;
        if (begins_) {
            next_ = position;
            rate_ = rate;
        } else if (position < next_ - kSlack) {
            // Two sources at once, or a repeated packet of other bytes: what came first stays.
            const auto overlap = static_cast<std::size_t>(std::min<std::int64_t>(
                next_ - position, static_cast<std::int64_t>(samples.size())));
            samples = samples.subspan(overlap);
        }
        next_ += static_cast<std::int64_t>(samples.size());
        return samples;
    }
    bool begins() const { return begins_; }  // a run, with what was added last

private:
    // Rounding of positions to whole samples is no gap.
    static constexpr std::int64_t kSlack = 1;

    bool begins_ = false;
    std::uint32_t rate_ = 0;
    std::int64_t next_ = 0;  // position at which the run goes on, at its rate
};

// G.711 as it came. All of it has the track's rate.
class G711Track {
public:
    G711Track(io::File& file, const TrackForm& form, std::int64_t duration_ms)
        : file_(file, G711{*form.law}, form.rate, duration_ms) {}

    void add(std::int64_t position, const PacketAudio& audio) {
        const std::span<const std::uint8_t> octets =
            runs_.add(position, audio.codec.sample_rate, audio.payload);
        // A run may not begin inside the one before.
        if (runs_.begins()) out_ = std::max(position, out_);
        file_.write(out_, octets);
        out_ += static_cast<std::int64_t>(octets.size());
    }
    base::Result<Track> finish(std::vector<NoiseMark> noise) {
        return file_.finish(std::move(noise));
    }

private:
    SampleFile<G711> file_;
    Runs runs_;
    std::int64_t out_ = INT64_MIN / 4;  // position in the track
};

// PCM16: each run is converted to the track's rate by one filter, so that packet borders are not
// heard.
class PcmTrack {
public:
    PcmTrack(io::File& file, const TrackForm& form, std::int64_t duration_ms)
        : file_(file, Pcm16{}, form.rate, duration_ms), track_rate_(form.rate) {}

    void add(std::int64_t position, const PacketAudio& audio) {
        decoded_.clear();
        decoders_[audio.source].decode(audio.codec, audio.payload, decoded_);
        const std::uint32_t rate = audio.codec.sample_rate;
        const std::span<const std::int16_t> samples =
            runs_.add(position, rate, std::span<const std::int16_t>(decoded_));
        if (runs_.begins()) {
            end();
            begin(position, rate);
        }
        if (resampler_ != nullptr) {
            resampler_->push(samples, converted_);
            drain();
        } else {
            file_.write(out_, samples);
            out_ += static_cast<std::int64_t>(samples.size());
        }
    }

    base::Result<Track> finish(std::vector<NoiseMark> noise) {
        end();
        return file_.finish(std::move(noise));
    }

private:
    void begin(std::int64_t position, std::uint32_t rate) {
        const std::int64_t out = position * track_rate_ / rate;
        // A run may not begin inside the one before: after a change of rate it may by rounding.
        out_ = std::max(out, out_);
        if (rate == track_rate_) return;
        // Kept and used again: a sender that changes its codec with each packet must not have a
        // filter designed for each.
        resampler_ = &resamplers_.try_emplace(rate, rate, track_rate_).first->second;
    }
    void end() {
        if (resampler_ == nullptr) return;
        resampler_->finish(converted_);
        drain();
        resampler_ = nullptr;
    }
    void drain() {
        file_.write(out_, converted_);
        out_ += static_cast<std::int64_t>(converted_.size());
        converted_.clear();
    }

    SampleFile<Pcm16> file_;
    const std::uint32_t track_rate_;
    Runs runs_;
    std::map<std::uint8_t, AudioDecoder> decoders_;  // by source
    std::vector<std::int16_t> decoded_;
    std::int64_t out_ = INT64_MIN / 4;                      // position in the track
    std::map<std::uint32_t, audio::Resampler> resamplers_;  // by their input's rate
    audio::Resampler* resampler_ = nullptr;                 // of the present run; null: none needed
    std::vector<std::int16_t> converted_;
};

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
    return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

// Exact within a segment: its anchor is rounded once, the ticks are whole samples where the rate is
// a multiple of the clock.
std::int64_t sample_position(const Segment& segment, std::int64_t ticks, std::uint32_t rate) {
    const std::int64_t seconds = floor_divide(segment.anchor_ns, kSecondNs);
    const std::int64_t rest = segment.anchor_ns - seconds * kSecondNs;
    const std::int64_t anchor = seconds * rate + (rest * rate + kSecondNs / 2) / kSecondNs;
    return anchor + floor_divide(ticks * rate, segment.clock_rate);
}

}  // namespace

base::Result<journal::Record> StoredRecords::find(const RecordPlace& place) {
    const auto raw = find_block(place.block);
    if (!raw) return raw.error();
    journal::Record record;
    const auto found = BlockRecords(*raw, place.offset).next(record);
    if (!found) return found.error();
    if (!*found) return base::Error{base::Errc::Malformed, "record is missing"};
    return record;
}

base::Result<base::ByteView> StoredRecords::find_block(std::uint32_t number) {
    if (const base::ByteView kept = writer_.kept_block(number); !kept.empty()) return kept;
    auto* cached = std::find_if(cache_.begin(), cache_.end(),
                                [&](const Cached& c) { return c.number == number; });
    if (cached == cache_.end()) {
        cached = std::min_element(cache_.begin(), cache_.end(),
                                  [](const Cached& a, const Cached& b) { return a.used < b.used; });
        const std::vector<std::uint64_t>& offsets = writer_.block_offsets();
        if (number >= offsets.size()) return base::Error{base::Errc::Malformed, "no such block"};
        reader_.seek(offsets[number]);
        auto block = reader_.next();
        if (!block) return block.error();
        if (!block->has_value()) return base::Error{base::Errc::Malformed, "block is missing"};
        cached->number = number;
        cached->raw = std::move((*block)->raw);
    }
    cached->used = ++clock_;
    return base::ByteView(cached->raw);
}

std::optional<TrackForm> find_track_form(const std::vector<PacketEntry>& entries,
                                         const Timeline& timeline, const StreamFacts& facts) {
    std::optional<TrackForm> form;
    CodecLookup codecs(facts);
    std::array<bool, 128> is_known{};
    for (const PlacedPacket& packet : timeline.packets) {
        const PacketEntry& entry = entries[packet.entry];
        auto& known = is_known.at(entry.payload_type & 0x7fU);
        if (known && facts.formats.size() <= 1) continue;
        known = true;
        const Codec& codec = codecs.of(entry);
        if (!codec.is_decoded()) continue;
        if (!form) form = {.rate = codec.sample_rate, .law = codec.law()};
        form->rate = std::max(form->rate, codec.sample_rate);
        if (form->law != codec.law()) form->law.reset();
    }
    return form;
}

namespace {

template <class Writer>
base::Result<Track> fill_track(Writer writer, std::int64_t duration_ms,
                               const std::vector<PacketEntry>& entries, const Timeline& timeline,
                               const StreamFacts& facts, StoredRecords& records) {
    CodecLookup codecs(facts);
    std::vector<NoiseMark> noise;
    std::optional<std::int64_t> noise_from_ns;
    const std::int64_t duration_ns = duration_ms * 1'000'000;
    const auto end_noise = [&](std::int64_t at_ns) {
        if (!noise_from_ns || noise.size() >= kMaxGaps) return;
        const std::int64_t from_ms = std::max<std::int64_t>(*noise_from_ns / 1'000'000, 0);
        noise.push_back({from_ms, std::max<std::int64_t>(at_ns / 1'000'000 - from_ms, 0)});
        noise_from_ns.reset();
    };
    for (const PlacedPacket& packet : timeline.packets) {
        if (packet.position_ns >= duration_ns) break;  // nobody makes a track longer than the call
        const PacketEntry& entry = entries[packet.entry];
        const Codec& codec = codecs.of(entry);
        if (codec.kind == CodecKind::ComfortNoise && !noise_from_ns) {
            noise_from_ns = packet.position_ns;
        }
        if (!codec.is_decoded()) continue;
        end_noise(packet.position_ns);
        const auto record = records.find(entry.place);
        if (!record) return record.error();
        const std::size_t begin = journal::kSourceSize + entry.header_size;
        if (record->payload.size() < begin + entry.payload_size) continue;
        const Segment& segment = timeline.segments[packet.segment];
        writer.add(sample_position(segment, packet.ticks, codec.sample_rate),
                   {.codec = codec,
                    .payload = record->payload.subspan(begin, entry.payload_size),
                    .source = entry.source});
    }
    end_noise(duration_ns);
    return writer.finish(std::move(noise));
}

}  // namespace

base::Result<Track> write_track(io::File& file, const TrackForm& form, std::int64_t duration_ms,
                                const std::vector<PacketEntry>& entries, const Timeline& timeline,
                                const StreamFacts& facts, StoredRecords& records) {
    if (form.law)
        return fill_track(G711Track(file, form, duration_ms), duration_ms, entries, timeline, facts,
                          records);
    return fill_track(PcmTrack(file, form, duration_ms), duration_ms, entries, timeline, facts,
                      records);
}

}  // namespace earshot::archive
