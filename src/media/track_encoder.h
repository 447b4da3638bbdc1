// One of libavcodec's encoders with its track of a container: what PictureEncoder and SoundEncoder
// are made of.
#pragma once

#include <string>
#include <string_view>

#include "media/av.h"
#include "media/muxer.h"

namespace earshot::media {

class TrackEncoder {
public:
    // By the encoder's name, for the codec: "libx264", "libopus", else FFmpeg's own. A reason where
    // this FFmpeg has none.
    static Expected<const AVCodec*> find(AVCodecID codec, const char* name);

    // Opens what `context` is set up for and adds the track `name` to `muxer`, which it borrows.
    // `clock`: of the track; `what`: of it in a reason. Takes all of `options`.
    static Expected<std::unique_ptr<TrackEncoder>> open(const AVCodec* encoder,
                                                        CodecContext context, AVDictionary* options,
                                                        Muxer& muxer, AVRational clock,
                                                        const std::string& name,
                                                        std::string_view what);

    const AVCodecContext& context() const { return *context_; }
    // To be filled and sent, again and again.
    AVFrame& frame() { return *frame_; }
    Outcome send();
    Outcome finish();

private:
    TrackEncoder(CodecContext context, Muxer& muxer, std::string_view what);
    Outcome drain();

    CodecContext context_;
    Muxer& muxer_;
    const std::string what_;
    std::size_t track_ = 0;
    Frame frame_;
    Packet packet_;
};

}  // namespace earshot::media
