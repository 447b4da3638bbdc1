#include "media/picture_encoder.h"

#include <new>

#include "media/limits.h"

namespace earshot::media {
namespace {

constexpr std::int64_t kBitsPerSecond = 1'500'000;
constexpr int kKeyEvery = 50;  // pictures: a place to jump to each two seconds

// Speed before size: it is watched once or twice, and there is one processor for it.
void set_options(AVCodecID codec, AVCodecContext& context, AVDictionary** options) {
    if (codec == AV_CODEC_ID_VP8) {
        av_dict_set(options, "deadline", "realtime", 0);
        av_dict_set(options, "cpu-used", "8", 0);
        context.bit_rate = kBitsPerSecond;
        context.qmin = 4;
        context.qmax = 56;
        return;
    }
    av_dict_set(options, "preset", "superfast", 0);
    av_dict_set(options, "tune", "zerolatency", 0);
    av_dict_set(options, "crf", "26", 0);
    // Threads are forbidden here: none for looking ahead, neither.
    av_dict_set(options, "x264-params", "threads=1:lookahead-threads=1:sync-lookahead=0", 0);
}

}  // namespace

Expected<std::unique_ptr<PictureEncoder>> PictureEncoder::make(AVCodecID codec, int width,
                                                               int height, Muxer& muxer,
                                                               const std::string& name) {
    const auto encoder = TrackEncoder::find(codec, codec == AV_CODEC_ID_VP8 ? "libvpx" : "libx264");
    if (!encoder) return encoder.error();
    CodecContext context(avcodec_alloc_context3(*encoder));
    if (!context) throw std::bad_alloc();
    context->width = width;
    context->height = height;
    context->pix_fmt = AV_PIX_FMT_YUV420P;
    context->time_base = {1, 1000};
    context->framerate = {static_cast<int>(1000 / kTickMs), 1};
    context->gop_size = kKeyEvery;
    context->max_b_frames = 0;
    AVDictionary* options = nullptr;
    set_options(codec, *context, &options);
    auto track = TrackEncoder::open(*encoder, std::move(context), options, muxer, {1, 90'000}, name,
                                    "The picture");
    if (!track) return track.error();
    return std::unique_ptr<PictureEncoder>(new PictureEncoder(std::move(*track)));
}

Outcome PictureEncoder::add(const AVFrame& picture, std::int64_t at_ms) {
    AVFrame& frame = encoder_->frame();
    if (av_frame_ref(&frame, &picture) < 0) throw std::bad_alloc();
    frame.pts = at_ms;
    frame.pict_type = AV_PICTURE_TYPE_NONE;
    return encoder_->send();
}

}  // namespace earshot::media
