#include "focus/opus_input.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "payload/audio_frames.h"
#include "relay/limits.h"
#include "rtp/rtp_packet.h"

namespace earshot::focus {

using voice::RecordKind;

namespace {

constexpr std::int64_t kTick = OpusInput::kTickSamples;
constexpr std::int64_t kScale = 3;       // ticks of 48 kHz in a sample (RFC 7587 section 4.1)
constexpr std::int64_t kDelayTicks = 3;  // how long a voice waits for what is late
constexpr std::int64_t kLongTicks = 6;   // waiting: then a quiet moment is left out
constexpr std::int64_t kMaxTicks = 20;   // waiting: then any moment is
constexpr int kQuiet = 64;               // amplitude, of 32768: -54 dB
// What a decoder makes up fades until then; who is away for longer, or sends nothing while it is
// silent (DTX), is silent.
constexpr std::int64_t kMaxConcealed = 5 * kTick;
constexpr std::int64_t kStep = voice::kSamplesStep;

}  // namespace

void OpusInput::on_packet(base::ByteView packet) {
    const auto header = rtp::parse_rtp(packet);
    const base::ByteView payload = header ? rtp::rtp_payload(packet, *header) : base::ByteView{};
    const std::int64_t samples = payload::opus_duration(payload) / kScale;
    if (!header || header->payload_type != payload_type_ || samples == 0 ||
        payload.size() > voice::kMaxPacketBytes) {
        ++counters_.passed_over;
        return;
    }
    if (ssrc_ != header->ssrc) {  // another source: its time has nothing to do with the one before
        if (ssrc_) ++stream_;
        ssrc_ = header->ssrc;
        timestamps_ = {};
        waiting_.clear();
        asked_.clear();
        offset_.reset();
        has_decoded_ = false;
    }
    place(timestamps_.extend(header->timestamp),
          {.samples = samples, .packet = {payload.begin(), payload.end()}});
}

// Where in the mix it is heard. A voice that has been silent, or whose clock is slower than ours,
// begins anew with the usual delay.
void OpusInput::place(std::int64_t timestamp, Waiting packet) {
    const std::int64_t far = relay::kMaxMixWaiting * kTick;
    // What is asked for now is there at the tick after the next one.
    const std::int64_t earliest = std::max(now_ + kTick, asked_until_);
    std::int64_t position = timestamp / kScale + offset_.value_or(0);
    const bool is_near = offset_ && position > now_ - far && position <= now_ + far;
    if (waiting_.size() >= relay::kMaxMixPackets ||
        (is_near && position < earliest && (!waiting_.empty() || timestamp <= newest_))) {
        ++counters_.late;
        return;
    }
    if (!is_near || position < earliest) {
        position = std::max(now_ + kDelayTicks * kTick, earliest);
        if (!waiting_.empty())
            position =
                std::max(position, waiting_.rbegin()->first + waiting_.rbegin()->second.samples);
        offset_ = position - timestamp / kScale;
        newest_ = timestamp;
    }
    newest_ = std::max(newest_, timestamp);
    ++counters_.packets;
    waiting_.insert_or_assign(position, std::move(packet));
}

void OpusInput::ask_one(RecordKind kind, std::int64_t samples, base::Bytes packet,
                        std::vector<Question>& questions) {
    asked_.push_back({.ticket = ++ticket_, .position = asked_until_});
    questions.push_back({.kind = kind,
                         .samples = static_cast<std::uint16_t>(samples),
                         .stream = stream_,
                         .ticket = ticket_,
                         .packet = std::move(packet)});
    asked_until_ += samples;
    has_decoded_ = has_decoded_ || kind == RecordKind::Decode;
    concealed_ = kind == RecordKind::Decode ? 0 : concealed_ + samples;
}

// What the tick after the next one needs.
void OpusInput::ask(std::vector<Question>& questions) {
    if (!offset_) return;
    const std::int64_t until = now_ + kTick;
    while (asked_until_ < until) {
        const auto next = waiting_.begin();
        const std::int64_t begins = next == waiting_.end() ? until : next->first;
        // Less than a decoder conceals at once is no gap.
        if (next != waiting_.end() && begins < asked_until_ + kStep) {
            ask_one(RecordKind::Decode, next->second.samples, std::move(next->second.packet),
                    questions);
            waiting_.erase(next);
            continue;
        }
        const std::int64_t missing = std::min(begins, until) - asked_until_;
        const std::int64_t gap = missing - missing % kStep;
        if (gap == 0 || !has_decoded_ || concealed_ + gap > kMaxConcealed) {
            asked_until_ = std::min(begins, until);
            continue;
        }
        const bool tells_of_it = next != waiting_.end() && begins <= until + kTick &&
                                 begins - asked_until_ <= next->second.samples;
        ask_one(tells_of_it ? RecordKind::Repair : RecordKind::Conceal,
                tells_of_it ? begins - asked_until_ - (begins - asked_until_) % kStep : gap,
                tells_of_it ? next->second.packet : base::Bytes{}, questions);
    }
}

void OpusInput::on_decoded(std::uint32_t stream, std::uint64_t ticket,
                           std::span<const std::int16_t> samples) {
    if (stream != stream_) return;
    // Answers come in the order of the questions; some are lost with the child.
    while (!asked_.empty() && asked_.front().ticket < ticket) asked_.pop_front();
    if (asked_.empty() || asked_.front().ticket != ticket) return;
    const std::int64_t position = asked_.front().position;
    asked_.pop_front();
    if (samples_.empty() || position < first_) {
        samples_.clear();
        first_ = position;
    }
    const std::int64_t end = first_ + static_cast<std::int64_t>(samples_.size());
    if (position > end)
        samples_.insert(samples_.end(), static_cast<std::size_t>(position - end), 0);
    // A packet that lasts longer than it said is heard no longer than that: the next one is put
    // where it belongs.
    if (position < end) samples_.resize(static_cast<std::size_t>(position - first_));
    samples_.insert(samples_.end(), samples.begin(), samples.end());
}

void OpusInput::skip(std::size_t samples) {
    const std::size_t gone = std::min(samples, samples_.size());
    samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(gone));
    first_ += static_cast<std::int64_t>(gone);
}

