#include "catalog/sqlite_catalog.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "base/bounded_queue.h"
#include "catalog/schema.h"
#include "catalog/sqlite_reader.h"
#include "catalog/sqlite_writer.h"
#include "io/thread_name.h"

namespace earshot::catalog {
namespace {

struct Submitted {
    Change change;
    Committed committed;
};

class SqliteCatalog : public Catalog {
public:
    SqliteCatalog(SqliteOptions options, SqliteWriter writer, SqliteReader reader, base::Log& log)
        : options_(std::move(options)),
          log_(log),
          reader_(std::move(reader)),
          queue_(options_.backlog_limit),
          thread_([this, w = std::move(writer)]() mutable { write_until_closed(w); }) {}
    SqliteCatalog(const SqliteCatalog&) = delete;
    SqliteCatalog& operator=(const SqliteCatalog&) = delete;
    ~SqliteCatalog() override {
        queue_.close();
        thread_.join();
    }

    bool submit(Change change, Committed committed) override {
        return queue_.try_push(Submitted{std::move(change), std::move(committed)});
    }

    base::Result<std::vector<Recording>, base::Reason> list(const RecordingQuery& query) override {
        return reader_.list(query);
    }
    base::Result<std::vector<Attempt>, base::Reason> list_attempts(
        const AttemptQuery& query) override {
        return reader_.list_attempts(query);
    }
    base::Result<Recording, FindError> find(std::string_view id_or_prefix) override {
        return reader_.find(id_or_prefix);
    }
    base::Result<Recording, FindError> find_piece(std::string_view id) override {
        return reader_.find_piece(id);
    }
    base::Result<std::vector<PeerCount>, base::Reason> count_by_peer(
        base::WallTime since) override {
        return reader_.count_by_peer(since);
    }
    base::Result<std::vector<Recording>, base::Reason> list_unfinished() override {
        return reader_.list_unfinished();
    }

    Health health() const override {
        const int code = failure_.load();
        Health health;
        health.is_writable = code == kSqliteOk;
        if (code != kSqliteOk) health.reason = reason_of(code, "be written", options_.path);
        health.backlog = queue_.size() + in_work_.load();
        health.backlog_limit = options_.backlog_limit;
        health.commits = commits_.load();
        health.changes = changes_.load();
        health.failed_changes = failed_changes_.load();
        return health;
    }

private:
    using Clock = std::chrono::steady_clock;

    void write_until_closed(SqliteWriter& writer) {
        io::set_thread_name("catalogue");
        // While changes keep coming, a commit is held back this long so that more share its fsync;
        // a lone change after a quiet time is committed at once.
        constexpr std::chrono::milliseconds kGather{5};
        constexpr std::chrono::milliseconds kQuiet{20};
        Clock::time_point last_commit{};
        std::vector<Submitted> batch;
        while (auto first = queue_.pop()) {
            in_work_.store(1);
            batch.clear();
            batch.push_back(std::move(*first));
            const Clock::time_point popped = Clock::now();
            const bool is_busy = popped - last_commit < kQuiet;
            gather(batch, is_busy ? popped + kGather : popped);
            commit(writer, batch);
            last_commit = Clock::now();
            in_work_.store(0);
        }
        // SQLite would do it when the last connection is closed, but that is the reader's.
        writer.checkpoint();
    }

    // The time is slept out, not waited for at the queue: who submits need not wake this thread for
    // each change.
    void gather(std::vector<Submitted>& batch, Clock::time_point until) {
        std::this_thread::sleep_until(until);
        while (batch.size() < options_.batch_limit) {
            auto next = queue_.try_pop();
            if (!next) break;
            batch.push_back(std::move(*next));
            in_work_.store(batch.size());
        }
    }

    void commit(SqliteWriter& writer, std::vector<Submitted>& batch) {
        std::vector<const Change*> changes;
        changes.reserve(batch.size());
        for (const Submitted& submitted : batch) changes.push_back(&submitted.change);
        const int code = writer.commit(changes);
        if (code == kSqliteOk) return finish(batch, code);
        if (batch.size() == 1 || !is_fault_of_one(code)) return finish(batch, code);
        // One change that breaks a constraint must not take the others with it.
        for (Submitted& submitted : batch) {
            const Change* alone = &submitted.change;
            finish(std::span(&submitted, 1), writer.commit(std::span(&alone, 1)));
        }
    }

    static bool is_fault_of_one(int code) {
        constexpr int kConstraint = 19;  // SQLITE_CONSTRAINT
        constexpr int kMismatch = 20;
        constexpr int kTooBig = 18;
        const int primary = code & 0xff;
        return primary == kConstraint || primary == kMismatch || primary == kTooBig;
    }

    void finish(std::span<Submitted> batch, int code) {
        std::optional<base::Reason> failure;
        if (code == kSqliteOk) {
            commits_.fetch_add(1);
            changes_.fetch_add(batch.size());
        } else {
            failure = reason_of(code, "be written", options_.path);
            failed_changes_.fetch_add(batch.size());
        }
        note_health(is_fault_of_one(code) ? kSqliteOk : code, failure);
        for (Submitted& submitted : batch)
            if (submitted.committed) submitted.committed(failure);
    }

    // Told once when it breaks and once when it works again, not for each call.
    void note_health(int code, const std::optional<base::Reason>& failure) {
        const int before = failure_.exchange(code);
        if (before == kSqliteOk && code != kSqliteOk) log_.error(failure->text);
        if (before != kSqliteOk && code == kSqliteOk)
            log_.info("The catalogue can be written again.");
    }

    const SqliteOptions options_;
    base::Log& log_;
    SqliteReader reader_;
    base::BoundedQueue<Submitted> queue_;
    std::atomic<std::size_t> in_work_{0};
    std::atomic<int> failure_{kSqliteOk};
    std::atomic<std::uint64_t> commits_{0};
    std::atomic<std::uint64_t> changes_{0};
    std::atomic<std::uint64_t> failed_changes_{0};
    std::thread thread_;  // last: it uses all of the above
};

std::optional<base::Reason> prepare(Database& database, const SqliteOptions& options) {
    // FULL, not NORMAL: in WAL mode NORMAL does not sync at commit, and the 200 waits for the sync.
    int code = database.execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;");
    if (code == kSqliteOk)
        if (auto failure = migrate(database, migrations())) return failure;
    if (code == kSqliteOk && options.max_pages != 0)
        code = database.execute(fmt::format("PRAGMA max_page_count = {}", options.max_pages));
    if (code != kSqliteOk) return reason_of(code, "be prepared", options.path);
    return std::nullopt;
}

}  // namespace

base::Result<std::unique_ptr<Catalog>, base::Reason> open_sqlite_catalog(SqliteOptions options,
                                                                         base::Log& log) {
    auto database = Database::open(options.path, Database::Mode::Write, options.busy_timeout);
    if (!database) return database.error();
    if (auto failure = prepare(*database, options)) return *failure;
    auto reading = Database::open(options.path, Database::Mode::ReadOnly, options.busy_timeout);
    if (!reading) return reading.error();
    auto writer = SqliteWriter::make(std::move(*database), options.join_window);
    if (!writer) return writer.error();
    return std::unique_ptr<Catalog>(std::make_unique<SqliteCatalog>(
        std::move(options), std::move(*writer), SqliteReader(std::move(*reading)), log));
}

}  // namespace earshot::catalog
