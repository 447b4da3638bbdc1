#include "media/sound_encoder.h"

#include <algorithm>
#include <new>

#include "media/limits.h"

namespace earshot::media {
namespace {

constexpr std::int64_t kBitsPerChannel = 32'000;  // speech at 48 kHz

const AVCodec* find_encoder(AVCodecID codec) {
    // FFmpeg's own Opus encoder is experimental; libopus is the reference.
    if (codec == AV_CODEC_ID_OPUS) return avcodec_find_encoder_by_name("libopus");
    return avcodec_find_encoder(codec);
}

void fill(AVFrame& frame, std::span<const std::int16_t> samples, std::size_t channels) {
    const std::size_t count = samples.size() / channels;
    if (frame.format == AV_SAMPLE_FMT_FLTP) {
        for (std::size_t c = 0; c < channels; ++c) {
            auto* out = reinterpret_cast<float*>(frame.extended_data[c]);
            for (std::size_t i = 0; i < count; ++i)
                out[i] = static_cast<float>(samples[i * channels + c]) / 32'768.0F;
        }
        return;
    }
    std::copy(samples.begin(), samples.end(), reinterpret_cast<std::int16_t*>(frame.data[0]));
}

}  // namespace

Expected<std::unique_ptr<SoundEncoder>> SoundEncoder::make(AVCodecID codec, int channels,
                                                           Muxer& muxer, const std::string& name) {
    const AVCodec* encoder = find_encoder(codec);
    if (encoder == nullptr)
        return base::Reason{"cannot_render",
                            std::string("FFmpeg was built without an encoder for ") +
                                avcodec_get_name(codec) + "."};
    CodecContext context(avcodec_alloc_context3(encoder));
    if (!context) throw std::bad_alloc();
    context->sample_rate = kSoundRate;
    av_channel_layout_default(&context->ch_layout, channels);
    context->sample_fmt = codec == AV_CODEC_ID_AAC ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_S16;
    context->bit_rate = kBitsPerChannel * channels;
    context->time_base = {1, kSoundRate};
    context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    AVDictionary* options = nullptr;
    if (codec == AV_CODEC_ID_OPUS) av_dict_set(&options, "compression_level", "5", 0);
    int error = 0;
    context = open_codec(encoder, std::move(context), &options, error);
    av_dict_free(&options);
    if (error < 0) return av_reason("The sound's encoder", error);
    std::unique_ptr<SoundEncoder> made(new SoundEncoder(std::move(context), muxer));
    const CodecParameters parameters(avcodec_parameters_alloc());
    if (!parameters) throw std::bad_alloc();
    avcodec_parameters_from_context(parameters.get(), made->context_.get());
    const auto track = muxer.add_track(*parameters, made->context_->time_base, name);
    if (!track) return track.error();
    made->track_ = *track;
    return made;
}

SoundEncoder::SoundEncoder(CodecContext context, Muxer& muxer)
    : context_(std::move(context)),
      muxer_(muxer),
      frame_(av_frame_alloc()),
      packet_(av_packet_alloc()) {
    if (!frame_ || !packet_) throw std::bad_alloc();
}

Outcome SoundEncoder::add(std::span<const std::int16_t> samples) {
    const auto channels = static_cast<std::size_t>(context_->ch_layout.nb_channels);
    const std::size_t size = static_cast<std::size_t>(context_->frame_size) * channels;
    waiting_.insert(waiting_.end(), samples.begin(), samples.end());
    std::size_t at = 0;
    for (; waiting_.size() - at >= size; at += size)
        if (auto done = encode(std::span(waiting_).subspan(at, size)); !done) return done;
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(at));
    return base::Done{};
}

Outcome SoundEncoder::encode(std::span<const std::int16_t> samples) {
    const auto channels = static_cast<std::size_t>(context_->ch_layout.nb_channels);
    frame_->format = context_->sample_fmt;
    frame_->sample_rate = context_->sample_rate;
    frame_->nb_samples = static_cast<int>(samples.size() / channels);
    av_channel_layout_copy(&frame_->ch_layout, &context_->ch_layout);
    if (av_frame_get_buffer(frame_.get(), 0) < 0) throw std::bad_alloc();
    fill(*frame_, samples, channels);
    frame_->pts = next_;
    next_ += frame_->nb_samples;
    const int sent = avcodec_send_frame(context_.get(), frame_.get());
    av_frame_unref(frame_.get());
    if (sent < 0) return av_reason("The sound cannot be encoded", sent);
    return drain();
}

Outcome SoundEncoder::drain() {
    while (avcodec_receive_packet(context_.get(), packet_.get()) == 0) {
        // The encoder's delay lies before the recording's start.
        if (packet_->pts < 0) packet_->pts = packet_->dts = 0;
        if (auto done = muxer_.write(track_, *packet_, context_->time_base); !done) return done;
    }
    return base::Done{};
}

Outcome SoundEncoder::finish() {
    if (!waiting_.empty()) {
        const auto channels = static_cast<std::size_t>(context_->ch_layout.nb_channels);
        waiting_.resize(static_cast<std::size_t>(context_->frame_size) * channels, 0);
        if (auto done = encode(waiting_); !done) return done;
        waiting_.clear();
    }
    avcodec_send_frame(context_.get(), nullptr);
    return drain();
}

}  // namespace earshot::media
