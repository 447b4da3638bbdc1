#include "archive/journal_source.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/json_writer.h"

namespace earshot::archive {
namespace {

constexpr std::int64_t kToldStepNs = 100'000'000;
// A record reaches the journal at most so long after its stamp: RTCP is drained each second.
constexpr std::int64_t kMaxAgeNs = 1'200'000'000;
// Between reading the clocks for a commit and the last packet that goes into it.
constexpr std::int64_t kCommitNs = 200'000'000;

}  // namespace

std::optional<journal::Record> JournalSource::next() {
    if (held_) return std::exchange(held_, std::nullopt);
    std::optional<journal::Record> record = reader_.next();
    if (!record || clocks_.empty()) return record;
    // A full frame is stamped with the clocks of the commit before it: hence one run ahead.
    std::size_t step = step_;
    while (step + 1 < clocks_.size() && clocks_[step + 1].run <= reader_.run() + 1) ++step;
    record->header.arrival_ns = correct(record->header.arrival_ns, step);
    if (std::exchange(step_, step) == step) return record;
    const std::int64_t moved = clocks_[step].offset_ns() - clocks_[step - 1].offset_ns();
    if (std::abs(moved) <= kToldStepNs) return record;
    held_ = record;
    return make_event(clocks_[step], moved);
}

// Before a step or after it? Both clocks tell when the record came by the monotonic one; what lies
// long before the newest record, or was stamped by the old clock after the step was seen, cannot
// be. Of two that can be, the nearer to the newest is right, or wrong by less than a drain.
std::int64_t JournalSource::correct(std::int64_t arrival_ns, std::size_t step) {
    std::int64_t came_ns = arrival_ns - clocks_[step].offset_ns();
    const std::int64_t newest_ns = newest_ns_.value_or(clocks_.front().monotonic_ns);
    if (step > 0) {
        const std::int64_t old_ns = arrival_ns - clocks_[step - 1].offset_ns();
        const bool may_be_old =
            old_ns >= newest_ns - kMaxAgeNs && old_ns <= clocks_[step].monotonic_ns + kCommitNs;
        const bool may_be_new = came_ns >= newest_ns - kMaxAgeNs;
        const bool is_nearer = std::abs(old_ns - newest_ns) < std::abs(came_ns - newest_ns);
        if (may_be_old && (!may_be_new || is_nearer)) came_ns = old_ns;
    }
    newest_ns_ = std::max(newest_ns, came_ns);
    return came_ns + clocks_.front().offset_ns();
}

journal::Record JournalSource::make_event(const journal::ClockSample& step, std::int64_t moved_ns) {
    event_.clear();
    base::JsonWriter json(event_);
    json.begin_object();
    json.field("type", "clock_stepped");
    json.field("step_ms", moved_ns / 1'000'000);
    json.end_object();
    journal::Record record;
    record.header.type = journal::RecordType::Event;
    record.header.arrival_ns = step.monotonic_ns + clocks_.front().offset_ns();
    record.payload = base::as_bytes(event_);
    return record;
}

}  // namespace earshot::archive