bool OpusInput::add_to(std::span<std::int32_t, kTickSamples> sum,
                       std::vector<Question>& questions) {
    if (first_ < now_) skip(static_cast<std::size_t>(now_ - first_));
    const std::int64_t from = std::max<std::int64_t>(first_ - now_, 0);
    const std::int64_t until =
        std::min(first_ + static_cast<std::int64_t>(samples_.size()) - now_, kTick);
    int loudest = 0;
    for (std::int64_t i = from; i < until; ++i) {
        const int sample = samples_[static_cast<std::size_t>(now_ + i - first_)];
        sum[static_cast<std::size_t>(i)] += sample;
        loudest = std::max(loudest, std::abs(sample));
    }
    const bool has_any = until > from;
    if (has_any) skip(static_cast<std::size_t>(now_ + until - first_));
    now_ += kTick;
    tidy(has_any && loudest >= kQuiet);
    ask(questions);
    return has_any;
}

void OpusInput::tidy(bool was_heard) {
    // What has no answer by now gets none.
    while (!asked_.empty() && asked_.front().position + kMaxConcealed < now_) asked_.pop_front();
    if (waiting_.empty()) return;
    const std::int64_t ticks = (waiting_.rbegin()->first - now_) / kTick;
    if (ticks <= (was_heard ? kMaxTicks : kLongTicks)) return;
    // A sender whose clock runs faster than ours: all that follows comes a tick earlier, and the
    // next tick, which is being decoded, is not heard.
    ++counters_.left_out;
    *offset_ -= kTick;
    asked_until_ -= kTick;
    first_ -= kTick;
    for (Asked& one : asked_) one.position -= kTick;
    std::map<std::int64_t, Waiting> earlier;
    for (auto& [position, packet] : waiting_) earlier.emplace(position - kTick, std::move(packet));
    waiting_ = std::move(earlier);
}

}  // namespace earshot::focus
