// Which of libavcodec's codecs an RTP audio format is, and what a container must be told of it.
#pragma once

#include <optional>
#include <string_view>

#include "media/av.h"
#include "rendition/job.h"

namespace earshot::media {

struct SoundCodec {
    AVCodecID id = AV_CODEC_ID_NONE;
    int sample_rate = 8000;  // of the sound; the RTP clock may differ (G.722)
    int channels = 1;
    int bits = 0;         // of a coded sample, where the codec must be told
    int frame_bytes = 0;  // where all have one size
    int frame_samples = 0;
};
// Nullopt: none is known for it.
std::optional<SoundCodec> find_sound_codec(const rendition::Format& format);

// For a container that takes the frames as they are.
CodecParameters make_parameters(const SoundCodec& codec);

// Carries no sound of its own: key presses and comfort noise.
bool is_no_sound(std::string_view encoding);

}  // namespace earshot::media
