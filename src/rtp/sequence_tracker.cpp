#include "rtp/sequence_tracker.h"

#include <algorithm>

namespace earshot::rtp {

namespace {

constexpr std::uint32_t kSeen = 128;  // numbers below the newest that are remembered

}  // namespace

void SequenceTracker::begin(std::uint16_t sequence, std::uint32_t already_received) {
    if (received_ > 0) expected_before_ = expected();  // a sequence ends here
    started_ = true;
    resync_ = false;
    after_jump_.reset();
    late_in_a_row_ = 0;
    highest_ = sequence;
    base_ = highest_ - already_received;
    seen_near_ = already_received == 0 ? 1 : 3;
    seen_far_ = 0;
    received_ += already_received + 1;
}

SequenceVerdict SequenceTracker::on_packet(std::uint16_t sequence) {
    if (probation_ > 0) return on_probation(sequence);
    if (!started_ || resync_) {
        begin(sequence, 0);
        return SequenceVerdict::InOrder;
    }
    const auto forward =
        static_cast<std::uint16_t>(sequence - static_cast<std::uint16_t>(highest_));
    if (forward != 0 && forward < kMaxDropout) {
        advance(forward);
        ++received_;
        after_jump_.reset();
        late_in_a_row_ = 0;
        return SequenceVerdict::InOrder;
    }
    const std::uint32_t back = (0x10000U - forward) & 0xffffU;
    if (back >= kMaxMisorder) return on_far(sequence);
    if (back >= kSeen) return on_late(sequence, back);

    std::uint64_t& window = back < 64 ? seen_near_ : seen_far_;
    const std::uint64_t bit = 1ULL << (back % 64);
    if ((window & bit) != 0) {
        ++duplicates_;
        return SequenceVerdict::Duplicate;
    }
    window |= bit;
    ++received_;
    ++reordered_;
    base_ = std::min(base_, highest_ - back);  // older than the first one that arrived
    return SequenceVerdict::Late;
}

SequenceVerdict SequenceTracker::on_probation(std::uint16_t sequence) {
    if (started_ && sequence == static_cast<std::uint16_t>(highest_ + 1)) {
        if (--probation_ == 0) {
            begin(sequence, kMinSequential - 1);
            return SequenceVerdict::Proven;
        }
    } else {
        probation_ = kMinSequential - 1;
    }
    started_ = true;
    highest_ = sequence;
    return SequenceVerdict::Probation;
}

// Whether it was seen before is not remembered so far back.
SequenceVerdict SequenceTracker::on_late(std::uint16_t sequence, std::uint32_t back) {
    if (late_in_a_row_ == 0 || sequence != after_late_) {
        late_in_a_row_ = 0;
        base_before_late_ = base_;
    }
    after_late_ = static_cast<std::uint16_t>(sequence + 1);
    if (++late_in_a_row_ == kSureRestart) {
        base_ = base_before_late_;
        received_ -= kSureRestart - 1;
        reordered_ -= kSureRestart - 1;
        begin(sequence, kSureRestart - 1);
        return SequenceVerdict::Restarted;
    }
    ++received_;
    ++reordered_;
    base_ = std::min(base_, highest_ - back);
    return SequenceVerdict::Late;
}

SequenceVerdict SequenceTracker::on_far(std::uint16_t sequence) {
    if (after_jump_ == sequence) {
        begin(sequence, 1);  // the packet that jumped was kept
        return SequenceVerdict::Restarted;
    }
    after_jump_ = static_cast<std::uint16_t>(sequence + 1);
    return SequenceVerdict::Jump;
}

void SequenceTracker::advance(std::uint32_t by) {
    highest_ += by;
    if (by < 64) {
        seen_far_ = seen_far_ << by | seen_near_ >> (64 - by);
        seen_near_ <<= by;
    } else {
        seen_far_ = by < 128 ? seen_near_ << (by - 64) : 0;
        seen_near_ = 0;
    }
    seen_near_ |= 1;
}

std::uint64_t SequenceTracker::expected() const {
    if (!started_ || probation_ > 0) return 0;
    return expected_before_ + static_cast<std::uint64_t>(highest_ - base_ + 1);
}

std::uint64_t SequenceTracker::lost() const {
    const std::uint64_t all = expected();
    return all > received_ ? all - received_ : 0;
}

std::uint8_t SequenceTracker::take_fraction_lost() {
    const std::uint64_t all = expected();
    const std::uint64_t expected_interval = all - expected_prior_;
    const std::uint64_t received_interval = received_ - received_prior_;
    expected_prior_ = all;
    received_prior_ = received_;
    if (expected_interval == 0 || expected_interval <= received_interval) return 0;
    const std::uint64_t lost_interval = expected_interval - received_interval;
    return static_cast<std::uint8_t>(
        std::min<std::uint64_t>(lost_interval * 256 / expected_interval, 255));
}

void SequenceTracker::on_timing(std::uint32_t timestamp, std::int64_t arrival_ns,
                                std::uint32_t clock_rate) {
    if (clock_rate == 0) return;
    constexpr std::int64_t kSecond = 1'000'000'000;
    const std::int64_t whole = arrival_ns / kSecond;
    const std::int64_t part = arrival_ns % kSecond;
    const auto ticks = static_cast<std::uint32_t>(whole * clock_rate + part * clock_rate / kSecond);
    const std::uint32_t transit = ticks - timestamp;
    if (clock_rate_ == clock_rate) {
        const auto difference = static_cast<double>(static_cast<std::int32_t>(transit - transit_));
        jitter_ += (std::max(difference, -difference) - jitter_) / 16;
    } else {
        jitter_ = 0;  // another codec counts in other ticks
    }
    transit_ = transit;
    clock_rate_ = clock_rate;
}

double SequenceTracker::jitter_ms() const {
    return clock_rate_ == 0 ? 0 : jitter_ * 1000 / clock_rate_;
}

}  // namespace earshot::rtp
