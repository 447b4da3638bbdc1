// The records of a recording as the journal holds them, on one steady clock. The kernel stamps
// arrivals with the wall clock, and that may be set in mid-call: each frame's pair of clocks tells
// by how much (design section 9.3). What was stamped after a step is moved back by it, so the
// recording goes on from its start without a jump; an event tells of each step over 100 ms.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "archive/record_source.h"
#include "journal/extent.h"
#include "journal/reader.h"

namespace earshot::archive {

class JournalSource : public RecordSource {
public:
    // Borrows both. `clocks` are those of the ExtentList that the reader walks.
    JournalSource(journal::RecordReader& reader, std::span<const journal::ClockSample> clocks)
        : reader_(reader), clocks_(clocks) {}

    std::optional<journal::Record> next() override;
    journal::Damage damage() const override { return reader_.damage(); }

private:
    std::int64_t correct(std::int64_t arrival_ns, std::size_t step);
    journal::Record make_event(const journal::ClockSample& step, std::int64_t moved_ns);

    journal::RecordReader& reader_;
    std::span<const journal::ClockSample> clocks_;
    std::size_t step_ = 0;                   // index of the last sample that counts by now
    std::optional<std::int64_t> newest_ns_;  // of the records, by the monotonic clock
    std::optional<journal::Record> held_;    // comes after the event of its step
    std::string event_;
};

}  // namespace earshot::archive
