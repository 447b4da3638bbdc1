#include "archive/timeline.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace earshot::archive {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kMaxErrorNs = std::chrono::nanoseconds(kMaxTimelineError).count();
constexpr int kMaxMisorder = 1000;    // packets late by more belong to another run of the sender
constexpr int kMaxDropout = 3000;     // RFC 3550 appendix A.1
constexpr std::size_t kOpenRuns = 2;  // of a source: a stray packet must not end the present run
// The position of a segment within its track may not exceed what 64 bits of ns hold.
constexpr std::int64_t kMaxTicks = INT64_MAX / kSecondNs;

std::int64_t ticks_to_ns(std::int64_t ticks, std::uint32_t clock_rate) {
    ticks = std::clamp(ticks, -kMaxTicks, kMaxTicks);
    const std::int64_t seconds = ticks / clock_rate;
    const std::int64_t rest = ticks % clock_rate;
    return seconds * kSecondNs + rest * kSecondNs / clock_rate;
}

// A packet within its segment.
struct Numbered {
    std::uint32_t entry = 0;
    std::int64_t sequence = 0;  // extended
    std::int64_t ticks = 0;
    std::int64_t duration_ticks = 0;  // 0: not known
    bool is_timed = true;             // false: telephone-event, whose timestamp stands still
};

// A segment while it is being filled.
struct Run {
    Segment segment;
    std::vector<Numbered> packets;
    std::int64_t highest_sequence = 0;
    std::int64_t last_ticks = 0;  // of the newest timed packet
    std::uint32_t last_timestamp = 0;
    std::int64_t first_delay_ns = 0;  // arrival - position, of the first packet
    std::int64_t least_delay_ns = 0;
    std::int64_t last_arrival_ns = 0;
    std::int64_t first_arrival_ns = 0;
    std::uint64_t lost_before = 0;  // since the source's run before, whose sequence goes on
    std::int64_t previous_arrival_ns = 0;
};

class TimelineMaker {
public:
    TimelineMaker(const std::vector<PacketEntry>& entries, const StreamFacts& facts,
                  std::int64_t start_ns)
        : entries_(entries), facts_(facts), start_ns_(start_ns) {}

    Timeline make() {
        for (std::uint32_t i = 0; i < entries_.size(); ++i) add(i);
        anchor();
        for (std::uint32_t i = 0; i < runs_.size(); ++i) place(i);
        std::sort(timeline_.packets.begin(), timeline_.packets.end(),
                  [](const PlacedPacket& a, const PlacedPacket& b) {
                      if (a.position_ns != b.position_ns) return a.position_ns < b.position_ns;
                      return a.entry < b.entry;
                  });
        return std::move(timeline_);
    }

private:
    Codec codec_of(const PacketEntry& entry) {
        // Senders keep one payload type for long: no search for each packet.
        if (!last_codec_ || last_type_ != entry.payload_type || facts_.formats.size() > 1) {
            last_codec_ = find_codec(facts_.find_format(entry.payload_type, entry.arrival_ns),
                                     facts_.is_audio());
            last_type_ = entry.payload_type;
        }
        return *last_codec_;
    }

    static int sequence_step(const Run& run, const PacketEntry& entry) {
        return static_cast<std::int16_t>(entry.sequence -
                                         static_cast<std::uint16_t>(run.highest_sequence));
    }
    static std::int64_t ticks_of(const Run& run, const PacketEntry& entry) {
        // The nearest of all values with these 32 bits (media.md: extended timestamp).
        return run.last_ticks + static_cast<std::int32_t>(entry.timestamp - run.last_timestamp);
    }
    static std::int64_t delay_of(const Run& run, const PacketEntry& entry, std::int64_t ticks) {
        return entry.arrival_ns - ticks_to_ns(ticks, run.segment.clock_rate);
    }

    bool fits(const Run& run, const PacketEntry& entry, const Codec& codec) const {
        const int step = sequence_step(run, entry);
        if (step < -kMaxMisorder) return false;
        // After an outage more may be missing than RFC 3550 bridges: then time must agree, at no
        // more than a packet a millisecond.
        const std::int64_t passed_ms = (entry.arrival_ns - run.last_arrival_ns) / 1'000'000;
        if (step > kMaxDropout && step > passed_ms) return false;
        if (codec.kind == CodecKind::TelephoneEvent) return step <= kMaxDropout;
        if (codec.clock_rate != run.segment.clock_rate) return false;
        const std::int64_t delay = delay_of(run, entry, ticks_of(run, entry));
        return std::abs(delay - run.first_delay_ns) <= kMaxErrorNs;
    }

