#include "focus/opus_encoder.h"

#include <opus.h>

#include <algorithm>
#include <new>

namespace earshot::focus {

namespace {

constexpr opus_int32 kRate = 16'000;
constexpr int kChannels = 1;
// Of 10: what sounds well at this bitrate. Each step more costs each listener's encoder.
constexpr int kComplexity = 2;
constexpr int kLossPercent = 5;  // that FEC is made for
constexpr opus_int32 kLeastBitrate = 6'000;
constexpr std::size_t kMaxPacketBytes = 400;  // 160 kbit/s

int bandwidth_of(std::uint32_t hz) {
    if (hz <= 8'000) return OPUS_BANDWIDTH_NARROWBAND;
    return hz <= 12'000 ? OPUS_BANDWIDTH_MEDIUMBAND : OPUS_BANDWIDTH_WIDEBAND;
}

}  // namespace

void SpeechEncoder::Free::operator()(OpusEncoder* encoder) const {
    ::opus_encoder_destroy(encoder);
}

SpeechEncoder::SpeechEncoder(const OpusWishes& wishes) {
    int error = OPUS_OK;
    encoder_.reset(::opus_encoder_create(kRate, kChannels, OPUS_APPLICATION_VOIP, &error));
    if (!encoder_) throw std::bad_alloc();
    OpusEncoder* const encoder = encoder_.get();
    static_cast<void>(::opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(kComplexity)));
    static_cast<void>(::opus_encoder_ctl(
        encoder,
        OPUS_SET_BITRATE(std::max(static_cast<opus_int32>(wishes.bitrate), kLeastBitrate))));
    static_cast<void>(
        ::opus_encoder_ctl(encoder, OPUS_SET_MAX_BANDWIDTH(bandwidth_of(wishes.bandwidth_hz))));
    static_cast<void>(::opus_encoder_ctl(encoder, OPUS_SET_VBR(wishes.is_constant ? 0 : 1)));
    static_cast<void>(::opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(wishes.takes_fec ? 1 : 0)));
    static_cast<void>(::opus_encoder_ctl(
        encoder, OPUS_SET_PACKET_LOSS_PERC(wishes.takes_fec ? kLossPercent : 0)));
}

void SpeechEncoder::encode(std::span<const std::int16_t> samples, bool begins, base::Bytes& out) {
    static_cast<void>(
        ::opus_encoder_ctl(encoder_.get(), OPUS_SET_PREDICTION_DISABLED(begins ? 1 : 0)));
    const std::size_t before = out.size();
    out.resize(before + kMaxPacketBytes);
    const opus_int32 size =
        ::opus_encode(encoder_.get(), samples.data(), static_cast<int>(samples.size()),
                      out.data() + before, static_cast<opus_int32>(kMaxPacketBytes));
    out.resize(before + static_cast<std::size_t>(std::max<opus_int32>(size, 0)));
}

}  // namespace earshot::focus
