#include "media/picture_decoder.h"

#include <cstring>
#include <new>

#include "media/limits.h"

namespace earshot::media {

std::unique_ptr<PictureDecoder> PictureDecoder::make(AVCodecID codec, bool only_key_frames) {
    const AVCodec* decoder = avcodec_find_decoder(codec);
    if (decoder == nullptr) return nullptr;
    CodecContext context(avcodec_alloc_context3(decoder));
    if (!context) throw std::bad_alloc();
    context->max_pixels = std::int64_t{kMaxPictureSide} * kMaxPictureSide / 4;
    context->flags |= AV_CODEC_FLAG_LOW_DELAY;
    context->pkt_timebase = {1, 1'000'000'000};
    if (only_key_frames) context->skip_frame = AVDISCARD_NONKEY;
    int error = 0;
    context = open_codec(decoder, std::move(context), nullptr, error);
    if (error < 0) return nullptr;
    return std::unique_ptr<PictureDecoder>(new PictureDecoder(std::move(context)));
}

PictureDecoder::PictureDecoder(CodecContext context)
    : context_(std::move(context)), packet_(av_packet_alloc()), frame_(av_frame_alloc()) {
    if (!packet_ || !frame_) throw std::bad_alloc();
}

bool PictureDecoder::add(const PlacedUnit& unit, const Take& take) {
    if (unit.begins_anew && unit.unit.key_frame) avcodec_flush_buffers(context_.get());
    had_key_ = had_key_ || unit.unit.key_frame;
    if (!had_key_ || unit.unit.bytes.empty()) return true;
    if (av_new_packet(packet_.get(), static_cast<int>(unit.unit.bytes.size())) < 0)
        throw std::bad_alloc();
    std::memcpy(packet_->data, unit.unit.bytes.data(), unit.unit.bytes.size());
    packet_->pts = packet_->dts = unit.position_ns;
    if (unit.unit.key_frame) packet_->flags |= AV_PKT_FLAG_KEY;
    const int sent = avcodec_send_packet(context_.get(), packet_.get());
    av_packet_unref(packet_.get());
    if (sent == AVERROR(ENOMEM)) throw std::bad_alloc();
    drain(take);
    return sent >= 0;
}

void PictureDecoder::drain(const Take& take) {
    while (avcodec_receive_frame(context_.get(), frame_.get()) == 0) {
        if (frame_->width <= kMaxPictureSide && frame_->height <= kMaxPictureSide) take(*frame_);
        av_frame_unref(frame_.get());
    }
}

void PictureDecoder::finish(const Take& take) {
    avcodec_send_packet(context_.get(), nullptr);
    drain(take);
}

}  // namespace earshot::media
