// Where the records of one recording lie: a run of bytes in each frame, as the committer groups a
// frame's records by recording before it writes them. Five runs a second and recording are the rule
// (commit interval 200 ms), so they are kept packed, about six bytes a run.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace earshot::journal {

struct Extent {
    std::uint32_t segment = 0;
    std::uint32_t offset = 0;  // from the start of the segment file
    std::uint32_t length = 0;  // bytes, whole records
    friend bool operator==(const Extent&, const Extent&) = default;
};

class ExtentList {
public:
    void append(const Extent& extent);
    std::size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    std::uint64_t total_bytes() const { return total_bytes_; }

    // Walks the list in the order in which it was made. The list must outlive it, unchanged.
    class Cursor {
    public:
        explicit Cursor(const ExtentList& list) : rest_(list.packed_) {}
        bool next(Extent& extent);  // false at the end

    private:
        base::ByteView rest_;
        Extent last_;
    };
    std::vector<Extent> to_vector() const;
    std::vector<std::uint32_t> segments() const;  // ascending, each once

private:
    base::Bytes packed_;  // LEB128 of: segment and offset as differences to the last, length
    Extent last_;
    std::size_t count_ = 0;
    std::uint64_t total_bytes_ = 0;
};

// The two clocks at one moment: a recording keeps the first pair and each that departs by more than
// a millisecond from the pair before, so that a step of the wall clock can be found and undone.
struct ClockSample {
    std::int64_t monotonic_ns = 0;
    std::int64_t realtime_ns = 0;
    std::uint32_t run =
        0;  // the first run of the recording's ExtentList that was committed with it

    std::int64_t offset_ns() const { return realtime_ns - monotonic_ns; }
    friend bool operator==(const ClockSample&, const ClockSample&) = default;
};
void append_if_stepped(std::vector<ClockSample>& clocks, const ClockSample& sample);

}  // namespace earshot::journal
