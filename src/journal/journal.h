// The journal of one capture worker: a Writer for the capture thread, a Committer for the committer
// thread, and what they share. Build it with the recovery of what an earlier process left behind:
//
//     auto recovery = recover(files, directories);
//     Journal journal(files, options, recovery, listener);
//     std::jthread committer([&](std::stop_token stop) { journal.committer().run(stop, clock); });
//     ... capture thread: journal.writer().open/append/commit/close
//     ... archive thread: RecordReader over ClosedRecording::extents, then journal.release(serial)
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "base/time.h"
#include "crypto/key_wrap.h"
#include "io/file.h"
#include "journal/extent.h"
#include "journal/limits.h"
#include "journal/reader.h"
#include "journal/writer.h"

namespace earshot::journal {

struct Options {
    // DATA/journal/W; further ones (better on another disk) take over when the one before fails.
    std::vector<std::string> directories;
    std::uint16_t worker = 0;
    std::uint64_t segment_bytes = 64ULL * 1024 * 1024;
    std::size_t ring_bytes = 64ULL * 1024 * 1024;  // frames not yet confirmed, in memory
    std::uint64_t run_id = 0;  // random per start: tells this run's frames from old ones
    std::array<std::uint8_t, 16> boot_id{};  // /proc/sys/kernel/random/boot_id
    // Wraps the keys of segments. Borrowed for the journal's life; none: only what is not encrypted
    // can be read, and nothing is encrypted.
    const crypto::KeyWrapper* keys = nullptr;
    bool encrypt = true;  // new segments, each with a key of its own

    const crypto::KeyWrapper* writing_keys() const { return encrypt ? keys : nullptr; }
};

// A recording of which everything that was appended is durable.
struct ClosedRecording {
    std::uint64_t serial = 0;  // for Journal::release()
    base::Uuid recording{};
    ExtentList extents{};
    std::vector<ClockSample> clocks{};
};

// Told by the committer thread; must not block for long and must not call the journal's writer.
class Listener {
public:
    Listener() = default;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    virtual ~Listener() = default;

    // All that was appended before Writer::notify_when_durable(token) is on the disk.
    virtual void on_durable(std::uint64_t token) = 0;
    virtual void on_closed(ClosedRecording closed) = 0;
};

struct Health {
    bool ok = true;
    base::WallTime failing_since{};             // when not ok
    base::Reason reason{};                      // when not ok: storage_full or storage_error
    std::optional<std::uint64_t> free_bytes{};  // of the directory in use; absent until looked at
    std::size_t frames_waiting = 0;             // sealed, not confirmed
    std::size_t frames_allowed = 0;             // when all are waiting, append() refuses
    // From the arrival of a packet to its sync; 99 of 100 frames took no longer for their oldest.
    std::chrono::milliseconds durable_p99{0};
    bool is_direct = true;  // false: the file system refuses writes past the page cache
    std::uint64_t poisoned_segments = 0;  // given up after a failed write or sync, since the start
};

class Channel;
class Committer;

class Journal {
public:
    // `files` and `listener` are borrowed for the journal's life. Takes over the segments of
    // `recovery`: each of its recordings holds its segments until release(its serial).
    Journal(io::FileSystem& files, Options options, const Recovery& recovery, Listener& listener);
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;
    ~Journal();

    Writer& writer();        // for the one capture thread
    Committer& committer();  // for the one committer thread

    // Any thread. The recording (of on_closed or of the recovery) is stored elsewhere and was read
    // back; segments that nobody needs any more are deleted. False when the queue is full: again
    // later.
    [[nodiscard]] bool release(std::uint64_t serial);
    Health health() const;  // any thread
    // Of a recording of on_closed() or of the recovery. Borrows `files` and `extents`; any thread.
    RecordReader read(io::FileSystem& files, const base::Uuid& recording,
                      const ExtentList& extents) const;
    const std::vector<std::string>& directories() const;

private:
    std::unique_ptr<Channel> channel_;
    std::unique_ptr<Writer> writer_;
    std::unique_ptr<Committer> committer_;
    Options options_;
};

}  // namespace earshot::journal
