#include "relay/sound_mixer.h"

#include <algorithm>
#include <utility>

#include "audio/g711.h"

namespace earshot::relay {

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
// Longer than the packets of any phone are apart while it speaks.
constexpr std::int64_t kSilence = 70 * kMillisecond;
constexpr std::int64_t kFillTime = 20 * kMillisecond;
// After a stall the packets that were due are not sent in a burst.
constexpr std::int64_t kMaxLate = 100 * kMillisecond;
constexpr std::size_t kMostOctets = 512;  // of a payload; grows where one is larger

std::int16_t saturated(int sample) {
    return static_cast<std::int16_t>(std::clamp(sample, -32'768, 32'767));
}

int sample_at(std::span<const std::int16_t> samples, std::size_t index) {
    return index < samples.size() ? samples[index] : 0;
}

}  // namespace

SoundMixer::SoundMixer(SoundPtr sound, const SoundFormats& formats, Identity own)
    : sound_(std::move(sound)), formats_(formats), own_(own) {
    samples_.reserve(2 * kMostOctets);
    octets_.reserve(kMostOctets);
    packet_.reserve(kFillBytes);
}

void SoundMixer::begin_if_due(std::int64_t now_ns) {
    if (!next_begin_) {
        next_begin_ = now_ns;
        last_heard_ = now_ns;
    }
    if (is_over_ || is_sounding_ || now_ns < *next_begin_) return;
    is_sounding_ = true;
    position_ = 0;
    *next_begin_ = now_ns + std::chrono::nanoseconds(sound_->interval).count();
}

void SoundMixer::advance(std::size_t ticks) {
    position_ += ticks;
    if (position_ < sound_->narrow.size()) return;
    is_sounding_ = false;
    is_ours_ = false;
    is_encoding_ = false;
    is_over_ = sound_->interval.count() == 0;
}

SoundMixer::Fate SoundMixer::on_packet(base::ByteView packet, std::span<std::uint8_t> out,
                                       std::int64_t now_ns) {
    begin_if_due(now_ns);
    const auto header = rtp::parse_rtp(packet);
    if (!header || header->payload_size == 0) return Fate::Pass;
    const SoundCodec codec = formats_.codecs[header->payload_type & 0x7f];
    if (codec == SoundCodec::Aside) return Fate::Pass;
    if (codec == SoundCodec::Foreign) {
        if (!is_sounding_ || !formats_.own || !formats_.may_fill) return Fate::Pass;
        last_heard_ = now_ns - kSilence;  // nothing that could be mixed with
        return Fate::Drop;
    }
    last_heard_ = now_ns;
    if (codec == SoundCodec::G722 && is_sounding_ && !is_encoding_) {
        // The phone's decoder is where ours is before this packet.
        encoder_ = audio::G722Encoder(decoder_);
        is_encoding_ = true;
    }
    if (codec == SoundCodec::G722) {
        samples_.clear();
        decoder_.decode(rtp::rtp_payload(packet, *header), samples_);
    }
    if (!is_sounding_) return Fate::Pass;
    is_ours_ = false;
    std::copy(packet.begin(), packet.end(), out.begin());
    mix(codec, out.subspan(header->size, header->payload_size));
    advance(header->payload_size);
    return Fate::Changed;
}

void SoundMixer::mix(SoundCodec codec, std::span<std::uint8_t> payload) {
    if (codec != SoundCodec::G722) return mix_g711(codec, payload);
    for (std::size_t i = 0; i < samples_.size(); ++i) {
        const int speech = sound_->is_alone ? 0 : samples_[i];
        samples_[i] = saturated(speech + sample_at(sound_->wide, 2 * position_ + i));
    }
    octets_.clear();
    encoder_.encode(samples_, octets_);
    std::copy_n(octets_.begin(), std::min(octets_.size(), payload.size()), payload.begin());
}

void SoundMixer::mix_g711(SoundCodec codec, std::span<std::uint8_t> payload) const {
    const bool is_mu = codec == SoundCodec::Mu;
    for (std::size_t i = 0; i < payload.size() && position_ + i < sound_->narrow.size(); ++i) {
        const int heard =
            is_mu ? audio::decode_mu_law(payload[i]) : audio::decode_a_law(payload[i]);
        const std::int16_t mixed =
            saturated((sound_->is_alone ? 0 : heard) + sound_->narrow[position_ + i]);
        payload[i] = is_mu ? audio::encode_mu_law(mixed) : audio::encode_a_law(mixed);
    }
}

std::size_t SoundMixer::fill(std::span<std::uint8_t> out, std::int64_t now_ns) {
    begin_if_due(now_ns);
    if (!is_sounding_ || !formats_.own || !formats_.may_fill) return 0;
    if (now_ns - last_heard_ < kSilence) return 0;
    const SoundCodec codec = formats_.codecs[*formats_.own];
    const bool is_first = !std::exchange(is_ours_, true);
    if (is_first) {
        // The clock of our stream went on while nothing was said in it.
        if (last_fill_ != 0)
            own_.timestamp += static_cast<std::uint32_t>((now_ns - last_fill_) / kMillisecond * 8);
        next_fill_ = now_ns;
        own_encoder_ = {};
    }
    if (now_ns < next_fill_) return 0;
    next_fill_ = now_ns - next_fill_ > kMaxLate ? now_ns + kFillTime : next_fill_ + kFillTime;
    last_fill_ = now_ns + kFillTime;

    const rtp::RtpHeader header{.payload_type = *formats_.own,
                                .marker = is_first,  // a talkspurt begins (RFC 3551 section 4.1)
                                .sequence = own_.sequence++,
                                .timestamp = own_.timestamp,
                                .ssrc = own_.ssrc};
    own_.timestamp += kFillTicks;
    samples_.clear();
    const bool is_wide = codec == SoundCodec::G722;
    for (std::size_t i = 0; i < (is_wide ? 2 : 1) * kFillTicks; ++i)
        samples_.push_back(
            static_cast<std::int16_t>(is_wide ? sample_at(sound_->wide, 2 * position_ + i)
                                              : sample_at(sound_->narrow, position_ + i)));
    octets_.clear();
    if (is_wide) {
        own_encoder_.encode(samples_, octets_);
    } else {
        octets_.resize(kFillTicks);
        audio::encode_g711(codec == SoundCodec::Mu ? audio::G711Law::Mu : audio::G711Law::A,
                           samples_, octets_);
    }
    advance(kFillTicks);
    packet_.clear();
    rtp::write_rtp(header, octets_, packet_);
    std::copy(packet_.begin(), packet_.end(), out.begin());
    return packet_.size();
}

}  // namespace earshot::relay
