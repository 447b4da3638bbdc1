#include "relay/key_reader.h"

#include "rtp/rtp_packet.h"

namespace earshot::relay {

void KeyQueue::put(const KeyPress& key) {
    if (!keys_.try_push(KeyPress(key))) {
        lost_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    if (!is_awake_.exchange(true) && wake_) wake_();
}

// The flag falls before the queue is looked at: a key that comes in between wakes once more.
std::optional<KeyPress> KeyQueue::take() {
    if (auto key = keys_.try_pop()) return key;
    is_awake_.store(false);
    return keys_.try_pop();
}

void KeyReader::read(base::ByteView rtp, std::int64_t now_ns) {
    const auto header = rtp::parse_rtp(rtp);
    if (!header) return;
    const auto event = rtp::parse_telephone_event(rtp::rtp_payload(rtp, *header));
    if (!event || !rtp::dtmf_digit(event->event)) return;
    if (!detector_) detector_.emplace();
    // Timestamps of another source have nothing to do with those before.
    if (header->ssrc != ssrc_) finish();
    ssrc_ = header->ssrc;
    detector_->on_packet(header->timestamp, now_ns, *event);
    is_pressed_ = !event->end;
    last_ns_ = now_ns;
}

void KeyReader::finish() {
    if (detector_) detector_->finish();
    is_pressed_ = false;
}

// Nobody presses faster; who floods costs the other calls no place in the queue.
bool KeyReader::has_allowance(std::int64_t now_ns) {
    constexpr std::int64_t kSecondNs = 1'000'000'000;
    if (now_ns - second_began_ns_ >= kSecondNs) {
        second_began_ns_ = now_ns;
        in_second_ = 0;
    }
    return ++in_second_ <= kMaxKeysPerSecond;
}

}  // namespace earshot::relay
