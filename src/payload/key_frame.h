// Whether a packet begins a picture that a decoder can begin with, told from a few octets: cheap
// enough to ask of every packet while it arrives.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace earshot::payload {

enum class VideoCodec : std::uint8_t { Unknown, H264, H265, Vp8, Vp9, Av1 };

VideoCodec video_codec(std::string_view encoding);  // of rtpmap; case does not matter

// H.26x: an IDR or IRAP slice, or the parameter sets that go before one. False for Unknown.
bool begins_key_frame(VideoCodec codec, base::ByteView payload);

}  // namespace earshot::payload
