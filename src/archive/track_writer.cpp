#include "archive/track_writer.h"

#include <algorithm>
#include <map>
#include <optional>

#include "audio/peaks.h"
#include "audio/resampler.h"
#include "audio/wav.h"
#include "rtp/rtp_packet.h"

namespace earshot::archive {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::size_t kBufferSamples = 64ULL * 1024;

// Writes samples at growing positions of a WAV file whose length is known; what is never written
// stays a hole of zeros.
class SampleFile {
public:
    SampleFile(io::File& file, std::uint32_t rate, std::int64_t duration_ms)
        : file_(file), header_(audio::make_wav_header({.rate = rate, .channels = 1}, 0)) {
        track_.rate = rate;
        track_.frames = static_cast<std::uint64_t>(duration_ms) * rate / 1000;
        header_ = audio::make_wav_header({.rate = rate, .channels = 1}, track_.frames);
        const auto peaks =
            static_cast<std::uint64_t>((duration_ms + kPeakIntervalMs - 1) / kPeakIntervalMs);
        track_.peak_min.assign(static_cast<std::size_t>(peaks), 0);
        track_.peak_max.assign(static_cast<std::size_t>(peaks), 0);
        keep(file_.write_at(0, header_));
    }

    // Samples outside [0, frames) are cut off; positions do not go back.
    void write(std::int64_t position, std::span<const std::int16_t> samples) {
        const auto frames = static_cast<std::int64_t>(track_.frames);
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
        const bool follows = position == buffer_start_ + static_cast<std::int64_t>(buffer_.size());
        if (!follows || buffer_.size() >= kBufferSamples) flush();
        if (buffer_.empty()) buffer_start_ = position;
        buffer_.insert(buffer_.end(), samples.begin(), samples.end());
    }

    base::Result<Track> finish(std::vector<NoiseMark> noise) {
        flush();
        keep(file_.truncate(header_.size() + 2 * track_.frames));
        if (error_) return *error_;
        track_.noise = std::move(noise);
        return std::move(track_);
    }

private:
    void keep(const base::Result<base::Done>& result) {
        if (!result && !error_) error_ = result.error();
    }
    void flush() {
        if (buffer_.empty()) return;
        base::Bytes bytes;
        audio::append_samples(buffer_, bytes);
        keep(file_.write_at(header_.size() + 2 * static_cast<std::uint64_t>(buffer_start_), bytes));
        buffer_.clear();
    }
    void add_peaks(std::int64_t position, std::span<const std::int16_t> samples) {
        for (std::size_t i = 0; i < samples.size();) {
            const auto at = static_cast<std::uint64_t>(position) + i;
            const std::uint64_t peak = at * 1000 / kPeakIntervalMs / track_.rate;
            const std::uint64_t next = ((peak + 1) * track_.rate * kPeakIntervalMs + 999) / 1000;
            const auto count =
                static_cast<std::size_t>(std::min<std::uint64_t>(next - at, samples.size() - i));
            if (peak >= track_.peak_min.size()) return;
            const audio::Peak part = audio::find_peak(samples.subspan(i, count));
            auto& min = track_.peak_min[static_cast<std::size_t>(peak)];
            auto& max = track_.peak_max[static_cast<std::size_t>(peak)];
            min = std::min(min, part.low);
            max = std::max(max, part.high);
            i += count;
        }
    }

    io::File& file_;
    base::Bytes header_;
    Track track_;
    std::vector<std::int16_t> buffer_;
    std::int64_t buffer_start_ = 0;
    std::optional<base::Error> error_;
};

// Joins packets that follow each other without a gap into runs, each converted to the track's rate
// by one filter, so that packet borders are not heard.
class RunJoiner {
public:
    RunJoiner(SampleFile& file, std::uint32_t track_rate) : file_(file), track_rate_(track_rate) {}

