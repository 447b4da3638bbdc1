// Mixed samples into Opus or AAC frames of a track.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "media/av.h"
#include "media/muxer.h"

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
    SoundEncoder(CodecContext context, Muxer& muxer);
    Outcome encode(std::span<const std::int16_t> samples);
    Outcome drain();

    CodecContext context_;
    Muxer& muxer_;
    std::size_t track_ = 0;
    Frame frame_;
    Packet packet_;
    std::vector<std::int16_t> waiting_;  // less than a frame
    std::int64_t next_ = 0;              // sample of the next frame
};

}  // namespace earshot::media
