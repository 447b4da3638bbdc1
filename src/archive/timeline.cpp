#include "archive/timeline.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "archive/codec_lookup.h"

namespace earshot::archive {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kMaxErrorNs = std::chrono::nanoseconds(kMaxTimelineError).count();
constexpr int kMaxMisorder = 3000;  // packets late by more belong to another run of the sender
// A recording client may have kept a packet for so long before it sent it beside live ones.
constexpr std::int64_t kMaxKeptNs = std::chrono::nanoseconds(kMaxEarlyMedia).count();
constexpr int kMaxDropout = 3000;     // RFC 3550 appendix A.1
constexpr std::size_t kOpenRuns = 2;  // of a source: a stray packet must not end the present run
// What comes late because its sender or the network stood still is caught up within this.
constexpr std::int64_t kMaxCatchUpNs = 10 * kSecondNs;
// Looking ahead may cost this many looks a packet on average, whatever a peer sends.
constexpr std::size_t kLooksPerPacket = 8;
constexpr std::size_t kLeastLooks = 100'000;
// The position of a segment within its track may not exceed what 64 bits of ns hold.
constexpr std::int64_t kMaxTicks = INT64_MAX / kSecondNs;

std::int64_t ticks_to_ns(std::int64_t ticks, std::uint32_t clock_rate) {
    ticks = std::clamp(ticks, -kMaxTicks, kMaxTicks);
    const std::int64_t seconds = ticks / clock_rate;
    const std::int64_t rest = ticks % clock_rate;
    return seconds * kSecondNs + rest * kSecondNs / clock_rate;
}

// Packets hardly ever come in another order than they were sent.
template <class T, class IsBefore>
void sort_unless_sorted(std::vector<T>& items, IsBefore is_before) {
    if (!std::is_sorted(items.begin(), items.end(), is_before))
        std::stable_sort(items.begin(), items.end(), is_before);
}

// A packet within its segment.
struct Numbered {
    std::uint32_t entry = 0;
    std::int64_t sequence = 0;  // extended
    std::int64_t ticks = 0;
    std::int64_t duration_ticks = 0;  // 0: not known
    bool is_timed = true;             // false: telephone-event, whose timestamp stands still
};

// A packet within the sequence of its source.
struct InLine {
    std::uint32_t line = 0;
    std::uint32_t entry = 0;
    std::int64_t sequence = 0;  // extended
    std::int64_t begin_ns = 0;
    std::int64_t end_ns = 0;  // of all of its segment so far
};

// How far a source has come in a segment.
struct Head {
    std::int64_t sequence = 0;  // extended
    std::int64_t ticks = 0;     // of the newest timed packet
    std::uint32_t timestamp = 0;
    std::uint32_t clock_rate = 8000;

    int step_to(const PacketEntry& entry) const {
        return static_cast<std::int16_t>(entry.sequence - static_cast<std::uint16_t>(sequence));
    }
    std::int64_t ticks_of(const PacketEntry& entry) const {
        // The nearest of all values with these 32 bits (media.md: extended timestamp).
        return ticks + static_cast<std::int32_t>(entry.timestamp - timestamp);
    }
    std::int64_t delay_of(const PacketEntry& entry) const {
        return entry.arrival_ns - ticks_to_ns(ticks_of(entry), clock_rate);
    }
    // Whether the timestamp goes the way the sequence does: then the packet may be late, but the
    // sender did not re-base.
    bool leads_to(const PacketEntry& entry) const {
        const std::int64_t passed = ticks_of(entry) - ticks;
        if (step_to(entry) > 0) return passed >= 0;
        return passed <= 0 && ticks_to_ns(-passed, clock_rate) <= kMaxErrorNs;
    }
    // Whether it is older than the newest by both its numbers: one that was sent late on purpose.
    // A sender that re-based its clock goes on with its sequence.
    bool has_passed(const PacketEntry& entry) const {
        const std::int64_t passed = ticks_of(entry) - ticks;
        return step_to(entry) < 0 && passed < 0 && ticks_to_ns(-passed, clock_rate) <= kMaxKeptNs;
    }
    void advance(const PacketEntry& entry, bool is_timed) {
        const int step = step_to(entry);
        if (step <= 0) return;
        if (is_timed) {
            ticks = ticks_of(entry);
            timestamp = entry.timestamp;
        }
        sequence += step;
    }
};

// A segment while it is being filled.
struct Run {
    Segment segment;
    std::vector<Numbered> packets;
    Head head;
    std::uint32_t line = 0;           // runs of one line share a sequence
    std::int64_t usual_delay_ns = 0;  // arrival - position, as the run began
    std::int64_t least_delay_ns = 0;
    std::int64_t last_arrival_ns = 0;
    std::uint32_t caught_up_at = 0;  // entries before this one are late, and no more than that
};

class TimelineMaker {
public:
    TimelineMaker(const std::vector<PacketEntry>& entries, const StreamFacts& facts,
                  std::int64_t start_ns)
        : entries_(entries),
          facts_(facts),
          start_ns_(start_ns),
          looks_(kLooksPerPacket * entries.size() + kLeastLooks),
          codecs_(facts) {}

