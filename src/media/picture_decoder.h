// From the units of one video format to pictures. Bounded: pictures past kMaxPictureSide are
// refused.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "media/av.h"
#include "media/units.h"

namespace earshot::media {

class PictureDecoder {
public:
    // Borrowed for the call; `frame.pts` is the position in ns.
    using Take = std::function<void(const AVFrame& frame)>;

    // Null where there is no decoder.
    static std::unique_ptr<PictureDecoder> make(AVCodecID codec, bool only_key_frames);

    // False when it could not be decoded.
    bool add(const PlacedUnit& unit, const Take& take);
    void finish(const Take& take);

private:
    explicit PictureDecoder(CodecContext context);
    void drain(const Take& take);

    CodecContext context_;
    Packet packet_;
    Frame frame_;
    bool had_key_ = false;
};

}  // namespace earshot::media
