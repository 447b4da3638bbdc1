#include "server/archiver.h"

#include <fmt/format.h>

#include <deque>
#include "io/thread_name.h"
#include "journal/reader.h"
#include "server/attempt_record.h"

namespace earshot::server {

namespace {

constexpr std::size_t kMaxQueuedJobs = 100'000;
constexpr std::chrono::seconds kRetryAfter{5};

// Passes the journal's records on and keeps the attempts among them.
class AttemptCollector : public archive::RecordSource {
public:
    explicit AttemptCollector(journal::RecordReader& reader) : reader_(reader) {}

    std::optional<journal::Record> next() override {
        auto record = reader_.next();
        if (record && record->header.type == journal::RecordType::Attempt) {
            if (auto attempt = parse_attempt_record(record->payload))
                attempts_.push_back(std::move(*attempt));
        }
        return record;
    }
    journal::Damage damage() const override { return reader_.damage(); }
    std::vector<catalog::Attempt> take_attempts() { return std::move(attempts_); }

private:
    journal::RecordReader& reader_;
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

void Archiver::stop() {
    queue_.close();
    if (thread_.joinable()) thread_.join();
}

void Archiver::run() {
    io::set_thread_name("archive");
    struct Retry {
        base::TimePoint at;
        ArchiveJob job;
    };
    std::deque<Retry> retries;
    const auto attempt = [&](ArchiveJob&& job) {
        if (archive(job)) return;
        failures_.fetch_add(1, std::memory_order_relaxed);
        retries.push_back({.at = d_.clock.now().steady + kRetryAfter, .job = std::move(job)});
    };
    for (;;) {
        auto job = queue_.pop_for(std::chrono::seconds{1});
        if (job)
            attempt(std::move(*job));
        else if (queue_.is_closed())
            break;
        while (!retries.empty() && retries.front().at <= d_.clock.now().steady) {
            ArchiveJob again = std::move(retries.front().job);
            retries.pop_front();
            attempt(std::move(again));
        }
        waiting_.store(retries.size(), std::memory_order_relaxed);
    }
    for (const Retry& retry : retries)
        d_.log.warning("not archived before the stop; the next start does it",
                       {{"recording", base::to_string(retry.job.recording)}});
}

bool Archiver::archive(const ArchiveJob& job) {
    const std::string id = base::to_string(job.recording);
    journal::RecordReader reader(d_.files, d_.journal.directories(), job.recording, job.extents);
    AttemptCollector records(reader);
    const auto built = archive::build_recording({.recording = job.recording,
                                                 .records = records,
                                                 .objects = d_.objects,
                                                 .key = d_.key,
                                                 .now = d_.clock.now().wall,
                                                 .failure = job.failure,
                                                 .was_closed = job.was_closed});
    if (!built) {
        d_.log.error(
            "a recording could not be stored; it stays in the journal and is tried again",
            {{"recording", id}, {"reason", built.error().code}, {"text", built.error().text}});
        // Nothing to build it from: trying again cannot help, and the row says so.
        if (built.error().code != "no_records") return false;
    }
    catalog::Recording row;
    archive::BuildOutput output;
    if (built)
        output = *built;
    else {
        output.summary.id = id;
        output.summary.state = catalog::State::Failed;
        output.summary.reason = built.error();
        output.summary.duration_ms = 0;
    }
    if (!write_rows(output, records.take_attempts(), row)) return false;
    if (d_.on_stored) d_.on_stored(row);
    // Refused only when thousands of releases wait: the next start finds the recording stored and
    // lets go then.
    if (!d_.journal.release(job.serial))
        d_.log.warning("journal space is freed later", {{"recording", id}});
    return true;
}

bool Archiver::write_rows(const archive::BuildOutput& built, std::vector<catalog::Attempt> attempts,
                          catalog::Recording& row) {
    const archive::Summary& summary = built.summary;
    // The row of the call's begin knows the peer; after a lost catalogue it comes from the attempt.
    if (auto known = d_.catalogue.find(summary.id)) row = *known;
    row.id = summary.id;
    row.state = summary.state;
    row.reason = summary.reason;
    if (summary.start != base::WallTime{}) row.start = summary.start;
    row.duration_ms = summary.duration_ms;
    row.call_ids = summary.call_ids;
    row.session_ids = summary.session_ids;
    row.summary = archive::to_json(summary);
    row.search = archive::search_text(summary);
    row.directory = built.directory;
    if (row.peer.empty() && !attempts.empty()) row.peer = attempts.front().peer;

    catalog::Change change{.recordings = {row}, .attempts = {}};
    // Signalling has written how each attempt ended, but after a crash, or when the catalogue could
    // not take it.
    for (catalog::Attempt& attempt : attempts) {
        const auto known = d_.catalogue.list_attempts({.limit = 1, .id = attempt.id});
        if (!known || (!known->empty() && known->front().outcome != "recording")) continue;
        attempt.outcome = "recorded";
        attempt.sip_status = 200;
        attempt.reason = summary.reason;
        change.attempts.push_back(std::move(attempt));
    }
    if (const auto failure = catalog::submit_and_wait(d_.catalogue, std::move(change))) {
        d_.log.error(
            "the catalogue did not take a recording's final row; it is tried again",
            {{"recording", summary.id}, {"reason", failure->code}, {"text", failure->text}});
        return false;
    }
    d_.log.info("recording stored",
                {{"recording", summary.id},
                 {"state", std::string(catalog::to_string(summary.state))},
                 {"duration_ms", std::to_string(summary.duration_ms.value_or(0))},
                 {"reason", summary.reason ? summary.reason->text : ""}});
    return true;
}

}  // namespace earshot::server
