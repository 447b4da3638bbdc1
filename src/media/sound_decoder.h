// From the payloads of one audio format to samples at their places: 16 bits, one channel, at the
// rate that is asked for. What follows without a gap goes through one filter, so that packet
// borders are not heard; a gap is left out, and nothing is heard twice.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "media/av.h"
#include "media/sound_codec.h"
#include "payload/audio_frames.h"
#include "rendition/job.h"

namespace earshot::media {

// `sample` is counted at the rate from the recording's start. May be negative.
using TakeSound = std::function<void(std::int64_t sample, std::span<const std::int16_t>)>;

class SoundDecoder {
public:
    // The reason, code "cannot_render", where nobody here decodes it.
    static Expected<std::unique_ptr<SoundDecoder>> make(const rendition::Format& format, int rate);

    // One packet's payload. False when some of it could not be decoded.
    bool add(std::int64_t position_ns, base::ByteView payload, bool begins_segment,
             const TakeSound& take);
    void finish(const TakeSound& take);

private:
    SoundDecoder(payload::AudioFramer framer, const SoundCodec& codec, CodecContext context,
                 std::uint32_t clock_rate, int rate);

    bool decode(const payload::AudioFrame& frame, std::int64_t position_ns, const TakeSound& take);
    void add_frame(std::int64_t position_ns, const TakeSound& take);
    bool prepare_resampler();
    void end_run(const TakeSound& take);
    void convert(const AVFrame* frame, int skip, const TakeSound& take);

    const payload::AudioFramer framer_;
    const SoundCodec codec_;
    CodecContext context_;
    const std::int64_t clock_rate_;
    const int rate_;
    Packet packet_;
    Frame frame_;
    Resampler resampler_;
    int in_rate_ = 0;  // of the frames that the resampler takes
    int in_format_ = -1;
    int in_channels_ = 0;
    bool is_running_ = false;
    std::int64_t in_end_ns_ = 0;  // where the run goes on
    std::int64_t out_next_ = INT64_MIN / 4;
    std::vector<payload::AudioFrame> frames_;
    std::vector<std::int16_t> samples_;
};

}  // namespace earshot::media
