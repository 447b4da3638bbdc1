#include "media/track_encoder.h"

#include <new>

namespace earshot::media {

Expected<const AVCodec*> TrackEncoder::find(AVCodecID codec, const char* name) {
    const AVCodec* encoder =
        name == nullptr ? avcodec_find_encoder(codec) : avcodec_find_encoder_by_name(name);
    if (encoder == nullptr)
        return base::Reason{"cannot_render",
                            std::string("FFmpeg was built without an encoder for ") +
                                avcodec_get_name(codec) + "."};
    return encoder;
}

Expected<std::unique_ptr<TrackEncoder>> TrackEncoder::open(
    const AVCodec* encoder, CodecContext context, AVDictionary* options, Muxer& muxer,
    AVRational clock, const std::string& name, std::string_view what) {
    context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    int error = 0;
    context = open_codec(encoder, std::move(context), &options, error);
    av_dict_free(&options);
    if (error < 0) return av_reason(std::string(what) + "'s encoder", error);
    std::unique_ptr<TrackEncoder> made(new TrackEncoder(std::move(context), muxer, what));
    const CodecParameters parameters(avcodec_parameters_alloc());
    if (!parameters) throw std::bad_alloc();
    avcodec_parameters_from_context(parameters.get(), made->context_.get());
    const auto track = muxer.add_track(*parameters, clock, name);
    if (!track) return track.error();
    made->track_ = *track;
    return made;
}

TrackEncoder::TrackEncoder(CodecContext context, Muxer& muxer, std::string_view what)
    : context_(std::move(context)),
      muxer_(muxer),
      what_(what),
      frame_(av_frame_alloc()),
      packet_(av_packet_alloc()) {
    if (!frame_ || !packet_) throw std::bad_alloc();
}

Outcome TrackEncoder::send() {
    const int sent = avcodec_send_frame(context_.get(), frame_.get());
    av_frame_unref(frame_.get());
    if (sent < 0) return av_reason(what_ + " cannot be encoded", sent);
    return drain();
}

Outcome TrackEncoder::drain() {
    while (avcodec_receive_packet(context_.get(), packet_.get()) == 0) {
        // What an encoder of sound delays lies before the recording's start.
        if (packet_->pts < 0) packet_->pts = packet_->dts = 0;
        if (auto done = muxer_.write(track_, *packet_, context_->time_base); !done) return done;
    }
    return base::Done{};
}

Outcome TrackEncoder::finish() {
    avcodec_send_frame(context_.get(), nullptr);
    return drain();
}

}  // namespace earshot::media
