#include "relay/session_mixer.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "audio/g711.h"
#include "relay/limits.h"
#include "rtp/rtp_packet.h"

namespace earshot::relay {

namespace {

constexpr std::uint32_t kClockRate = 8000;  // of RTP, for all three (G722: RFC 3551 section 4.5.2)
constexpr std::uint32_t kTicksPerSecond = 50;
constexpr std::int64_t kDelayTicks = 3;  // how long a voice waits for what is late
constexpr std::int64_t kLongTicks = 6;   // waiting: then a quiet moment is left out
constexpr std::int64_t kMaxTicks = 20;   // waiting: then any moment is
constexpr int kQuiet = 64;               // amplitude, of 32768: -54 dB
constexpr std::uint32_t kWideRate = 16'000;

std::uint32_t rate_of(MixCodec codec) { return codec == MixCodec::G722 ? kWideRate : kClockRate; }

std::int64_t tick_of(std::uint32_t rate) { return rate / kTicksPerSecond; }

void add(MixInput::Counters& sum, const MixInput::Counters& more) {
    sum.packets += more.packets;
    sum.late += more.late;
    sum.passed_over += more.passed_over;
    sum.left_out += more.left_out;
}

}  // namespace

// ---- one voice ----------------------------------------------------------------------------------

const MixFormat* MixInput::find_format(std::uint8_t payload_type) const {
    const auto found = std::find_if(formats_.begin(), formats_.end(), [&](const MixFormat& format) {
        return format.payload_type == payload_type;
    });
    return found == formats_.end() ? nullptr : &*found;
}

void MixInput::on_packet(base::ByteView packet) {
    const auto header = rtp::parse_rtp(packet);
    const MixFormat* format = header ? find_format(header->payload_type) : nullptr;
    if (format == nullptr || header->payload_size == 0) {
        ++counters_.passed_over;
        return;
    }
    if (ssrc_ != header->ssrc) {  // another source: its time has nothing to do with the one before
        ssrc_ = header->ssrc;
        timestamps_ = {};
        take_due(std::numeric_limits<std::int64_t>::max());
        offset_.reset();
    }
    const base::ByteView payload = rtp::rtp_payload(packet, *header);
    place(timestamps_.extend(header->timestamp),
          {.position = 0, .codec = format->codec, .payload = {payload.begin(), payload.end()}});
}

// Where in the mix it is heard. A voice that has been silent, or whose clock is slower than ours,
// begins anew with the usual delay.
void MixInput::place(std::int64_t timestamp, Waiting packet) {
    const std::int64_t scale = rate_ / kClockRate;
    const std::int64_t latest = now_ + kMaxMixWaiting * tick_of(rate_);
    const bool is_late = offset_ && timestamp <= taken_;
    if (is_late || waiting_.size() >= kMaxMixPackets) {
        ++counters_.late;
        return;
    }
    packet.position = timestamp * scale + offset_.value_or(0);
    if (!offset_ || packet.position < now_ || packet.position > latest) {
        if (!waiting_.empty() && packet.position < now_) {  // newer ones are here already
            ++counters_.late;
            return;
        }
        offset_ = now_ + kDelayTicks * tick_of(rate_) - timestamp * scale;
        taken_ = timestamp - 1;
        packet.position = timestamp * scale + *offset_;
    }
    ++counters_.packets;
    waiting_.insert_or_assign(timestamp, std::move(packet));
}

void MixInput::take_due(std::int64_t until) {
    while (!waiting_.empty() && waiting_.begin()->second.position < until) {
        decode(waiting_.begin()->second);
        taken_ = waiting_.begin()->first;
        waiting_.erase(waiting_.begin());
    }
}

void MixInput::decode(const Waiting& packet) {
    std::vector<std::int16_t> decoded;
    if (packet.codec == MixCodec::G722) {
        g722_.decode(packet.payload, decoded);
    } else {
        decoded.resize(packet.payload.size());
        audio::decode_g711(packet.codec == MixCodec::Pcmu ? audio::G711Law::Mu : audio::G711Law::A,
                           packet.payload, decoded);
    }
    const std::int64_t next = first_ + static_cast<std::int64_t>(samples_.size());
    // A filter holds back a few samples, which is no gap.
    const bool is_gap = std::abs(packet.position - next) > tick_of(rate_) / 2;
    if (samples_.empty() && (is_gap || !resampler_)) first_ = packet.position;
    if (is_gap || packet.codec != last_codec_) resampler_.reset();
    if (is_gap && !samples_.empty()) {
        const std::int64_t missing = std::max<std::int64_t>(packet.position - next, 0);
        samples_.insert(samples_.end(), static_cast<std::size_t>(missing), 0);
    }
    last_codec_ = packet.codec;
    if (rate_of(packet.codec) == rate_) {
        samples_.insert(samples_.end(), decoded.begin(), decoded.end());
        return;
    }
    if (!resampler_) resampler_.emplace(rate_of(packet.codec), rate_);
    resampler_->push(decoded, samples_);
}

// How much of the voice waits beyond the mix's present.
std::int64_t MixInput::ahead() const {
    if (waiting_.empty()) return 0;
    return waiting_.rbegin()->second.position - now_;
}

void MixInput::skip(std::size_t samples) {
    const std::size_t gone = std::min(samples, samples_.size());
    samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(gone));
    first_ += static_cast<std::int64_t>(gone);
}

