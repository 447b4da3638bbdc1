#include "archive/journal_source.h"

#include <cstdlib>

#include "base/json_writer.h"

namespace earshot::archive {
namespace {

constexpr std::int64_t kToldStepNs = 100'000'000;

}  // namespace

std::optional<journal::Record> JournalSource::next() {
    if (held_) return std::exchange(held_, std::nullopt);
    std::optional<journal::Record> record = reader_.next();
    if (!record || clocks_.empty()) return record;
    const journal::ClockSample* const step = find_step();
    record->header.arrival_ns = correct(record->header.arrival_ns, step);
    if (step == nullptr || told_ > clock_) return record;
    told_ = clock_ + 1;
    if (std::abs(step->offset_ns() - clocks_[clock_].offset_ns()) <= kToldStepNs) return record;
    held_ = record;
    return make_event(*step);
}

const journal::ClockSample* JournalSource::find_step() {
    while (clock_ + 1 < clocks_.size() && clocks_[clock_ + 1].run < reader_.run()) ++clock_;
    const bool is_step = clock_ + 1 < clocks_.size() && clocks_[clock_ + 1].run == reader_.run();
    return is_step ? &clocks_[clock_ + 1] : nullptr;
}

// A frame's records arrived before its commit, most of them by no more than a drain period. So of a
// frame in which the clock stepped, a record was stamped before a step forward if it then lies
// before the commit, and after a step backward likewise.
std::int64_t JournalSource::correct(std::int64_t arrival_ns,
                                    const journal::ClockSample* step) const {
    std::int64_t offset = clocks_[clock_].offset_ns();
    if (step != nullptr) {
        const bool is_forward = step->offset_ns() > offset;
        const std::int64_t earlier = is_forward ? offset : step->offset_ns();
        const std::int64_t later = is_forward ? step->offset_ns() : offset;
        offset = arrival_ns - earlier <= step->monotonic_ns ? earlier : later;
    }
    return arrival_ns - offset + clocks_.front().offset_ns();
}

journal::Record JournalSource::make_event(const journal::ClockSample& step) {
    event_.clear();
    base::JsonWriter json(event_);
    json.begin_object();
    json.field("type", "clock_stepped");
    json.field("step_ms", (step.offset_ns() - clocks_[clock_].offset_ns()) / 1'000'000);
    json.end_object();
    journal::Record record;
    record.header.type = journal::RecordType::Event;
    record.header.arrival_ns = step.monotonic_ns + clocks_.front().offset_ns();
    record.payload = base::as_bytes(event_);
    return record;
}

}  // namespace earshot::archive