    Timeline make() {
        for (std::uint32_t i = 0; i < entries_.size(); ++i) add(i);
        anchor();
        for (std::uint32_t i = 0; i < runs_.size(); ++i) place(i);
        count_loss();
        sort_unless_sorted(timeline_.packets, [](const PlacedPacket& a, const PlacedPacket& b) {
            if (a.position_ns != b.position_ns) return a.position_ns < b.position_ns;
            return a.entry < b.entry;
        });
        return std::move(timeline_);
    }

private:
    // Whether a packet that comes late for `run` is one of a stall: a later one, with timestamps
    // that went on, comes in time again.
    bool is_caught_up(Run& run, std::uint32_t index) {
        if (index < run.caught_up_at) return true;
        Head head = run.head;
        const std::int64_t until_ns = entries_[index].arrival_ns + kMaxCatchUpNs;
        for (std::uint32_t i = index; i < entries_.size() && looks_ > 0; ++i, --looks_) {
            const PacketEntry& entry = entries_[i];
            if (entry.arrival_ns > until_ns) break;
            if (entry.source != entries_[index].source) continue;
            const int step = head.step_to(entry);
            if (step < -kMaxMisorder || step > kMaxDropout) continue;
            const Codec codec = codecs_.of(entry);
            if (codec.kind == CodecKind::TelephoneEvent) {
                head.advance(entry, false);
                continue;
            }
            if (codec.clock_rate != head.clock_rate) break;
            const std::int64_t late_ns = head.delay_of(entry) - run.usual_delay_ns;
            if (late_ns < -kMaxErrorNs || !head.leads_to(entry)) continue;
            if (late_ns <= kMaxErrorNs) {
                run.caught_up_at = i;
                return true;
            }
            head.advance(entry, true);
        }
        return false;
    }

    // The delay of a run that begins at entry `index`. Where its first packets come in a burst,
    // they were late, unless that puts them before the recording.
    std::int64_t find_usual_delay(Head head, std::uint32_t index) {
        std::int64_t least = entries_[index].arrival_ns;
        std::int64_t before = least;
        const std::int64_t until_ns = entries_[index].arrival_ns + kMaxErrorNs;
        for (std::uint32_t i = index + 1; i < entries_.size() && looks_ > 0; ++i, --looks_) {
            const PacketEntry& entry = entries_[i];
            if (entry.arrival_ns > until_ns) break;
            if (entry.source != entries_[index].source) continue;
            const int step = head.step_to(entry);
            if (step <= 0 || step > kMaxDropout) continue;
            const Codec codec = codecs_.of(entry);
            if (codec.kind == CodecKind::TelephoneEvent) {
                head.advance(entry, false);
                continue;
            }
            if (codec.clock_rate != head.clock_rate || !head.leads_to(entry)) break;
            const std::int64_t delay = head.delay_of(entry);
            if (before - delay > kMaxErrorNs || delay < start_ns_) break;
            head.advance(entry, true);
            least = std::min(least, delay);
            before = delay;
        }
        return least;
    }

