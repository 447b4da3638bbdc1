// The archive thread: takes recordings whose journal part is sealed, stores them, writes the
// catalogue's final row, tells of it, and only then gives the journal space back (design section 4:
// order of truth). What fails is tried again; until it succeeds the journal keeps everything.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "archive/archive.h"
#include "archive/signing_key.h"
#include "base/bounded_queue.h"
#include "base/log.h"
#include "base/uuid.h"
#include "catalog/catalog.h"
#include "io/clock.h"
#include "io/file.h"
#include "journal/journal.h"
#include "objects/object_store.h"

namespace earshot::server {

struct ArchiveJob {
    std::uint64_t serial = 0;  // for Journal::release()
    base::Uuid recording;
    journal::ExtentList extents;
    bool was_closed = true;
    std::optional<base::Reason> failure;
};

class Archiver {
public:
    struct Dependencies {  // all borrowed for the archiver's life
        io::FileSystem& files;
        objects::ObjectStore& objects;
        catalog::Catalog& catalogue;
        journal::Journal& journal;
        const archive::SigningKey& key;
        const io::Clock& clock;
        base::Log& log;
        // A recording reached its final state; on the archive thread.
        std::function<void(const catalog::Recording&)> on_stored;
    };

    explicit Archiver(Dependencies dependencies);
    Archiver(const Archiver&) = delete;
    Archiver& operator=(const Archiver&) = delete;
    ~Archiver();  // stop()

    void start();
    // Any thread. A full queue (a disk that has failed for long) leaves the job to the next start's
    // recovery.
    void submit(ArchiveJob job);
    // Works off what is queued (no further retries), then ends the thread.
    void stop();

    std::size_t backlog() const { return queue_.size() + waiting_.load(std::memory_order_relaxed); }
    std::uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }

private:
    void run();
    bool archive(const ArchiveJob& job);  // false: try again later
    bool write_rows(const archive::BuildOutput& built, std::vector<catalog::Attempt> attempts,
                    catalog::Recording& row);

    Dependencies d_;
    base::BoundedQueue<ArchiveJob> queue_;
    std::atomic<std::size_t> waiting_{0};  // failed jobs that will be tried again
    std::atomic<std::uint64_t> failures_{0};
    std::jthread thread_;
};

}  // namespace earshot::server
