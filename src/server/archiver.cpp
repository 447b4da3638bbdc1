#include "server/archiver.h"

#include <fmt/format.h>

#include "archive/data_key.h"
#include "archive/journal_source.h"
#include "io/thread_name.h"
#include "journal/reader.h"
#include "objects/directory_store.h"
#include "server/attempt_ledger.h"
#include "server/attempt_record.h"
#include "server/call_views.h"

namespace earshot::server {

using base::Reason;

namespace {

constexpr std::size_t kMaxQueuedJobs = 100'000;
constexpr std::chrono::seconds kRetryAfter{5};
constexpr std::size_t kMaxBatch = 64;  // recordings committed together
constexpr int kMaxReads = 12;          // of a journal that cannot be read: a minute
constexpr std::chrono::milliseconds kBatchTime{500};

bool is_erased(const catalog::Recording& row) { return row.reason && row.reason->code == "erased"; }

// Passes the journal's records on and keeps the attempts among them.
class AttemptCollector : public archive::RecordSource {
public:
    explicit AttemptCollector(archive::RecordSource& records) : records_(records) {}

    std::optional<journal::Record> next() override {
        auto record = records_.next();
        if (record && record->header.type == journal::RecordType::Attempt) {
            if (auto attempt = parse_attempt_record(record->payload))
                attempts_.push_back(std::move(*attempt));
        }
        return record;
    }
    journal::Damage damage() const override { return records_.damage(); }
    std::vector<catalog::Attempt> take_attempts() { return std::move(attempts_); }

private:
    archive::RecordSource& records_;
    std::vector<catalog::Attempt> attempts_;
};

}  // namespace

Archiver::Archiver(Dependencies dependencies)
    : d_(std::move(dependencies)), queue_(kMaxQueuedJobs) {}

Archiver::~Archiver() { stop(); }

void Archiver::start() {
    thread_ = std::jthread([this] { run(); });
}

void Archiver::submit(ArchiveJob job) {
    const std::string id = base::to_string(job.recording);
    if (!queue_.try_push(std::move(job)))
        d_.log.error(
            "the archive queue is full; the recording stays in the journal until the next start",
            {{"recording", id}});
}

void Archiver::stop(std::chrono::milliseconds patience) {
    if (patience != std::chrono::milliseconds::max())
        give_up_at_ = d_.clock.now().steady + patience;
    queue_.close();
    if (thread_.joinable()) thread_.join();
}

bool Archiver::is_out_of_patience() const { return d_.clock.now().steady >= give_up_at_.load(); }

void Archiver::run() {
    io::set_thread_name("archive");
    while (!is_out_of_patience()) {
        std::vector<ArchiveJob> jobs = take_due();
        if (jobs.empty() && queue_.is_closed() && queue_.size() == 0) break;
        archive(std::move(jobs));
        waiting_.store(retries_.size(), std::memory_order_relaxed);
    }
    if (const std::size_t left = backlog(); left > 0)
        d_.log.warning(
            "recordings that are not stored yet stay in the journal; the next start stores them",
            {{"recordings", std::to_string(left)}});
}

std::vector<ArchiveJob> Archiver::take_due() {
    std::vector<ArchiveJob> jobs;
    if (auto job = queue_.pop_for(std::chrono::seconds{1})) jobs.push_back(std::move(*job));
    const base::TimePoint now = d_.clock.now().steady;
    while (!retries_.empty() && retries_.front().at <= now && !queue_.is_closed() &&
           jobs.size() < kMaxBatch) {
        jobs.push_back(std::move(retries_.front().job));
        retries_.pop_front();
    }
    return jobs;
}

// Builds the jobs and those that wait behind them, until the batch is full or the first has waited
// long enough for the others.
void Archiver::archive(std::vector<ArchiveJob> jobs) {
    const base::TimePoint commit_at = d_.clock.now().steady + kBatchTime;
    std::vector<Built> batch;
    const auto add = [&](ArchiveJob& job) {
        if (auto built = build(job)) batch.push_back(std::move(*built));
    };
    for (ArchiveJob& job : jobs) add(job);
    while (batch.size() < kMaxBatch && d_.clock.now().steady < commit_at && !is_out_of_patience()) {
        auto job = queue_.try_pop();
        if (!job) break;
        add(*job);
    }
    commit(batch);
    write_rows(batch);
}

void Archiver::retry(ArchiveJob&& job) {
    failures_.fetch_add(1, std::memory_order_relaxed);
    retries_.push_back({.at = d_.clock.now().steady + kRetryAfter, .job = std::move(job)});
}

std::optional<Archiver::Built> Archiver::build(ArchiveJob& job) {
    const std::string id = base::to_string(job.recording);
    journal::RecordReader reader = job.journal->read(d_.files, job.recording, job.extents);
    archive::JournalSource journalled(reader, job.clocks);
    AttemptCollector records(journalled);
    std::optional<archive::Encryption> encryption;
    if (d_.keys != nullptr) encryption.emplace(archive::Encryption{*d_.keys, random_});
    auto output = archive::build_recording({.recording = job.recording,
                                            .records = records,
                                            .objects = d_.objects,
                                            .key = d_.key,
                                            .now = d_.clock.now().wall,
                                            .failure = job.failure,
                                            .was_closed = job.was_closed,
                                            .too_short = d_.too_short,
                                            .encryption = encryption});
    // A segment that cannot be read now may be readable soon: descriptors are short, a disk comes
    // back. Until then nothing is decided and nothing freed.
    const bool is_unread = records.damage().read_errors > 0;
    if (is_unread && job.reads < kMaxReads) {
        ++job.reads;
        d_.log.error("the journal of a recording cannot be read; it is tried again",
                     {{"recording", id}, {"errno", std::to_string(records.damage().last_errno)}});
        retry(std::move(job));
        return std::nullopt;
    }
    if (output && is_unread && !job.failure) {
        job.failure = Reason{std::string(kJournalUnread),
                             "A part of the journal of this call cannot be read now; a later start "
                             "that can stores the recording again."};
        output->object.writer.reset();  // takes its folder away: not that of the next build
        return build(job);
    }
    const bool keeps_journal = is_unread || (job.failure && job.failure->code == kJournalUnread);
    if (output)
        return Built{.job = std::move(job),
                     .output = *std::move(output),
                     .attempts = records.take_attempts(),
                     .keeps_journal = keeps_journal};
    d_.log.error(
        "a recording could not be stored; it stays in the journal and is tried again",
        {{"recording", id}, {"reason", output.error().code}, {"text", output.error().text}});
    if (output.error().code != "no_records") {
        retry(std::move(job));
        return std::nullopt;
    }
    // Nothing to build it from: trying again cannot help, and the row says so. What could not be
    // read stays in the journal for the next start.
    Built failed{.job = std::move(job), .output = {}, .attempts = records.take_attempts()};
    failed.output.summary.id = id;
    failed.output.summary.state = catalog::State::Failed;
    failed.output.summary.reason =
        is_unread
            ? Reason{std::string(kJournalUnread),
                     "The journal of this call could not be read; the next start tries again."}
            : output.error();
    failed.keeps_journal = is_unread;
    failed.output.summary.duration_ms = 0;
    return failed;
}

// What the store refuses leaves the batch, to be tried again.
void Archiver::commit(std::vector<Built>& batch) {
    std::vector<objects::WrittenObject> objects;
    std::vector<std::size_t> owners;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (batch[i].output.object.writer == nullptr) continue;  // a failed one has no parts
        objects.push_back(std::move(batch[i].output.object));
        owners.push_back(i);
    }
    if (objects.empty()) return;
    const auto results = d_.objects.commit(objects);
    for (std::size_t i = results.size(); i-- > 0;) {
        if (results[i]) continue;
        const auto built = batch.begin() + static_cast<std::ptrdiff_t>(owners[i]);
        const Reason reason = archive::storage_reason(results[i].error(), "recording");
        d_.log.error("a recording could not be stored; it stays in the journal and is tried again",
                     {{"recording", built->output.summary.id},
                      {"reason", reason.code},
                      {"text", reason.text}});
        retry(std::move(built->job));
        batch.erase(built);
    }
}