    void add(std::uint32_t index) {
        const PacketEntry& entry = entries_[index];
        const Codec codec = codec_of(entry);
        std::vector<std::uint32_t>& open = open_runs_[entry.source];
        for (auto it = open.rbegin(); it != open.rend(); ++it) {
            if (!fits(runs_[*it], entry, codec)) continue;
            append(runs_[*it], index, codec);
            return;
        }
        Run run;
        run.segment = {.source = entry.source, .clock_rate = codec.clock_rate, .anchor_ns = 0};
        run.highest_sequence = 65536 + std::int64_t{entry.sequence};
        run.last_timestamp = entry.timestamp;
        run.first_delay_ns = run.least_delay_ns = entry.arrival_ns;
        run.first_arrival_ns = entry.arrival_ns;
        if (!open.empty()) {
            const Run& before = runs_[open.back()];
            const int step = sequence_step(before, entry);
            if (step > 1 && step <= kMaxDropout) {
                run.lost_before = static_cast<std::uint64_t>(step) - 1;
                run.previous_arrival_ns = before.last_arrival_ns;
            }
        }
        open.push_back(static_cast<std::uint32_t>(runs_.size()));
        if (open.size() > kOpenRuns) open.erase(open.begin());
        runs_.push_back(std::move(run));
        append(runs_.back(), index, codec);
    }

    void append(Run& run, std::uint32_t index, const Codec& codec) {
        const PacketEntry& entry = entries_[index];
        const int step = sequence_step(run, entry);
        Numbered packet{.entry = index,
                        .sequence = run.highest_sequence + step,
                        .ticks = ticks_of(run, entry),
                        .duration_ticks = codec.duration_ticks(entry.payload_size),
                        .is_timed = codec.kind != CodecKind::TelephoneEvent};
        if (packet.is_timed || run.packets.empty()) {
            run.least_delay_ns = std::min(run.least_delay_ns, delay_of(run, entry, packet.ticks));
        }
        if (step > 0) {
            run.highest_sequence += step;
            if (packet.is_timed) {
                run.last_ticks = packet.ticks;
                run.last_timestamp = entry.timestamp;
            }
        }
        run.last_arrival_ns = std::max(run.last_arrival_ns, entry.arrival_ns);
        run.packets.push_back(packet);
    }

    // Places each segment by its least delay, and behind the one before where jitter alone makes
    // them overlap.
    void anchor() {
        std::int64_t end_ns = INT64_MIN;
        for (Run& run : runs_) {
            std::sort(run.packets.begin(), run.packets.end(),
                      [](const Numbered& a, const Numbered& b) {
                          if (a.sequence != b.sequence) return a.sequence < b.sequence;
                          return a.entry < b.entry;
                      });
            std::int64_t first = INT64_MAX;
            std::int64_t last = INT64_MIN;
            for (const Numbered& packet : run.packets) {
                if (!packet.is_timed) continue;
                first = std::min(first, packet.ticks);
                last = std::max(last, packet.ticks + packet.duration_ticks);
            }
            run.segment.anchor_ns = run.least_delay_ns - start_ns_;
            if (first > last) continue;  // digits alone
            const std::int64_t begin =
                run.segment.anchor_ns + ticks_to_ns(first, run.segment.clock_rate);
            const std::int64_t limit = std::chrono::nanoseconds(kMaxOverlap).count();
            if (begin < end_ns && end_ns - begin <= limit) run.segment.anchor_ns += end_ns - begin;
            end_ns =
                std::max(end_ns, run.segment.anchor_ns + ticks_to_ns(last, run.segment.clock_rate));
        }
    }

    bool is_explained(std::int64_t from_ns, std::int64_t to_ns) const {
        return any_overlaps(facts_.paused, from_ns, to_ns) ||
               any_overlaps(facts_.storage, from_ns, to_ns);
    }

