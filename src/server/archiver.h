// The archive thread: takes recordings whose journal part is sealed, stores them, writes the
// catalogue's final row, tells of it, and only then gives the journal space back (design section 4:
// order of truth). Recordings that wait together are stored together: syncing a batch costs the
// disk about what a single one does. What fails is tried again; until then the journal keeps
// everything.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "archive/archive.h"
#include "archive/signing_key.h"
#include "base/bounded_queue.h"
#include "base/log.h"
#include "base/random.h"
#include "base/uuid.h"
#include "catalog/catalog.h"
#include "crypto/key_wrap.h"
#include "io/clock.h"
#include "io/file.h"
#include "journal/journal.h"
#include "objects/object_store.h"

namespace earshot::server {

struct ArchiveJob {
    journal::Journal* journal = nullptr;  // that holds it; outlives the archiver
    std::uint64_t serial = 0;             // for its release()
    base::Uuid recording;
    journal::ExtentList extents;
    std::vector<journal::ClockSample> clocks{};
    bool was_closed = true;
    std::optional<base::Reason> failure;
    int reads = 0;  // so often its journal could not be read
};

// Reason of a failed recording whose journal was kept: the next start archives it again.
inline constexpr std::string_view kJournalUnread = "journal_unreadable";

class Archiver {
public:
    struct Dependencies {  // all borrowed for the archiver's life
        io::FileSystem& files;
        objects::ObjectStore& objects;
        catalog::Catalog& catalogue;
        const archive::SigningKey& key;
        const io::Clock& clock;
        base::Log& log;
        // A recording reached its final state; on the archive thread.
        std::function<void(const catalog::Recording&)> on_stored;
        std::chrono::milliseconds too_short{0};    // ServerConfig::too_short
        const crypto::KeyWrapper* keys = nullptr;  // null: recordings are not encrypted
    };

    explicit Archiver(Dependencies dependencies);
    Archiver(const Archiver&) = delete;
    Archiver& operator=(const Archiver&) = delete;
    ~Archiver();  // stop()

    void start();
    // Any thread. A full queue (a disk that has failed for long) leaves the job to the next start's
    // recovery.
    void submit(ArchiveJob job);
    // Works off what is queued for `patience` (no further retries), then ends the thread. The rest
    // is stored by the next start.
    void stop(std::chrono::milliseconds patience = std::chrono::milliseconds::max());

    std::size_t backlog() const { return queue_.size() + waiting_.load(std::memory_order_relaxed); }
    std::uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }

private:
    struct Retry {
        base::TimePoint at;
        ArchiveJob job;
    };
    // A job whose parts are written, on its way to be committed.
    struct Built {
        ArchiveJob job;
        archive::BuildOutput output;
        std::vector<catalog::Attempt> attempts{};
        catalog::Recording row{};
        bool keeps_journal = false;
    };

    void run();
    bool is_out_of_patience() const;
    std::vector<ArchiveJob> take_due();  // empty: nothing came in a second
    void archive(std::vector<ArchiveJob> jobs);
    std::optional<Built> build(ArchiveJob& job);
    void commit(std::vector<Built>& batch);
    void write_rows(std::vector<Built>& batch);
    void find_rows(std::vector<Built>& batch);
    void fill_rows(Built& built, catalog::Change& change);
    void retry(ArchiveJob&& job);

    Dependencies d_;
    base::BoundedQueue<ArchiveJob> queue_;
    std::deque<Retry> retries_;
    base::SystemRandom random_;            // the archive thread's: data keys
    std::atomic<std::size_t> waiting_{0};  // failed jobs that will be tried again
    std::atomic<std::uint64_t> failures_{0};
    std::atomic<base::TimePoint> give_up_at_{base::TimePoint::max()};
    std::jthread thread_;
};

}  // namespace earshot::server
