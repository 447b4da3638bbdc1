// The committer thread's end of the journal: groups each frame's records by recording, writes the
// frame, syncs, confirms; owns the segment files and knows which recording needs which of them.
// A frame stays in memory until its sync succeeded. After a failed write or sync the segment is
// poisoned: it is never written or synced again, and all unconfirmed frames go to a new segment
// (the kernel may have dropped the failed pages and would report success next time).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <unordered_map>

#include "base/random.h"
#include "io/file.h"
#include "journal/journal.h"
#include "journal/limits.h"
#include "journal/run_cipher.h"

namespace earshot::journal {

struct Frame;
struct FrameBytes;

class Committer {
public:
    Committer(io::FileSystem& files, Options options, Channel& channel, Listener& listener,
              const Recovery& recovery);  // Journal makes it
    Committer(const Committer&) = delete;
    Committer& operator=(const Committer&) = delete;
    ~Committer();

    // Steps until `stop` is requested and everything sealed by then was tried once more; then gives
    // the unused tail of the segment back. Commit before you request the stop.
    void run(const std::stop_token& stop, const std::function<base::Now()>& clock);

    // Takes what is waiting, without blocking on the queue: for tests and simulations, and for
    // run().
    void step(const base::Now& now);

    std::size_t unconfirmed_frames() const { return unconfirmed_.size(); }
    std::size_t segment_count() const { return segments_.size(); }

private:
    struct Segment {
        std::string directory{};
        std::size_t references = 0;  // recordings, open or not yet released, with records in it
        bool deletable = true;
    };
    struct OpenRecording {
        base::Uuid recording;
        ExtentList extents;
        std::vector<ClockSample> clocks;
        std::vector<std::uint32_t> segments;  // in which it holds a reference
    };
    void take_releases();
    bool write_waiting(const base::Now& now);
    bool write_frame(Frame& frame, const base::Now& now);
    bool sync_and_confirm(const base::Now& now);
    void confirm(const Frame& frame);
    void count_delay(const Frame& frame);
    base::ByteView encrypt(Frame& frame);
    bool open_segment(std::uint64_t first_frame, const base::Now& now);
    base::Result<base::Done> create_segment(const std::string& directory, const std::string& path,
                                            std::uint32_t segment, std::uint64_t first_frame,
                                            const base::Now& now);
    base::Result<base::Done> make_directory(const std::string& directory);
    void poison_segment();
    void give_up_segment(const base::Error& error, const base::Now& now);
    void next_directory_after_failure(const base::Error& error, const base::Now& now);
    void finish_segment();
    void free_unused_segments();
    void look_at_disk(const base::Now& now);
    void look_at_segment();
    void look_at_free_space();

    io::FileSystem& files_;
    base::SystemRandom random_;
    const Options options_;
    Channel& channel_;
    Listener& listener_;

    std::deque<std::unique_ptr<Frame>> unconfirmed_;  // in order; the first written_ are written
    std::size_t written_ = 0;
    // Where a frame is laid out; swapped with the frame's.
    std::unique_ptr<FrameBytes> scratch_;
    std::unique_ptr<FrameBytes> encrypted_;  // what goes to the disk; null: the frame itself does

    std::unique_ptr<io::File> file_;   // of the current segment; null: none
    std::optional<RunCipher> cipher_;  // its key's, when the journal is encrypted
    std::uint32_t current_ = 0;
    std::uint64_t end_ = 0;  // where the next frame goes
    std::uint32_t next_segment_ = 1;
    std::size_t directory_index_ = 0;
    std::map<std::uint32_t, Segment> segments_;
    std::unordered_map<std::uint64_t, OpenRecording> open_;               // by serial
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> held_;  // closed, not released
    std::function<base::Now()> clock_;  // run()'s; none: time stands still during a step
    base::TimePoint next_look_{};
    base::TimePoint retry_at_{};
};

}  // namespace earshot::journal
