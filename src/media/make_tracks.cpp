// Each stream a track, as it came: nothing is encoded again. A format that the container cannot
// hold but that can be decoded becomes PCM; what neither can is told.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "media/limits.h"
#include "media/muxer.h"
#include "media/picture_codec.h"
#include "media/slide_marks.h"
#include "media/sound_codec.h"
#include "media/sound_decoder.h"
#include "media/stage.h"
#include "media/unit_queue.h"

namespace earshot::media {
namespace {

using rendition::Format;
using rendition::Product;
using rendition::Stream;

constexpr AVRational kVideoClock{1, 90'000};
constexpr std::size_t kMaxSetups = 8;  // of one format that are tried

// What the first packets of a video format told.
struct PictureFacts {
    std::optional<payload::PictureSize> size;
    // Parameter sets as they were told one after another, the newest last: they come one by one,
    // so the newest are the most, unless one of them is broken.
    std::vector<base::Bytes> setups;
};

// A format of a stream in the container.
struct Lane {
    std::optional<std::size_t> track;
    bool is_video = false;
    bool had_key = false;
    std::unique_ptr<payload::AudioFramer> framer;  // frames as they came
    std::unique_ptr<SoundDecoder> decoder;         // PCM
    int rate = 0;                                  // of it
    std::int64_t clock_rate = 8000;
};

class TrackMaker {
public:
    explicit TrackMaker(Stage& stage) : stage_(stage), queue_(stage.job) {}

    Outcome run() {
        auto record = read_previews();
        if (!record) return record.error();
        if (auto begun = begin(); !begun) return begun;
        while (record->has_value()) {
            queue_.add(**record);
            if (auto done = write_settled(); !done) return done;
            stage_.on_progress((*record)->header.position_ns);
            record = stage_.input.next();
            if (!record) return record.error();
        }
        queue_.finish();
        if (auto done = write_settled(); !done) return done;
        for (auto& [key, lane] : lanes_)
            if (auto done = end_sound(lane); !done) return done;
        if (has_content_) add_chapters();
        return muxer_->finish();
    }

private:
    using Key = std::pair<std::uint16_t, std::size_t>;  // stream, format

    // The first record that is none.
    Expected<std::optional<InputRecord>> read_previews() {
        std::map<std::uint16_t, std::unique_ptr<Units>> previews;
        while (true) {
            auto record = stage_.input.next();
            if (!record) return record;
            const bool is_preview =
                record->has_value() && (*record)->header.type == rendition::RecordType::Preview;
            if (!is_preview) {
                for (auto& [number, units] : previews) look_at(*units);
                return record;
            }
            const Stream* stream = stage_.find_stream((*record)->header.stream);
            if (stream == nullptr || !stream->is_video()) continue;
            auto& units = previews[stream->number];
            if (units && (*record)->header.begins_piece) {
                look_at(*units);
                units.reset();
            }
            if (!units) units = std::make_unique<Units>(*stream);
            units->add(**record);
            note_setup(*stream, *units);
        }
    }

    void note_setup(const Stream& stream, const Units& units) {
        for (std::size_t i = 0; i < stream.formats.size(); ++i) {
            base::Bytes setup = units.decoder_setup(i);
            PictureFacts& facts = pictures_[{stream.number, i}];
            if (setup.empty() || facts.size) continue;  // known from the piece before
            std::vector<base::Bytes>& setups = facts.setups;
            if (!setups.empty() && setups.back() == setup) continue;
            // The first ones stay: that is what the newest are measured by.
            if (setups.size() >= kMaxSetups) setups.erase(setups.begin() + kMaxSetups / 2);
            setups.push_back(std::move(setup));
        }
    }

    void look_at(Units& units) {
        units.finish();
        while (auto unit = units.poll()) {
            PictureFacts& facts = pictures_[{unit->stream->number, unit->format}];
            if (!facts.size) facts.size = unit->unit.size;
        }
    }

    Outcome begin() {
        const bool is_single = stage_.job.product == Product::Track;
        std::string_view encoding;
        for (const Stream& stream : stage_.job.streams)
            for (const Format& format : stream.formats)
                if (encoding.empty() && format.is_used && find_picture_codec(format.encoding))
                    encoding = format.encoding;
        const auto container = rendition::container_of(stage_.job.product, encoding);
        if (!container)
            return base::Reason{"cannot_render", "No browser plays this video as it came."};
        auto muxer = Muxer::make(*container, stage_.output, stage_.job);
        if (!muxer) return muxer.error();
        muxer_ = std::move(*muxer);
        for (const Stream& stream : stage_.job.streams)
            for (std::size_t i = 0; i < stream.formats.size(); ++i)
                if (stream.formats[i].is_used && tracks_ < kMaxTracks)
                    if (auto added = add_lane(stream, i); !added) return added;
        if (tracks_ == 0) return base::Reason{is_single ? "no_video" : "no_media", why_none()};
        // What is known before stands at the beginning, for who watches while the file grows.
        has_content_ =
            !is_single && std::any_of(stage_.job.streams.begin(), stage_.job.streams.end(),
                                      [](const Stream& s) { return s.is_video() && s.is_content; });
        if (!is_single && !has_content_) add_chapters();
        return muxer_->begin();
    }

    // Why there is nothing, where there is nothing, by the recording's timeline; and where shared
    // content changed.
    void add_chapters() {
        std::vector<Chapter> chapters;
        for (const Stream& stream : stage_.job.streams)
            for (const rendition::Gap& gap : stream.gaps)
                if (gap.reason != "lost")
                    chapters.push_back({.from_ms = gap.start_ms,
                                        .to_ms = gap.start_ms + gap.duration_ms,
                                        .title = stream.label + ": " + gap.reason});
        stage_.report.marks = slides_.finish();
        std::map<std::uint16_t, std::size_t> last;  // chapter of each stream
        std::map<std::uint16_t, int> count;
        for (const rendition::Mark& mark : stage_.report.marks) {
            if (const auto before = last.find(mark.stream); before != last.end())
                chapters[before->second].to_ms = mark.at_ms;
            last[mark.stream] = chapters.size();
            chapters.push_back(
                {.from_ms = mark.at_ms,
                 .to_ms = std::max(stage_.job.duration_ms, mark.at_ms),
                 .title = fmt::format("{} {}", track_name(*stage_.find_stream(mark.stream)),
                                      ++count[mark.stream])});
        }
        muxer_->add_chapters(std::move(chapters));
    }

    std::string why_none() const {
        for (const rendition::TrackNote& note : stage_.report.tracks)
            if (!note.text.empty())
                return fmt::format("No stream of it can be held by the container: {}", note.text);
        return "The recording has no media that can be rendered.";
    }

    void leave_out(const Stream& stream, const Format& format, std::string text) {
        stage_.report.tracks.push_back({.stream = stream.number,
                                        .codec = format.encoding,
                                        .state = "left_out",
                                        .text = std::move(text)});
    }

    Outcome add_lane(const Stream& stream, std::size_t index) {
        const Format& format = stream.formats[index];
        if (stream.is_video() && stage_.job.product != Product::Sheet)
            return add_video(stream, index);
        if (stream.is_audio() && stage_.job.product == Product::Tracks) {
            if (is_no_sound(format.encoding)) return base::Done{};
            return add_sound(stream, index);
        }
        leave_out(stream, format, fmt::format("{} is no sound or picture.", stream.media));
        return base::Done{};
    }

    Outcome add_video(const Stream& stream, std::size_t index) {
        const Format& format = stream.formats[index];
        const auto codec = find_picture_codec(format.encoding);
        if (!codec) return base::Done{};  // retransmission, FEC, RED: undone where that is known
        const PictureFacts& facts = pictures_[{stream.number, index}];
        if (!facts.size) {
            leave_out(stream, format,
                      "There is no key frame among its first packets that tells its size.");
            return base::Done{};
        }
        const auto parameters = find_parameters(*codec, facts);
        if (!parameters) {
            leave_out(stream, format, parameters.error().text);
            return base::Done{};
        }
        Lane lane;
        lane.is_video = true;
        return add_track(stream, index, **parameters, kVideoClock, std::move(lane), {});
    }

    // The newest setup that the container can begin with.
    Expected<CodecParameters> find_parameters(AVCodecID codec, const PictureFacts& facts) const {
        std::vector<base::Bytes> setups = facts.setups;
        if (setups.empty()) setups.emplace_back();
        std::string why;
        for (auto setup = setups.rbegin(); setup != setups.rend(); ++setup) {
            CodecParameters parameters = make_parameters(codec, *facts.size, *setup);
            const auto begins = muxer_->can_begin(*parameters, kVideoClock);
            if (begins) return parameters;
            if (why.empty()) why = begins.error().text;
        }
        return base::Reason{"broken_setup",
                            "Its parameter sets are missing or broken: " + std::move(why)};
    }

    Outcome add_sound(const Stream& stream, std::size_t index) {
        const Format& format = stream.formats[index];
        const auto codec = find_sound_codec(format);
        const auto framer = payload::AudioFramer::make(format.encoding, format.clock_rate,
                                                       format.channels, format.fmtp);
        Lane lane;
        lane.clock_rate = format.clock_rate;
        if (codec && framer && muxer_->can_hold(codec->id)) {
            const CodecParameters parameters = make_parameters(*codec);
            const AVRational clock{1, codec->sample_rate};
            if (muxer_->can_begin(*parameters, clock)) {
                lane.framer = std::make_unique<payload::AudioFramer>(*framer);
                return add_track(stream, index, *parameters, clock, std::move(lane), {});
            }
        }
        lane.rate = codec ? codec->sample_rate : 8000;
        auto decoder = SoundDecoder::make(format, lane.rate);
        if (!decoder) {
            leave_out(stream, format, decoder.error().text);
            return base::Done{};
        }
        lane.decoder = std::move(*decoder);
        const SoundCodec pcm{.id = AV_CODEC_ID_PCM_S16LE,
                             .sample_rate = lane.rate,
                             .channels = 1,
                             .bits = 16,
                             .frame_bytes = 2,
                             .frame_samples = 0};
        return add_track(stream, index, *make_parameters(pcm), {1, lane.rate}, std::move(lane),
                         "The container cannot hold it; it was decoded.");
    }

    Outcome add_track(const Stream& stream, std::size_t index, const AVCodecParameters& parameters,
                      AVRational time_base, Lane lane, std::string text) {
        const auto track = muxer_->add_track(parameters, time_base, track_name(stream));
        if (!track) return track.error();
        lane.track = *track;
        stage_.report.tracks.push_back({.stream = stream.number,
                                        .codec = stream.formats[index].encoding,
                                        .state = lane.decoder ? "rendered" : "copied",
                                        .text = std::move(text)});
        lanes_[{stream.number, index}] = std::move(lane);
        ++tracks_;
        return base::Done{};
    }

    Outcome write_settled() {
        while (auto unit = queue_.poll()) {
            if (has_content_) slides_.add(*unit);
            const auto found = lanes_.find({unit->stream->number, unit->format});
            if (found == lanes_.end()) continue;
            auto done = found->second.is_video ? write_picture(found->second, *unit)
                                               : write_sound(found->second, *unit);
            if (!done) return done;
        }
        return base::Done{};
    }

    Outcome write_picture(Lane& lane, const PlacedUnit& unit) {
        if (unit.unit.damaged || unit.unit.lost_before > 0)
            stage_.faults.add(unit.stream->number, unit.position_ns,
                              "pictures that are damaged or lost");
        // A player can begin with a key frame alone; of a damaged picture only a part came.
        lane.had_key = lane.had_key || (unit.unit.key_frame && !unit.unit.damaged);
        if (!lane.had_key || unit.unit.damaged || unit.unit.bytes.empty()) return base::Done{};
        return go_on(unit, "pictures that the container does not take",
                     muxer_->write(*lane.track, {.bytes = unit.unit.bytes,
                                                 .position_ns = unit.position_ns,
                                                 .duration_ns = 0,
                                                 .is_key = unit.unit.key_frame}));
    }

    // A frame that the container refuses is a fault at its place, and no more.
    Outcome go_on(const PlacedUnit& unit, std::string_view fault, Outcome written) {
        if (written || written.error().code != "refused") return written;
        stage_.faults.add(unit.stream->number, unit.position_ns, fault);
        return base::Done{};
    }

    Outcome write_sound(Lane& lane, const PlacedUnit& unit) {
        if (lane.decoder) return decode_sound(lane, unit);
        frames_.clear();
        if (!lane.framer->split(unit.unit.bytes, frames_))
            stage_.faults.add(unit.stream->number, unit.position_ns, "sound that is damaged");
        for (const payload::AudioFrame& frame : frames_) {
            if (frame.kind != payload::AudioFrame::Kind::Sound) continue;
            constexpr std::int64_t kSecondNs = 1'000'000'000;
            const MuxedFrame muxed{
                .bytes = frame.bytes,
                .position_ns =
                    unit.position_ns + av_rescale(frame.offset, kSecondNs, lane.clock_rate),
                .duration_ns = av_rescale(frame.duration, kSecondNs, lane.clock_rate),
                .is_key = true};
            auto done = go_on(unit, "sound that the container does not take",
                              muxer_->write(*lane.track, muxed));
            if (!done) return done;
        }
        return base::Done{};
    }

    Outcome decode_sound(Lane& lane, const PlacedUnit& unit) {
        Outcome outcome = base::Done{};
        const bool is_good =
            lane.decoder->add(unit.position_ns, unit.unit.bytes, unit.begins_anew,
                              [&](std::int64_t sample, std::span<const std::int16_t> samples) {
                                  if (outcome) outcome = write_samples(lane, sample, samples);
                              });
        if (!is_good)
            stage_.faults.add(unit.stream->number, unit.position_ns,
                              "sound that cannot be decoded");
        return outcome;
    }

    Outcome write_samples(Lane& lane, std::int64_t sample, std::span<const std::int16_t> samples) {
        constexpr std::int64_t kSecondNs = 1'000'000'000;
        base::Bytes bytes;
        for (const std::int16_t value : samples)
            base::append_le(bytes, static_cast<std::uint16_t>(value));
        return muxer_->write(*lane.track,
                             {.bytes = bytes,
                              .position_ns = av_rescale(sample, kSecondNs, lane.rate),
                              .duration_ns = av_rescale(static_cast<std::int64_t>(samples.size()),
                                                        kSecondNs, lane.rate),
                              .is_key = true});
    }

    Outcome end_sound(Lane& lane) {
        Outcome outcome = base::Done{};
        if (lane.decoder)
            lane.decoder->finish([&](std::int64_t sample, std::span<const std::int16_t> samples) {
                if (outcome) outcome = write_samples(lane, sample, samples);
            });
        return outcome;
    }

    Stage& stage_;
    UnitQueue queue_;
    std::map<Key, PictureFacts> pictures_;
    std::unique_ptr<Muxer> muxer_;
    std::map<Key, Lane> lanes_;
    std::size_t tracks_ = 0;
    SlideMarks slides_;
    bool has_content_ = false;  // that is looked at for its changes
    std::vector<payload::AudioFrame> frames_;
};

}  // namespace

std::string track_name(const Stream& stream) {
    std::string name = stream.name.empty() ? stream.label : stream.name;
    if (stream.is_content) name += " (shared)";
    return name;
}

Outcome make_tracks(Stage& stage) { return TrackMaker(stage).run(); }

}  // namespace earshot::media
