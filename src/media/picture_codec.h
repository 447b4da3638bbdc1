// Which of libavcodec's codecs an RTP video format is.
#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "media/av.h"
#include "payload/access_unit.h"

namespace earshot::media {

std::optional<AVCodecID> find_picture_codec(std::string_view encoding);

// For a container that takes the pictures as they are. `setup`: parameter sets (Annex B), the
// sequence header of AV1; empty where the codec has none.
CodecParameters make_parameters(AVCodecID codec, const payload::PictureSize& size,
                                base::ByteView setup);

}  // namespace earshot::media