    void add_loss(std::uint64_t count, std::int64_t from_ns, std::int64_t to_ns) {
        timeline_.lost += count;
        if (to_ns <= from_ns) return;
        // Rounded to ms at both ends alike, so that neighbours still touch.
        const std::int64_t start_ms = std::max<std::int64_t>(from_ns / 1'000'000, 0);
        const std::int64_t end_ms = to_ns / 1'000'000;
        if (end_ms <= start_ms) return;
        timeline_.gaps.push_back(
            {.start_ms = start_ms, .duration_ms = end_ms - start_ms, .reason = GapReason::Lost});
    }

    void place(std::uint32_t index) {
        const Run& run = runs_[index];
        timeline_.segments.push_back(run.segment);
        const std::uint32_t clock = run.segment.clock_rate;
        const auto position = [&](std::int64_t ticks) {
            return run.segment.anchor_ns + ticks_to_ns(ticks, clock);
        };
        const Numbered* before = nullptr;
        std::int64_t end_ticks = INT64_MIN;
        std::int64_t usual_duration = 0;  // where sizes do not tell: the step between neighbours
        for (const Numbered& packet : run.packets) {
            if (before != nullptr && packet.sequence == before->sequence) {
                ++timeline_.duplicates;
                continue;
            }
            if (before == nullptr && run.lost_before > 0 &&
                !is_explained(run.previous_arrival_ns, run.first_arrival_ns)) {
                add_loss(run.lost_before, run.previous_arrival_ns - start_ns_,
                         position(packet.ticks));
            }
            if (before != nullptr && packet.sequence > before->sequence + 1 &&
                !is_explained(entries_[before->entry].arrival_ns,
                              entries_[packet.entry].arrival_ns)) {
                add_loss(static_cast<std::uint64_t>(packet.sequence - before->sequence - 1),
                         position(end_ticks), position(packet.ticks));
            }
            if (before != nullptr && packet.sequence == before->sequence + 1 &&
                packet.ticks > before->ticks && packet.ticks - before->ticks < clock) {
                usual_duration = packet.ticks - before->ticks;
            }
            const std::int64_t lasts =
                packet.duration_ticks > 0 ? packet.duration_ticks : usual_duration;
            end_ticks = std::max(end_ticks, packet.ticks + (packet.is_timed ? lasts : 0));
            timeline_.packets.push_back({.position_ns = position(packet.ticks),
                                         .entry = packet.entry,
                                         .segment = index,
                                         .ticks = packet.ticks});
            before = &packet;
        }
    }

    const std::vector<PacketEntry>& entries_;
    const StreamFacts& facts_;
    const std::int64_t start_ns_;
    std::vector<Run> runs_;
    std::array<std::vector<std::uint32_t>, 256> open_runs_;  // by source
    std::optional<Codec> last_codec_;
    std::uint8_t last_type_ = 0;
    Timeline timeline_;
};

void add_intervals(std::vector<Gap>& gaps, const std::vector<Interval>& intervals, GapReason reason,
                   std::int64_t start_ns, std::int64_t end_ns) {
    for (const Interval& interval : intervals) {
        const std::int64_t from = std::clamp(interval.from_ns, start_ns, end_ns) - start_ns;
        const std::int64_t to = std::clamp(interval.to_ns, start_ns, end_ns) - start_ns;
        const std::int64_t start_ms = from / 1'000'000;
        const std::int64_t end_ms = to / 1'000'000;
        // A storage gap of no length is still one: packets were taken and not kept.
        const bool is_kept = end_ms > start_ms || reason == GapReason::Storage;
        if (!is_kept) continue;
        gaps.push_back({.start_ms = start_ms,
                        .duration_ms = std::max<std::int64_t>(end_ms - start_ms, 1),
                        .reason = reason});
    }
}

// Before a stream was offered, between removal and return, and after its removal.
std::vector<Interval> invert(const std::vector<Interval>& intervals, std::int64_t start_ns,
                             std::int64_t end_ns) {
    // Answering takes a moment: what lies between INVITE and stream_added is no gap.
    constexpr std::int64_t kSetupNs = kSecondNs / 2;
    std::vector<Interval> rest;
    std::int64_t at = start_ns;
    for (const Interval& interval : intervals) {
        const bool is_setup = at == start_ns && interval.from_ns - start_ns <= kSetupNs;
        if (interval.from_ns > at && !is_setup) rest.push_back({at, interval.from_ns});
        at = std::max(at, interval.to_ns);
    }
    if (at < end_ns - kSetupNs && !intervals.empty()) rest.push_back({at, end_ns});
    return rest;
}

