#include "media/sound_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace earshot::media {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
// Rounding of positions and of codecs' frames is no gap.
constexpr std::int64_t kSlackNs = 2'000'000;

std::int64_t scale(std::int64_t value, std::int64_t by, std::int64_t over) {
    return av_rescale(value, by, over);
}

}  // namespace

Expected<std::unique_ptr<SoundDecoder>> SoundDecoder::make(const rendition::Format& format,
                                                           int rate) {
    const auto unsupported = [&](std::string_view why) {
        return base::Reason{"cannot_render", fmt::format("{}: {}.", format.encoding, why)};
    };
    const auto framer = payload::AudioFramer::make(format.encoding, format.clock_rate,
                                                   format.channels, format.fmtp);
    if (!framer)
        return unsupported(
            payload::AudioFramer::why_not(format.encoding, format.channels, format.fmtp));
    const auto codec = find_sound_codec(format);
    const AVCodec* decoder = codec ? avcodec_find_decoder(codec->id) : nullptr;
    if (decoder == nullptr) return unsupported("no decoder for it is known here");
    CodecContext context(avcodec_alloc_context3(decoder));
    if (!context) throw std::bad_alloc();
    context->sample_rate = codec->sample_rate;
    av_channel_layout_default(&context->ch_layout, codec->channels);
    context->bits_per_coded_sample = codec->bits;
    context->block_align = codec->frame_bytes;
    int error = 0;
    context = open_codec(decoder, std::move(context), nullptr, error);
    if (error < 0) return av_reason(format.encoding, error);
    return std::unique_ptr<SoundDecoder>(
        new SoundDecoder(*framer, *codec, std::move(context), format.clock_rate, rate));
}

SoundDecoder::SoundDecoder(payload::AudioFramer framer, const SoundCodec& codec,
                           CodecContext context, std::uint32_t clock_rate, int rate)
    : framer_(framer),
      codec_(codec),
      context_(std::move(context)),
      clock_rate_(clock_rate),
      rate_(rate),
      packet_(av_packet_alloc()),
      frame_(av_frame_alloc()) {
    if (!packet_ || !frame_) throw std::bad_alloc();
}

bool SoundDecoder::add(std::int64_t position_ns, base::ByteView payload, bool begins_segment,
                       const TakeSound& take) {
    if (begins_segment) {
        end_run(take);
        avcodec_flush_buffers(context_.get());
    }
    frames_.clear();
    bool is_good = framer_.split(payload, frames_);
    for (const payload::AudioFrame& frame : frames_)
        is_good = decode(frame, position_ns + scale(frame.offset, kSecondNs, clock_rate_), take) &&
                  is_good;
    return is_good;
}

bool SoundDecoder::decode(const payload::AudioFrame& frame, std::int64_t position_ns,
                          const TakeSound& take) {
    if (frame.kind != payload::AudioFrame::Kind::Sound) return true;  // heard as silence
    if (av_new_packet(packet_.get(), static_cast<int>(frame.bytes.size())) < 0)
        throw std::bad_alloc();
    std::memcpy(packet_->data, frame.bytes.data(), frame.bytes.size());
    const int sent = avcodec_send_packet(context_.get(), packet_.get());
    av_packet_unref(packet_.get());
    if (sent == AVERROR(ENOMEM)) throw std::bad_alloc();
    if (sent < 0) return false;
    while (avcodec_receive_frame(context_.get(), frame_.get()) == 0) {
        add_frame(position_ns, take);
        position_ns += scale(frame_->nb_samples, kSecondNs, std::max(frame_->sample_rate, 1));
        av_frame_unref(frame_.get());
    }
    return true;
}

void SoundDecoder::add_frame(std::int64_t position_ns, const TakeSound& take) {
    const int rate = frame_->sample_rate;
    if (rate <= 0 || frame_->nb_samples <= 0) return;
    const bool is_same = rate == in_rate_ && frame_->format == in_format_ &&
                         frame_->ch_layout.nb_channels == in_channels_;
    if (!is_same || !is_running_ || position_ns > in_end_ns_ + kSlackNs) {
        end_run(take);
        if (!is_same && !prepare_resampler()) return;
        is_running_ = true;
        in_end_ns_ = position_ns;
        // A run may not begin inside the one before.
        out_next_ = std::max(scale(position_ns, rate_, kSecondNs), out_next_);
    }
    int skip = 0;
    if (position_ns < in_end_ns_ - kSlackNs)  // two sources at once: what came first stays
        skip = static_cast<int>(std::min<std::int64_t>(
            scale(in_end_ns_ - position_ns, rate, kSecondNs), frame_->nb_samples));
    in_end_ns_ += scale(frame_->nb_samples - skip, kSecondNs, rate);
    convert(frame_.get(), skip, take);
}

bool SoundDecoder::prepare_resampler() {
    AVChannelLayout mono{};
    av_channel_layout_default(&mono, 1);
    SwrContext* made = nullptr;
    const int error = swr_alloc_set_opts2(
        &made, &mono, AV_SAMPLE_FMT_S16, rate_, &frame_->ch_layout,
        static_cast<AVSampleFormat>(frame_->format), frame_->sample_rate, 0, nullptr);
    resampler_.reset(made);
    if (error < 0 || swr_init(made) < 0) {
        in_rate_ = 0;
        return false;
    }
    in_rate_ = frame_->sample_rate;
    in_format_ = frame_->format;
    in_channels_ = frame_->ch_layout.nb_channels;
    return true;
}

// What the filter still holds.
void SoundDecoder::end_run(const TakeSound& take) {
    if (!is_running_) return;
    is_running_ = false;
    convert(nullptr, 0, take);
    swr_close(resampler_.get());
    if (swr_init(resampler_.get()) < 0) in_rate_ = 0;
}

void SoundDecoder::convert(const AVFrame* frame, int skip, const TakeSound& take) {
    const int count = frame == nullptr ? 0 : frame->nb_samples - skip;
    const auto room =
        static_cast<std::size_t>(std::max(swr_get_out_samples(resampler_.get(), count), 0));
    samples_.resize(room + 32);
    auto* out = reinterpret_cast<std::uint8_t*>(samples_.data());
    std::array<const std::uint8_t*, AV_NUM_DATA_POINTERS> in{};
    if (frame != nullptr) {
        const auto format = static_cast<AVSampleFormat>(frame->format);
        const bool is_planar = av_sample_fmt_is_planar(format) != 0;
        const int step = av_get_bytes_per_sample(format) * (is_planar ? 1 : in_channels_);
        const int planes = is_planar ? std::min(in_channels_, AV_NUM_DATA_POINTERS) : 1;
        for (int i = 0; i < planes; ++i)
            in.at(static_cast<std::size_t>(i)) = frame->extended_data[i] + skip * step;
    }
    const int made = swr_convert(resampler_.get(), &out, static_cast<int>(samples_.size()),
                                 frame == nullptr ? nullptr : in.data(), count);
    if (made <= 0) return;
    take(out_next_, std::span(samples_).first(static_cast<std::size_t>(made)));
    out_next_ += made;
}

void SoundDecoder::finish(const TakeSound& take) { end_run(take); }

}  // namespace earshot::media
