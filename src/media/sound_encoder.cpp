#include "media/sound_encoder.h"

#include <algorithm>
#include <new>

#include "media/limits.h"

namespace earshot::media {
namespace {

constexpr std::int64_t kBitsPerChannel = 32'000;  // speech at 48 kHz

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
    // FFmpeg's own Opus encoder is experimental; libopus is the reference.
    const auto encoder = TrackEncoder::find(codec, codec == AV_CODEC_ID_OPUS ? "libopus" : nullptr);
    if (!encoder) return encoder.error();
    CodecContext context(avcodec_alloc_context3(*encoder));
    if (!context) throw std::bad_alloc();
    context->sample_rate = kSoundRate;
    av_channel_layout_default(&context->ch_layout, channels);
    context->sample_fmt = codec == AV_CODEC_ID_AAC ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_S16;
    context->bit_rate = kBitsPerChannel * channels;
    context->time_base = {1, kSoundRate};
    AVDictionary* options = nullptr;
    if (codec == AV_CODEC_ID_OPUS) av_dict_set(&options, "compression_level", "5", 0);
    auto track = TrackEncoder::open(*encoder, std::move(context), options, muxer, {1, kSoundRate},
                                    name, "The sound");
    if (!track) return track.error();
    return std::unique_ptr<SoundEncoder>(new SoundEncoder(std::move(*track)));
}

std::size_t SoundEncoder::channels() const {
    return static_cast<std::size_t>(encoder_->context().ch_layout.nb_channels);
}

std::size_t SoundEncoder::frame_samples() const {
    return static_cast<std::size_t>(encoder_->context().frame_size) * channels();
}

Outcome SoundEncoder::add(std::span<const std::int16_t> samples) {
    const std::size_t size = frame_samples();
    waiting_.insert(waiting_.end(), samples.begin(), samples.end());
    std::size_t at = 0;
    for (; waiting_.size() - at >= size; at += size)
        if (auto done = encode(std::span(waiting_).subspan(at, size)); !done) return done;
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(at));
    return base::Done{};
}

Outcome SoundEncoder::encode(std::span<const std::int16_t> samples) {
    AVFrame& frame = encoder_->frame();
    frame.format = encoder_->context().sample_fmt;
    frame.sample_rate = encoder_->context().sample_rate;
    frame.nb_samples = static_cast<int>(samples.size() / channels());
    av_channel_layout_copy(&frame.ch_layout, &encoder_->context().ch_layout);
    if (av_frame_get_buffer(&frame, 0) < 0) throw std::bad_alloc();
    fill(frame, samples, channels());
    frame.pts = next_;
    next_ += frame.nb_samples;
    return encoder_->send();
}

Outcome SoundEncoder::finish() {
    if (!waiting_.empty()) {
        waiting_.resize(frame_samples(), 0);
        if (auto done = encode(waiting_); !done) return done;
        waiting_.clear();
    }
    return encoder_->finish();
}

}  // namespace earshot::media
