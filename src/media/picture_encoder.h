// The composed picture into VP8 or H.264 frames of a track.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "media/av.h"
#include "media/track_encoder.h"

namespace earshot::media {

class PictureEncoder {
public:
    static Expected<std::unique_ptr<PictureEncoder>> make(AVCodecID codec, int width, int height,
                                                          Muxer& muxer, const std::string& name);

    // Times grow.
    Outcome add(const AVFrame& picture, std::int64_t at_ms);
    Outcome finish() { return encoder_->finish(); }

private:
    explicit PictureEncoder(std::unique_ptr<TrackEncoder> encoder) : encoder_(std::move(encoder)) {}

    std::unique_ptr<TrackEncoder> encoder_;
};

}  // namespace earshot::media