    bool fits(Run& run, std::uint32_t index, const Codec& codec) {
        const PacketEntry& entry = entries_[index];
        const int step = run.head.step_to(entry);
        if (step < -kMaxMisorder) return false;
        // After an outage more may be missing than RFC 3550 bridges: then time must agree, at no
        // more than a packet a millisecond.
        const std::int64_t passed_ms = (entry.arrival_ns - run.last_arrival_ns) / 1'000'000;
        if (step > kMaxDropout && step > passed_ms) return false;
        if (codec.kind == CodecKind::TelephoneEvent) return step <= kMaxDropout;
        if (codec.clock_rate != run.segment.clock_rate) return false;
        const std::int64_t late_ns = run.head.delay_of(entry) - run.usual_delay_ns;
        if (late_ns <= kMaxErrorNs) return late_ns >= -kMaxErrorNs;
        if (late_ns <= kMaxKeptNs && run.head.has_passed(entry)) return true;
        return run.head.leads_to(entry) && is_caught_up(run, index);
    }

    void add(std::uint32_t index) {
        const PacketEntry& entry = entries_[index];
        const Codec codec = codecs_.of(entry);
        std::vector<std::uint32_t>& open = open_runs_[entry.source];  // the last one in use is last
        for (auto it = open.rbegin(); it != open.rend(); ++it) {
            if (!fits(runs_[*it], index, codec)) continue;
            std::rotate(it.base() - 1, it.base(), open.end());
            append(runs_[open.back()], index, codec);
            return;
        }
        begin_run(index, codec, open);
        append(runs_.back(), index, codec);
    }

    void begin_run(std::uint32_t index, const Codec& codec, std::vector<std::uint32_t>& open) {
        const PacketEntry& entry = entries_[index];
        Run run;
        run.segment = {.source = entry.source, .clock_rate = codec.clock_rate, .anchor_ns = 0};
        run.head = {.sequence = 65536 + std::int64_t{entry.sequence},
                    .ticks = 0,
                    .timestamp = entry.timestamp,
                    .clock_rate = codec.clock_rate};
        run.usual_delay_ns = find_usual_delay(run.head, index);
        run.least_delay_ns = entry.arrival_ns;
        // Another timestamp does not end the sequence.
        const auto before = std::find_if(open.rbegin(), open.rend(), [&](std::uint32_t number) {
            const int step = runs_[number].head.step_to(entry);
            return step > 0 && step <= kMaxDropout;
        });
        if (before != open.rend()) {
            run.line = runs_[*before].line;
            run.head.sequence = runs_[*before].head.sequence + runs_[*before].head.step_to(entry);
        } else {
            run.line = lines_++;
        }
        open.push_back(static_cast<std::uint32_t>(runs_.size()));
        if (open.size() > kOpenRuns) open.erase(open.begin());
        runs_.push_back(std::move(run));
    }

    void append(Run& run, std::uint32_t index, const Codec& codec) {
        const PacketEntry& entry = entries_[index];
        Numbered packet{.entry = index,
                        .sequence = run.head.sequence + run.head.step_to(entry),
                        .ticks = run.head.ticks_of(entry),
                        .duration_ticks = codec.duration_ticks(entry.payload_size),
                        .is_timed = codec.kind != CodecKind::TelephoneEvent};
        if (packet.is_timed || run.packets.empty()) {
            run.least_delay_ns = std::min(run.least_delay_ns, run.head.delay_of(entry));
        }
        run.head.advance(entry, packet.is_timed);
        run.last_arrival_ns = std::max(run.last_arrival_ns, entry.arrival_ns);
        run.packets.push_back(packet);
    }

