// One picture of all and the sound mixed: WebM (VP8, Opus) or MP4 (H.264, AAC), that can be played
// while it grows. The picture is looked at each kTickMs; one that did not change is not encoded
// again before kMaxStillMs.
#include <algorithm>
#include <map>

#include "media/canvas.h"
#include "media/limits.h"
#include "media/mixer.h"
#include "media/picture_encoder.h"
#include "media/picture_streams.h"
#include "media/slide_marks.h"
#include "media/sound_encoder.h"
#include "media/sound_streams.h"
#include "media/stage.h"
#include "media/unit_queue.h"

namespace earshot::media {
namespace {

using rendition::Product;
using rendition::Stream;

constexpr std::int64_t kMsNs = 1'000'000;
constexpr std::size_t kChannels = 2;

class Composer {
public:
    explicit Composer(Stage& stage)
        : stage_(stage),
          queue_(stage.job),
          canvas_(stage.job, kCanvasWidth, kCanvasHeight),
          mixer_(kChannels),
          sounds_(stage, kSoundRate,
                  [this](const Stream&, std::int64_t sample, std::span<const std::int16_t> s) {
                      for (std::size_t channel = 0; channel < kChannels; ++channel)
                          mixer_.add(channel, sample, s);
                  }),
          pictures_(stage, false, [this](const Stream& stream, const AVFrame& frame) {
              on_picture(stream, frame);
          }) {}

    Outcome run() {
        if (auto begun = begin(); !begun) return begun;
        while (true) {
            auto record = stage_.input.next();
            if (!record) return record.error();
            if (!record->has_value()) break;
            queue_.add(**record);
            stage_.on_progress((*record)->header.position_ns);
            if (auto done = take_units(); !done) return done;
        }
        queue_.finish();
        if (auto done = take_units(); !done) return done;
        sounds_.finish();
        pictures_.finish();
        if (auto done = go_to(stage_.job.duration_ms); !done) return done;
        if (!outcome_) return outcome_;
        stage_.report.marks = slides_.finish();
        if (picture_)
            if (auto done = picture_->finish(); !done) return done;
        if (sound_)
            if (auto done = sound_->finish(); !done) return done;
        return muxer_->finish();
    }

private:
    Outcome begin() {
        const bool is_mp4 = stage_.job.product == Product::Mp4;
        auto muxer =
            Muxer::make(*rendition::container_of(stage_.job.product), stage_.output, stage_.job);
        if (!muxer) return muxer.error();
        muxer_ = std::move(*muxer);
        if (!canvas_.is_empty()) {
            auto made =
                PictureEncoder::make(is_mp4 ? AV_CODEC_ID_H264 : AV_CODEC_ID_VP8, kCanvasWidth,
                                     kCanvasHeight, *muxer_, stage_.job.title);
            if (!made) return made.error();
            picture_ = std::move(*made);
        }
        const bool has_sound = std::any_of(stage_.job.streams.begin(), stage_.job.streams.end(),
                                           [](const Stream& stream) { return stream.is_audio(); });
        if (has_sound) {
            auto made = SoundEncoder::make(is_mp4 ? AV_CODEC_ID_AAC : AV_CODEC_ID_OPUS,
                                           static_cast<int>(kChannels), *muxer_, stage_.job.title);
            if (!made) return made.error();
            sound_ = std::move(*made);
        }
        if (!picture_ && !sound_)
            return base::Reason{"no_media", "The recording has neither sound nor picture."};
        return muxer_->begin();
    }

    Outcome take_units() {
        while (auto unit = queue_.poll()) {
            // What stands before this unit is complete: it is what people saw until then.
            if (auto done = go_to(unit->position_ns / kMsNs - kSettleSoundMs); !done) return done;
            sounds_.add(*unit);
            pictures_.add(*unit);
            if (!outcome_) return outcome_;
        }
        return base::Done{};
    }

    void on_picture(const Stream& stream, const AVFrame& frame) {
        const std::int64_t at_ms = frame.pts == AV_NOPTS_VALUE ? now_ms_ : frame.pts / kMsNs;
        if (auto done = show_until(at_ms); !done) {
            outcome_ = done;
            return;
        }
        last_seen_[stream.number] = at_ms;
        slides_.show(stream, frame);
        if (canvas_.show(stream.number, frame))
            has_changed_ = true;
        else
            stage_.faults.add(stream.number, frame.pts, "pictures that cannot be shown");
    }

    // Sound and picture up to that time are complete.
    Outcome go_to(std::int64_t at_ms) {
        at_ms = std::min(at_ms, stage_.job.duration_ms);
        if (auto done = show_until(at_ms); !done) return done;
        if (!sound_) return base::Done{};
        // In pieces, so that sound and picture stay together in the file.
        while (true) {
            const std::int64_t end =
                std::min(at_ms * kSoundRate / 1000, mixer_.position() + kSoundRate / 2);
            const std::vector<std::int16_t> samples = mixer_.take_until(end);
            if (samples.empty()) return base::Done{};
            if (auto done = sound_->add(samples); !done) return done;
        }
    }

    // The picture as it is, at each tick before `at_ms`.
    Outcome show_until(std::int64_t at_ms) {
        if (!picture_) return base::Done{};
        for (; now_ms_ < at_ms; now_ms_ += kTickMs) {
            clear_absent();
            if (!has_changed_ && shown_ms_ >= 0 && now_ms_ < shown_ms_ + kMaxStillMs) continue;
            if (auto done = picture_->add(canvas_.picture(), now_ms_); !done) return done;
            shown_ms_ = now_ms_;
            has_changed_ = false;
        }
        return base::Done{};
    }

    // A camera that is gone, paused or held shows nothing; content stays until it changes.
    void clear_absent() {
        for (auto seen = last_seen_.begin(); seen != last_seen_.end();) {
            const Stream* stream = stage_.find_stream(seen->first);
            const bool is_paused = is_in_gap(*stream, now_ms_);
            const bool is_absent = !stream->is_content && now_ms_ > seen->second + kMaxAbsentMs;
            if (!is_paused && !is_absent) {
                ++seen;
                continue;
            }
            canvas_.clear(seen->first);
            has_changed_ = true;
            seen = last_seen_.erase(seen);
        }
    }
    static bool is_in_gap(const Stream& stream, std::int64_t at_ms) {
        return std::any_of(stream.gaps.begin(), stream.gaps.end(), [&](const rendition::Gap& gap) {
            return gap.reason != "lost" && at_ms >= gap.start_ms &&
                   at_ms < gap.start_ms + gap.duration_ms;
        });
    }

    static constexpr std::int64_t kSettleSoundMs = 100;  // what filters still hold

    Stage& stage_;
    UnitQueue queue_;
    Canvas canvas_;
    Mixer mixer_;
    SoundStreams sounds_;
    PictureStreams pictures_;
    SlideMarks slides_;
    std::unique_ptr<Muxer> muxer_;
    std::unique_ptr<PictureEncoder> picture_;
    std::unique_ptr<SoundEncoder> sound_;
    std::map<std::uint16_t, std::int64_t> last_seen_;  // in ms, of streams that are shown
    std::int64_t now_ms_ = 0;                          // the next tick
    std::int64_t shown_ms_ = -1;                       // the last one that was encoded
    bool has_changed_ = true;
    Outcome outcome_ = base::Done{};
};

}  // namespace

Outcome make_watch(Stage& stage) { return Composer(stage).run(); }

}  // namespace earshot::media
