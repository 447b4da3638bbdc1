// Sequence numbers of one source: RFC 3550 appendix A.1 (validity, extension), A.3 (loss), A.8
// (jitter). Differs from A.1 in that nothing is thrown away: the caller holds the packets of the
// probation and keeps the first packet after a jump. And a recording client that closes a gap sends
// old packets beside live ones, seconds late: what A.1 calls a restart is one only when no newer
// packet comes meanwhile.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace earshot::rtp {

enum class SequenceVerdict {
    Probation,  // not proven yet: hold the packet
    Proven,     // this one proved the source: it and the held ones count
    InOrder,    // the next, or a jump forward of less than 3000 (the difference is loss)
    Late,       // older than the newest, by less than 3000
    Duplicate,  // a number seen before, of the newest 128
    Jump,       // far off; if the next follows it, the sender has restarted
    Restarted,  // the second in a row after a jump, the 100th after one back: a new sequence begins
};

class SequenceTracker {
public:
    static constexpr std::uint32_t kMinSequential = 2;
    static constexpr std::uint32_t kMaxDropout = 3000;
    static constexpr std::uint32_t kMaxMisorder = 3000;
    // A sender that went back within kMaxMisorder is believed after so many in a row.
    static constexpr std::uint32_t kSureRestart = 100;

    // `signalled`: the source needs no probation, its first packet counts at once.
    explicit SequenceTracker(bool signalled = false) : probation_(signalled ? 0 : kMinSequential) {}

    SequenceVerdict on_packet(std::uint16_t sequence);

    // A.8. The arrival on any scale of ns, the clock rate of the packet's payload type in Hz.
    void on_timing(std::uint32_t timestamp, std::int64_t arrival_ns, std::uint32_t clock_rate);

    // Packets were not looked at for a while: the next one begins anew, without loss.
    void on_break() { resync_ = true; }

    bool is_proven() const { return probation_ == 0; }
    // cycles * 65536 + sequence of the newest packet; the cycle count begins at 0 (as in reports).
    std::uint32_t extended_highest() const { return static_cast<std::uint32_t>(highest_); }
    std::uint64_t received() const { return received_; }  // without duplicates
    std::uint64_t lost() const;  // expected less received, over all sequences; not below 0
    std::uint64_t duplicates() const { return duplicates_; }
    std::uint64_t reordered() const { return reordered_; }
    double jitter_ticks() const { return jitter_; }
    double jitter_ms() const;

    // Lost of those expected since the last call, in 1/256, as a report block has it (A.3).
    std::uint8_t take_fraction_lost();

private:
    void begin(std::uint16_t sequence, std::uint32_t already_received);
    SequenceVerdict on_probation(std::uint16_t sequence);
    SequenceVerdict on_far(std::uint16_t sequence);
    SequenceVerdict on_late(std::uint16_t sequence, std::uint32_t back);
    void advance(std::uint32_t by);
    std::uint64_t expected() const;  // over all sequences

    std::uint32_t probation_;
    bool started_ = false;
    bool resync_ = false;
    std::int64_t highest_ = 0;  // extended number of the newest packet
    std::int64_t base_ = 0;     // and of the oldest one of the present sequence
    std::optional<std::uint16_t> after_jump_;
    std::uint32_t late_in_a_row_ = 0;    // each the next of the one before
    std::uint16_t after_late_ = 0;       // the next of the last one
    std::int64_t base_before_late_ = 0;  // were they a restart
    std::uint64_t seen_near_ = 0;        // bit i: highest_ - i was seen
    std::uint64_t seen_far_ = 0;         // bit i: highest_ - 64 - i was seen
    std::uint64_t received_ = 0;
    std::uint64_t expected_before_ = 0;  // in the sequences before the present one
    std::uint64_t duplicates_ = 0;
    std::uint64_t reordered_ = 0;
    std::uint64_t expected_prior_ = 0;
    std::uint64_t received_prior_ = 0;
    std::uint32_t transit_ = 0;
    std::uint32_t clock_rate_ = 0;  // 0: no transit yet
    double jitter_ = 0;
};

}  // namespace earshot::rtp