    // `position` in samples of `rate` from the recording's start.
    void add(std::int64_t position, std::uint32_t rate, std::span<const std::int16_t> samples) {
        if (rate != rate_ || position > next_ + kSlack || rate_ == 0) {
            end();
            begin(position, rate);
        } else if (position < next_ - kSlack) {
            // Two sources at once, or a repeated packet of other bytes: what came first stays.
            const auto overlap = static_cast<std::size_t>(std::min<std::int64_t>(
                next_ - position, static_cast<std::int64_t>(samples.size())));
            samples = samples.subspan(overlap);
        }
        next_ += static_cast<std::int64_t>(samples.size());
        if (resampler_ != nullptr) {
            resampler_->push(samples, converted_);
            drain();
        } else {
            file_.write(out_, samples);
            out_ += static_cast<std::int64_t>(samples.size());
        }
    }

    void end() {
        if (resampler_ == nullptr) return;
        resampler_->finish(converted_);
        drain();
        resampler_ = nullptr;
    }

private:
    // Rounding of positions to whole samples is no gap.
    static constexpr std::int64_t kSlack = 1;

    void begin(std::int64_t position, std::uint32_t rate) {
        const std::int64_t out = position * track_rate_ / rate;
        // A run may not begin inside the one before: after a change of rate it may by rounding.
        out_ = std::max(out, out_);
        rate_ = rate;
        next_ = position;
        if (rate == track_rate_) return;
        // Kept and used again: a sender that changes its codec with each packet must not have a
        // filter designed for each.
        resampler_ = &resamplers_.try_emplace(rate, rate, track_rate_).first->second;
    }
    void drain() {
        file_.write(out_, converted_);
        out_ += static_cast<std::int64_t>(converted_.size());
        converted_.clear();
    }

    SampleFile& file_;
    const std::uint32_t track_rate_;
    std::uint32_t rate_ = 0;
    std::int64_t next_ = 0;             // position at which the run goes on, at its rate
    std::int64_t out_ = INT64_MIN / 4;  // the same in the track
    std::map<std::uint32_t, audio::Resampler> resamplers_;  // by their input's rate
    audio::Resampler* resampler_ = nullptr;                 // of the present run; null: none needed
    std::vector<std::int16_t> converted_;
};

Codec codec_of(const PacketEntry& entry, const StreamFacts& facts) {
    return find_codec(facts.find_format(entry.payload_type, entry.arrival_ns), facts.is_audio());
}

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

std::uint32_t find_track_rate(const std::vector<PacketEntry>& entries, const Timeline& timeline,
                              const StreamFacts& facts) {
    std::uint32_t rate = 0;
    std::array<bool, 128> is_known{};
    for (const PlacedPacket& packet : timeline.packets) {
        const PacketEntry& entry = entries[packet.entry];
        auto& known = is_known.at(entry.payload_type & 0x7fU);
        if (known && facts.formats.size() <= 1) continue;
        known = true;
        rate = std::max(rate, codec_of(entry, facts).sample_rate);
    }
    return rate;
}

base::Result<Track> write_track(io::File& file, std::uint32_t rate, std::int64_t duration_ms,
                                const std::vector<PacketEntry>& entries, const Timeline& timeline,
                                const StreamFacts& facts, StoredRecords& records) {
    SampleFile samples(file, rate, duration_ms);
    RunJoiner joiner(samples, rate);
    std::map<std::uint8_t, AudioDecoder> decoders;  // by source
    std::vector<NoiseMark> noise;
    std::optional<std::int64_t> noise_from_ns;
    std::vector<std::int16_t> decoded;
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
        const Codec codec = codec_of(entry, facts);
        if (codec.kind == CodecKind::ComfortNoise && !noise_from_ns) {
            noise_from_ns = packet.position_ns;
        }
        if (!codec.is_decoded()) continue;
        end_noise(packet.position_ns);
        const auto record = records.find(entry.place);
        if (!record) return record.error();
        if (record->payload.size() < journal::kSourceSize) continue;
        const base::ByteView datagram = record->payload.subspan(journal::kSourceSize);
        const auto header = rtp::parse_rtp(datagram);
        if (!header) continue;
        decoded.clear();
        decoders[entry.source].decode(codec, rtp::rtp_payload(datagram, *header), decoded);
        const Segment& segment = timeline.segments[packet.segment];
        joiner.add(sample_position(segment, packet.ticks, codec.sample_rate), codec.sample_rate,
                   decoded);
    }
    joiner.end();
    end_noise(duration_ns);
    return samples.finish(std::move(noise));
}

}  // namespace earshot::archive
