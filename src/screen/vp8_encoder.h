// Pictures of a screen to VP8, by libvpx in its realtime mode: one thread, no look-ahead.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "screen/canvas.h"

namespace earshot::screen {

class Vp8Encoder {
public:
    // Overwrites `frame` by the picture's; false: libvpx refused. `time`: in 90 kHz, ascending. A
    // picture of another size than the one before begins anew, with a key frame.
    bool encode(I420& picture, std::int64_t time, bool wants_key, base::Bytes& frame, bool& is_key);

private:
    struct Codec;
    struct End {
        void operator()(Codec* codec) const;
    };
    bool open(std::size_t width, std::size_t height);

    std::unique_ptr<Codec, End> codec_;
    std::size_t width_ = 0;
    std::size_t height_ = 0;
    std::int64_t last_time_ = -1;
};

}  // namespace earshot::screen
