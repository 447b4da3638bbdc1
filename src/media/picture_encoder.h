// The composed picture into VP8 or H.264 frames of a track.
#pragma once

#include <cstdint>

#include "media/av.h"
#include "media/muxer.h"

namespace earshot::media {

class PictureEncoder {
public:
    static Expected<std::unique_ptr<PictureEncoder>> make(AVCodecID codec, int width, int height,
                                                          Muxer& muxer, const std::string& name);

    // Times grow.
    Outcome add(const AVFrame& picture, std::int64_t at_ms);
    Outcome finish();

private:
    PictureEncoder(CodecContext context, Muxer& muxer);
    Outcome drain();

    CodecContext context_;
    Muxer& muxer_;
    std::size_t track_ = 0;
    Frame frame_;
    Packet packet_;
};

}  // namespace earshot::media
