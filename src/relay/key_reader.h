// The keys that the parties of a call press, as RTP tells them (RFC 4733): read in passing by the
// worker, told to signalling. Keys may be card numbers: never log them.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/bounded_queue.h"
#include "base/bytes.h"
#include "relay/limits.h"
#include "relay/media_plane.h"
#include "rtp/telephone_event.h"

namespace earshot::relay {

// By RTP payload type: those that are telephone-event.
using KeyFormats = std::bitset<128>;

struct KeyPress {
    CallKey call;
    Leg from = Leg::A;
    char digit = 0;  // '0'-'9', '*', '#', 'A'-'D'
};

// From the workers to signalling.
class KeyQueue {
public:
    // `wake` is called on a worker's thread when there is something to take().
    explicit KeyQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

    // Any thread. A key that finds no room is lost, and counted.
    void put(const KeyPress& key);
    // Signalling's. After a wake: until there is none.
    std::optional<KeyPress> take();
    std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

private:
    const std::function<void()> wake_;
    base::BoundedQueue<KeyPress> keys_{kMaxQueuedKeys};
    std::atomic<bool> is_awake_{false};  // wake() was called, and the queue not yet found empty
    std::atomic<std::uint64_t> lost_{0};
};

// What one leg presses on one line. Packets of other formats cost two comparisons.
class KeyReader {
public:
    void set_formats(const KeyFormats& formats) { formats_ = formats; }

    // An RTP packet, 12 octets at least, that was let pass. A key is told when it is released;
    // where that was lost, when media has gone on for kLostRelease, or at the next key.
    template <class Told>
    void on_packet(base::ByteView rtp, std::int64_t now_ns, const Told& told) {
        const bool is_key = formats_.test(rtp[1] & 0x7fU);
        if (!is_key && (!is_pressed_ || now_ns - last_ns_ < kLostRelease.count())) return;
        if (is_key)
            read(rtp, now_ns);
        else
            finish();
        while (detector_) {
            const auto digit = detector_->poll_digit();
            if (!digit) break;
            if (has_allowance(now_ns)) told(digit->digit);
        }
    }

private:
    void read(base::ByteView rtp, std::int64_t now_ns);
    void finish();
    bool has_allowance(std::int64_t now_ns);

    KeyFormats formats_;
    std::optional<rtp::DtmfDetector> detector_;  // made by the first key: most calls have none
    std::uint32_t ssrc_ = 0;                     // of what it has read
    bool is_pressed_ = false;
    std::int64_t last_ns_ = 0;  // of the last packet of a key
    std::int64_t second_began_ns_ = 0;
    std::size_t in_second_ = 0;
};

// Both legs of a line, and where their keys go. Null formats on both sides make none.
struct LineKeys {
    CallKey call;
    KeyQueue& queue;
    std::array<KeyReader, 2> legs{};  // by index_of()

    void on_packet(Leg from, base::ByteView rtp, std::int64_t now_ns) {
        legs[index_of(from)].on_packet(rtp, now_ns, [&](char digit) {
            queue.put({.call = call, .from = from, .digit = digit});
        });
    }
};

}  // namespace earshot::relay