// What of `intervals` lies outside all of `holes`; both in order.
std::vector<Interval> without(const std::vector<Interval>& intervals,
                              const std::vector<Interval>& holes) {
    std::vector<Interval> rest;
    for (const Interval& interval : intervals) {
        std::int64_t at = interval.from_ns;
        for (const Interval& hole : holes) {
            if (hole.to_ns <= at) continue;
            if (hole.from_ns >= interval.to_ns) break;
            if (hole.from_ns > at) rest.push_back({at, hole.from_ns});
            at = hole.to_ns;
            if (at >= interval.to_ns) break;
        }
        if (at < interval.to_ns) rest.push_back({at, interval.to_ns});
    }
    return rest;
}

// Where the stream has packets; pauses as between words are no gaps.
std::vector<Interval> heard(const Timeline& timeline, std::int64_t start_ns) {
    constexpr std::int64_t kPacketNs = kSecondNs / 50;
    constexpr std::int64_t kPauseNs = kSecondNs / 10;
    std::vector<Interval> heard;
    for (const PlacedPacket& packet : timeline.packets) {
        const std::int64_t from = start_ns + packet.position_ns;
        if (heard.empty() || from - heard.back().to_ns > kPauseNs) heard.push_back({from, from});
        heard.back().to_ns = std::max(heard.back().to_ns, from + kPacketNs);
    }
    return heard;
}

// Joins gaps of one reason that lie `tolerance_ms` apart or nearer. Sorted in, sorted out.
std::vector<Gap> merge(const std::vector<Gap>& gaps, std::int64_t tolerance_ms) {
    std::vector<Gap> merged;
    std::array<std::optional<std::size_t>, 5> last;  // by reason
    for (const Gap& gap : gaps) {
        auto& open = last.at(static_cast<std::size_t>(gap.reason));
        if (open) {
            Gap& before = merged[*open];
            const std::int64_t end_ms = before.start_ms + before.duration_ms;
            if (gap.start_ms - end_ms <= tolerance_ms) {
                before.duration_ms =
                    std::max(end_ms, gap.start_ms + gap.duration_ms) - before.start_ms;
                continue;
            }
        }
        open = merged.size();
        merged.push_back(gap);
    }
    return merged;
}

}  // namespace

Timeline make_timeline(std::vector<PacketEntry>& entries, const StreamFacts& facts,
                       std::int64_t start_ns) {
    const auto is_earlier = [](const PacketEntry& a, const PacketEntry& b) {
        return a.arrival_ns < b.arrival_ns;
    };
    if (!std::is_sorted(entries.begin(), entries.end(), is_earlier)) {
        std::stable_sort(entries.begin(), entries.end(), is_earlier);
    }
    return TimelineMaker(entries, facts, start_ns).make();
}

std::vector<Gap> collect_gaps(const Timeline& timeline, const StreamFacts& facts,
                              std::int64_t start_ns, std::int64_t end_ns) {
    const std::int64_t total_ms = (end_ns - start_ns) / 1'000'000;
    std::vector<Gap> gaps;
    for (Gap gap : timeline.gaps) {
        gap.duration_ms = std::min(gap.duration_ms, total_ms - gap.start_ms);
        if (gap.duration_ms > 0) gaps.push_back(gap);
    }
    add_intervals(gaps, facts.paused, GapReason::Paused, start_ns, end_ns);
    add_intervals(gaps, without(without(facts.held, facts.paused), heard(timeline, start_ns)),
                  GapReason::Held, start_ns, end_ns);
    add_intervals(gaps, facts.storage, GapReason::Storage, start_ns, end_ns);
    add_intervals(gaps, invert(facts.negotiated, start_ns, end_ns), GapReason::NotNegotiated,
                  start_ns, end_ns);
    std::sort(gaps.begin(), gaps.end(),
              [](const Gap& a, const Gap& b) { return a.start_ms < b.start_ms; });
    std::vector<Gap> merged = merge(gaps, 0);
    for (std::int64_t tolerance_ms = 20; merged.size() > kMaxGaps; tolerance_ms *= 2) {
        merged = merge(gaps, tolerance_ms);
    }
    return merged;
}

}  // namespace earshot::archive
