// What the writer's and the committer's thread share: the frames, which go round from the pool to
// the writer, to the committer, and back; and numbers about them. Nothing else.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "base/bounded_queue.h"
#include "base/time.h"
#include "io/file.h"
#include "journal/format.h"

namespace earshot::journal {

struct FrameRun {  // the records of one open recording in a frame
    base::Uuid recording{};
    std::uint64_t serial = 0;
    std::uint32_t bytes = 0;
    std::uint32_t records = 0;
};

// Aligned as files want it that are written past the page cache.
struct alignas(io::kDirectAlignment) FrameBytes : std::array<std::uint8_t, kMaxFrameBytes> {};
static_assert(kBlockBytes % io::kDirectAlignment == 0);

// A frame in memory. The writer fills `buffer` with records as they come; the committer lays the
// frame out in the form of the disk, once, and may then write it several times.
struct Frame {
    std::unique_ptr<FrameBytes> buffer;
    std::uint64_t number = 0;
    std::size_t record_bytes = 0;
    std::uint32_t records = 0;
    std::vector<FrameRun> runs;
    std::vector<std::uint64_t> tokens;  // who waits for it
    std::vector<std::uint64_t> closed;  // serials whose last record is in it
    base::Now clock{};
    std::int64_t oldest_packet_ns = 0;  // arrival; 0: holds none

    // The committer's part.
    bool is_laid_out = false;
    FrameHeader header;
    std::uint32_t segment = 0;
    std::uint64_t offset = 0;

    bool empty() const { return records == 0 && tokens.empty(); }
    std::size_t size_with(std::size_t more_records, std::size_t more_runs) const {
        return kFrameHeaderSize + (kTableEntrySize + kRunSealSize) * (runs.size() + more_runs) +
               record_bytes + more_records;
    }
    void clear() {
        record_bytes = 0;
        records = 0;
        runs.clear();
        tokens.clear();
        closed.clear();
        oldest_packet_ns = 0;
        is_laid_out = false;
    }
};

// How long what arrived had to wait until it was durable, in steps of 10 ms; the last one holds all
// that took longer. One thread counts, any reads.
class Delays {
public:
    void add(std::chrono::nanoseconds delay) {
        const auto step = std::max<std::int64_t>(delay / kStep, 0);
        const auto at = std::min(static_cast<std::size_t>(step), counts_.size() - 1);
        counts_[at].fetch_add(1, std::memory_order_relaxed);
    }
    // The end of the step that 99 of 100 did not pass; 0: nothing was counted.
    std::chrono::milliseconds p99() const;

private:
    static constexpr std::chrono::milliseconds kStep{10};
    std::array<std::atomic<std::uint64_t>, 1024> counts_{};
};

class Channel {
public:
    Channel(std::size_t frames, std::uint64_t serial)
        : free(frames),
          sealed(frames),
          releases(kMaxReleases),
          frame_count(frames),
          first_serial(serial) {
        for (std::size_t i = 0; i < frames; ++i) {
            auto frame = std::make_unique<Frame>();
            // Not filled: the kernel gives memory when a page is first written.
            frame->buffer = std::make_unique_for_overwrite<FrameBytes>();
            (void)free.try_push(std::move(frame));
        }
    }

    base::BoundedQueue<std::unique_ptr<Frame>> free;
    base::BoundedQueue<std::unique_ptr<Frame>> sealed;
    base::BoundedQueue<std::uint64_t> releases;  // serials
    const std::size_t frame_count;
    const std::uint64_t first_serial;  // for the writer; those before are the recovery's

    std::atomic<std::size_t> waiting{0};       // sealed, not confirmed
    std::atomic<std::int64_t> free_bytes{-1};  // -1: not looked at yet; 0 is a full disk
    std::atomic<std::uint64_t> poisoned{0};
    std::atomic<bool> is_direct{true};
    Delays delays;  // of the oldest packet of each frame
    // Of the present failure; meaningful while failing_since_ns is not 0.
    std::atomic<std::int64_t> failing_since_ns{0};
    std::atomic<int> failure_errno{0};
    std::atomic<std::size_t> failure_directory{0};

private:
    static constexpr std::size_t kMaxReleases = 65536;
};

}  // namespace earshot::journal
