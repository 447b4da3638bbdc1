// Mixed samples into Opus or AAC frames of a track.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "media/av.h"
#include "media/track_encoder.h"

namespace earshot::media {

class SoundEncoder {
public:
    // For `muxer`, to which it adds its track.
    static Expected<std::unique_ptr<SoundEncoder>> make(AVCodecID codec, int channels, Muxer& muxer,
                                                        const std::string& name);

    // Interleaved 16-bit samples at kSoundRate, one after another from the recording's start.
    Outcome add(std::span<const std::int16_t> samples);
    Outcome finish();

private:
    explicit SoundEncoder(std::unique_ptr<TrackEncoder> encoder) : encoder_(std::move(encoder)) {}
    std::size_t channels() const;
    std::size_t frame_samples() const;  // of all channels together
    Outcome encode(std::span<const std::int16_t> samples);

    std::unique_ptr<TrackEncoder> encoder_;
    std::vector<std::int16_t> waiting_;  // less than a frame
    std::int64_t next_ = 0;              // sample of the next frame
};

}  // namespace earshot::media