bool MixInput::add_to(std::span<std::int32_t> sum) {
    const auto count = static_cast<std::int64_t>(sum.size());
    take_due(now_ + count);
    // A filter gives its last samples only with those that follow, or when none do.
    if (resampler_) take_due(now_ + count + count / 4);
    const std::int64_t end = first_ + static_cast<std::int64_t>(samples_.size());
    if (resampler_ && waiting_.empty() && end < now_ + count) {
        resampler_->finish(samples_);
        resampler_.reset();
    }
    if (first_ < now_) skip(static_cast<std::size_t>(now_ - first_));
    const std::int64_t from = std::max(first_, now_) - now_;
    const std::int64_t until =
        std::min(first_ + static_cast<std::int64_t>(samples_.size()) - now_, count);
    int loudest = 0;
    for (std::int64_t i = from; i < until; ++i) {
        const int sample = samples_[static_cast<std::size_t>(now_ + i - first_)];
        sum[static_cast<std::size_t>(i)] += sample;
        loudest = std::max(loudest, std::abs(sample));
    }
    const bool has_any = until > from;
    was_heard_ = has_any && loudest >= kQuiet;
    if (has_any) skip(static_cast<std::size_t>(now_ + until - first_));
    now_ += count;
    const std::int64_t ticks = ahead() / count;
    if (offset_ && (ticks > kMaxTicks || (ticks > kLongTicks && !was_heard_))) {
        ++counters_.left_out;
        *offset_ -= count;
        first_ -= count;
        for (auto& [timestamp, packet] : waiting_) packet.position -= count;
    }
    return has_any;
}

// ---- the mix ------------------------------------------------------------------------------------

SessionMixer::SessionMixer(MixFormat output, Identity own) : output_(output), own_(own) {}

std::uint32_t SessionMixer::rate() const { return rate_of(output_.codec); }

void SessionMixer::set_output(MixFormat output) {
    const bool is_other_rate = rate_of(output.codec) != rate();
    if (output.codec != output_.codec) encoder_ = {};
    output_ = output;
    if (!is_other_rate) return;
    for (auto& [id, entry] : inputs_) {
        relay::add(ended_, entry.input.counters());
        entry.input = MixInput(entry.formats, entry.input.csrc(), rate());
    }
}

void SessionMixer::add(std::uint64_t id, std::vector<MixFormat> formats, std::uint32_t csrc) {
    MixInput input(formats, csrc, rate());
    inputs_.insert_or_assign(
        id, Entry{.input = std::move(input), .formats = std::move(formats), .has_ended = false});
}

void SessionMixer::end(std::uint64_t id) {
    const auto found = inputs_.find(id);
    if (found != inputs_.end()) found->second.has_ended = true;
}

void SessionMixer::on_packet(std::uint64_t id, base::ByteView packet) {
    const auto found = inputs_.find(id);
    if (found != inputs_.end()) found->second.input.on_packet(packet);
}

MixInput::Counters SessionMixer::counters() const {
    MixInput::Counters sum = ended_;
    for (const auto& [id, entry] : inputs_) relay::add(sum, entry.input.counters());
    return sum;
}

bool SessionMixer::tick(base::Bytes& out, bool is_wanted) {
    sum_.assign(rate() / kTicksPerSecond, 0);
    csrcs_.clear();
    bool has_any = is_wanted;
    for (auto at = inputs_.begin(); at != inputs_.end();) {
        MixInput& input = at->second.input;
        has_any = input.add_to(sum_) || has_any;
        if (input.was_heard() && csrcs_.size() < kMaxCsrcs) csrcs_.push_back(input.csrc());
        if (at->second.has_ended && input.is_empty()) {
            relay::add(ended_, input.counters());
            at = inputs_.erase(at);
        } else {
            ++at;
        }
    }
    out.clear();
    if (has_any) encode(out);
    is_talking_ = has_any;
    own_.timestamp += kClockRate / kTicksPerSecond;
    return has_any;
}

void SessionMixer::encode(base::Bytes& out) {
    samples_.clear();
    for (const std::int32_t sample : sum_)
        samples_.push_back(static_cast<std::int16_t>(std::clamp(sample, -32'768, 32'767)));
    constexpr std::uint8_t kVersion = 0x80;
    constexpr std::uint8_t kMarker = 0x80;  // a talkspurt begins (RFC 3551 section 4.1)
    out.push_back(static_cast<std::uint8_t>(kVersion | csrcs_.size()));
    out.push_back(static_cast<std::uint8_t>((is_talking_ ? 0 : kMarker) | output_.payload_type));
    base::append_u16(out, own_.sequence);
    base::append_u32(out, own_.timestamp);
    base::append_u32(out, own_.ssrc);
    for (const std::uint32_t csrc : csrcs_) base::append_u32(out, csrc);
    const std::size_t before = out.size();
    if (output_.codec == MixCodec::G722) {
        encoder_.encode(samples_, out);
    } else {
        out.resize(before + samples_.size());
        audio::encode_g711(output_.codec == MixCodec::Pcmu ? audio::G711Law::Mu : audio::G711Law::A,
                           samples_, std::span(out).subspan(before));
    }
    ++own_.sequence;
    ++packets_;
    octets_ += out.size() - before;
}

}  // namespace earshot::relay