    // Places each segment by its least delay, and behind the one before where jitter alone makes
    // them overlap.
    void anchor() {
        std::int64_t end_ns = INT64_MIN;
        for (Run& run : runs_) {
            sort_unless_sorted(run.packets, [](const Numbered& a, const Numbered& b) {
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
               any_overlaps(facts_.dropped, from_ns, to_ns) ||
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
            placed_.push_back({.line = run.line,
                               .entry = packet.entry,
                               .sequence = packet.sequence,
                               .begin_ns = position(packet.ticks),
                               .end_ns = position(end_ticks)});
            before = &packet;
        }
    }

    // What is missing in each sequence, over all its segments: a packet is in one of them.
    void count_loss() {
        sort_unless_sorted(placed_, [](const InLine& a, const InLine& b) {
            return a.line != b.line ? a.line < b.line : a.sequence < b.sequence;
        });
        for (std::size_t i = 1; i < placed_.size(); ++i) {
            const InLine& before = placed_[i - 1];
            const InLine& packet = placed_[i];
            if (packet.line != before.line || packet.sequence <= before.sequence + 1) continue;
            if (is_explained(entries_[before.entry].arrival_ns,
                             entries_[packet.entry].arrival_ns)) {
                continue;
            }
            add_loss(static_cast<std::uint64_t>(packet.sequence - before.sequence - 1),
                     before.end_ns, packet.begin_ns);
        }
    }

    const std::vector<PacketEntry>& entries_;
    const StreamFacts& facts_;
    const std::int64_t start_ns_;
    std::size_t looks_;  // left
    std::vector<Run> runs_;
    std::uint32_t lines_ = 0;
    std::array<std::vector<std::uint32_t>, 256> open_runs_;  // by source
    CodecLookup codecs_;
    std::vector<InLine> placed_;
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

// A client that puts somebody on hold, or mutes a member of a conference, makes the stream inactive
// as well: no pause of the recording, for what is paused is what somebody would have sent. A pause
// that begins within a hold is one.
std::vector<Interval> pauses_of(const StreamFacts& facts) {
    constexpr std::int64_t kTogetherNs = kSecondNs / 2;
    std::vector<Interval> pauses;
    for (const Interval& paused : facts.paused) {
        std::vector<Interval> holds;
        for (const Interval& held : facts.held)
            if (held.from_ns <= paused.to_ns &&
                std::abs(held.from_ns - paused.from_ns) <= kTogetherNs)
                holds.push_back({std::min(held.from_ns, paused.from_ns), held.to_ns});
        for (const Interval& rest : without({paused}, holds)) pauses.push_back(rest);
    }
    return pauses;
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
    std::array<std::optional<std::size_t>, kGapReasonCount> last;  // by reason
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
    sort_unless_sorted(entries, is_earlier);
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
    const bool is_never_taken = facts.is_refused && facts.negotiated.empty();
    const auto absent = is_never_taken ? std::vector<Interval>{{start_ns, end_ns}}
                                       : invert(facts.negotiated, start_ns, end_ns);
    const auto paused = without(pauses_of(facts), absent);
    add_intervals(gaps, paused, GapReason::Paused, start_ns, end_ns);
    const auto held = without(without(without(facts.held, absent), paused), facts.dropped);
    add_intervals(gaps, without(held, heard(timeline, start_ns)), GapReason::Held, start_ns,
                  end_ns);
    add_intervals(gaps, facts.dropped, GapReason::Dropped, start_ns, end_ns);
    add_intervals(gaps, facts.storage, GapReason::Storage, start_ns, end_ns);
    // A client may have kept what came before it offered the stream.
    const auto missed = timeline.packets.empty() || timeline.packets.front().position_ns > 0
                            ? absent
                            : without(absent, heard(timeline, start_ns));
    add_intervals(gaps, without(missed, facts.dropped), GapReason::NotNegotiated, start_ns, end_ns);
    std::sort(gaps.begin(), gaps.end(),
              [](const Gap& a, const Gap& b) { return a.start_ms < b.start_ms; });
    std::vector<Gap> merged = merge(gaps, 0);
    for (std::int64_t tolerance_ms = 20; merged.size() > kMaxGaps; tolerance_ms *= 2) {
        merged = merge(gaps, tolerance_ms);
    }
    return merged;
}

}  // namespace earshot::archive
