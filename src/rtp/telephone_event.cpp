#include "rtp/telephone_event.h"

#include <string_view>

#include "rtp/limits.h"

namespace earshot::rtp {

base::Result<TelephoneEvent> parse_telephone_event(base::ByteView payload) {
    // Longer ones carry further events of the same format; RFC 4733 §2.5.1.5 puts the newest first.
    if (payload.size() < 4) {
        return base::Error{base::Errc::Malformed, "telephone-event: short", payload.size()};
    }
    return TelephoneEvent{.event = payload[0],
                          .end = (payload[1] & 0x80) != 0,
                          .volume = static_cast<std::uint8_t>(payload[1] & 0x3f),
                          .duration = base::load_u16(payload, 2)};
}

void write_telephone_event(const TelephoneEvent& event, base::Bytes& out) {
    out.push_back(event.event);
    out.push_back(static_cast<std::uint8_t>((event.end ? 0x80 : 0) | (event.volume & 0x3f)));
    base::append_u16(out, event.duration);
}

std::optional<char> dtmf_digit(std::uint8_t event) {
    constexpr std::string_view kDigits = "0123456789*#ABCD";
    if (event >= kDigits.size()) return std::nullopt;
    return kDigits[event];
}

bool DtmfDetector::continues(std::uint32_t timestamp, const TelephoneEvent& event) const {
    // RFC 4733 §2.5.1.3: an event longer than 0xFFFF ticks goes on in a new segment whose timestamp
    // is where the one before ended.
    return !open_->ended && open_->event == event.event && open_->segments < kMaxDtmfSegments &&
           timestamp == open_->segment_timestamp + open_->segment_ticks;
}

void DtmfDetector::on_packet(std::uint32_t timestamp, std::int64_t arrival_ns,
                             const TelephoneEvent& event) {
    if (!dtmf_digit(event.event)) return;
    if (open_) {
        const auto age = static_cast<std::int32_t>(timestamp - open_->segment_timestamp);
        if (age < 0) return;  // a late packet of an event that is over
        if (age == 0 && event.event == open_->event) {
            if (event.duration > open_->segment_ticks) open_->segment_ticks = event.duration;
        } else if (age != 0 && continues(timestamp, event)) {
            open_->before_segment += open_->segment_ticks;
            open_->segment_timestamp = timestamp;
            open_->segment_ticks = event.duration;
            ++open_->segments;
        } else {
            report();
            open_.reset();
        }
    }
    if (!open_) {
        open_ = Open{.event = event.event,
                     .first_timestamp = timestamp,
                     .segment_timestamp = timestamp,
                     .segment_ticks = event.duration,
                     .arrival_ns = arrival_ns};
    }
    if (event.end) report();
}

void DtmfDetector::finish() {
    if (open_) report();
    open_.reset();
}

// Once an event; the open entry stays, so that the repeated ends are recognised.
void DtmfDetector::report() {
    if (open_->ended) return;
    open_->ended = true;
    digits_.push_back({.digit = dtmf_digit(open_->event).value_or('?'),
                       .timestamp = open_->first_timestamp,
                       .duration_ticks = open_->before_segment + open_->segment_ticks,
                       .arrival_ns = open_->arrival_ns});
}

std::optional<DtmfDigitSeen> DtmfDetector::poll_digit() {
    if (digits_.empty()) return std::nullopt;
    const DtmfDigitSeen digit = digits_.front();
    digits_.pop_front();
    return digit;
}

}  // namespace earshot::rtp
