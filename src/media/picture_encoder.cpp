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
    const AVCodec* encoder =
        avcodec_find_encoder_by_name(codec == AV_CODEC_ID_VP8 ? "libvpx" : "libx264");
    if (encoder == nullptr)
        return base::Reason{"cannot_render",
                            std::string("FFmpeg was built without an encoder for ") +
                                avcodec_get_name(codec) + "."};
    CodecContext context(avcodec_alloc_context3(encoder));
    if (!context) throw std::bad_alloc();
    context->width = width;
    context->height = height;
    context->pix_fmt = AV_PIX_FMT_YUV420P;
    context->time_base = {1, 1000};
    context->framerate = {static_cast<int>(1000 / kTickMs), 1};
    context->gop_size = kKeyEvery;
    context->max_b_frames = 0;
    context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    AVDictionary* options = nullptr;
    set_options(codec, *context, &options);
    int error = 0;
    context = open_codec(encoder, std::move(context), &options, error);
    av_dict_free(&options);
    if (error < 0) return av_reason("The picture's encoder", error);
    std::unique_ptr<PictureEncoder> made(new PictureEncoder(std::move(context), muxer));
    const CodecParameters parameters(avcodec_parameters_alloc());
    if (!parameters) throw std::bad_alloc();
    avcodec_parameters_from_context(parameters.get(), made->context_.get());
    const auto track = muxer.add_track(*parameters, {1, 90'000}, name);
    if (!track) return track.error();
    made->track_ = *track;
    return made;
}

PictureEncoder::PictureEncoder(CodecContext context, Muxer& muxer)
    : context_(std::move(context)),
      muxer_(muxer),
      frame_(av_frame_alloc()),
      packet_(av_packet_alloc()) {
    if (!frame_ || !packet_) throw std::bad_alloc();
}

Outcome PictureEncoder::add(const AVFrame& picture, std::int64_t at_ms) {
    if (av_frame_ref(frame_.get(), &picture) < 0) throw std::bad_alloc();
    frame_->pts = at_ms;
    frame_->pict_type = AV_PICTURE_TYPE_NONE;
    const int sent = avcodec_send_frame(context_.get(), frame_.get());
    av_frame_unref(frame_.get());
    if (sent < 0) return av_reason("The picture cannot be encoded", sent);
    return drain();
}

Outcome PictureEncoder::drain() {
    while (avcodec_receive_packet(context_.get(), packet_.get()) == 0)
        if (auto done = muxer_.write(track_, *packet_, context_->time_base); !done) return done;
    return base::Done{};
}

Outcome PictureEncoder::finish() {
    avcodec_send_frame(context_.get(), nullptr);
    return drain();
}

}  // namespace earshot::media