// The row of the call's begin knows the peer; after a lost catalogue it comes from the attempt.
// What was erased while it was stored once more (its journal could not be read before) goes again.
void Archiver::find_rows(std::vector<Built>& batch) {
    for (std::size_t i = batch.size(); i-- > 0;) {
        Built& built = batch[i];
        const auto known = d_.catalogue.find_piece(built.output.summary.id);
        if (known) built.row = *known;
        const auto object = objects::key_of_location(built.output.directory);
        if (!is_erased(built.row) || !object) continue;
        const auto gone = d_.keys != nullptr ? d_.objects.remove_part(*object, archive::kKeyName)
                                             : d_.objects.remove(*object);
        if (gone) continue;
        d_.log.error(
            "an erased recording was stored again and could not be removed; it is tried "
            "again",
            {{"recording", built.row.id}, {"text", std::string(gone.error().what)}});
        retry(std::move(built.job));
        batch.erase(batch.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

void Archiver::write_rows(std::vector<Built>& batch) {
    find_rows(batch);
    if (batch.empty()) return;
    catalog::Change change;
    for (Built& built : batch) fill_rows(built, change);
    if (const auto failure = catalog::submit_and_wait(d_.catalogue, std::move(change))) {
        d_.log.error(
            "the catalogue did not take the final rows of recordings; they are tried again",
            {{"recordings", std::to_string(batch.size())},
             {"reason", failure->code},
             {"text", failure->text}});
        for (Built& built : batch) retry(std::move(built.job));
        return;
    }
    for (const Built& built : batch) {
        const archive::Summary& summary = built.output.summary;
        d_.log.info(
            is_erased(built.row) ? "what was erased was not stored again" : "recording stored",
            {{"recording", summary.id},
             {"state", std::string(catalog::to_string(summary.state))},
             {"duration_ms", std::to_string(summary.duration_ms.value_or(0))},
             {"reason", summary.reason ? summary.reason->text : ""}});
        if (d_.on_stored) d_.on_stored(built.row);
        if (built.keeps_journal) continue;
        // Refused only when thousands of releases wait: the next start finds the recording stored
        // and lets go then.
        if (!built.job.journal->release(built.job.serial))
            d_.log.warning("journal space is freed later", {{"recording", summary.id}});
    }
}

void Archiver::fill_rows(Built& built, catalog::Change& change) {
    const archive::Summary& summary = built.output.summary;
    catalog::Recording& row = built.row;
    if (is_erased(row)) return;
    row.id = summary.id;
    row.state = summary.state;
    row.reason = summary.reason;
    if (summary.start != base::WallTime{}) row.start = summary.start;
    row.duration_ms = summary.duration_ms;
    row.call_ids = summary.call_ids;
    row.session_ids = summary.session_ids;
    row.summary = archive::to_json(summary);
    row.search = archive::search_text(summary);
    row.directory = built.output.directory;
    row.group = group_of(summary);
    row.join_group = summary.join_group;
    row.join_keys = summary.join_keys;
    if (row.peer.empty() && !built.attempts.empty()) row.peer = built.attempts.front().peer;
    change.recordings.push_back(row);
    // Signalling has written how each attempt ended, but after a crash, or when the catalogue could
    // not take it.
    for (catalog::Attempt& attempt : built.attempts) {
        const auto known = d_.catalogue.list_attempts({.limit = 1, .id = attempt.id});
        // What a start could only call interrupted is known better by whose records are here.
        const auto is_open = [](const catalog::Attempt& stored) {
            return stored.outcome == "recording" || stored.outcome == kChallenged ||
                   stored.outcome == "asked" ||
                   (stored.outcome == "failed" && stored.reason &&
                    stored.reason->code == "interrupted");
        };
        if (!known || (!known->empty() && !is_open(known->front()))) continue;
        attempt.outcome = "recorded";
        attempt.sip_status = 200;
        attempt.reason = summary.reason;
        change.attempts.push_back(std::move(attempt));
    }
}

}  // namespace earshot::server
