#include "server/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace earshot::server {

namespace {

void fail_row(catalog::Recording row, const base::Reason& reason, catalog::Catalog& catalogue,
              base::Log& log) {
    row.state = catalog::State::Failed;
    row.reason = reason;
    row.duration_ms = 0;
    if (auto summary = archive::parse_summary(row.summary)) {
        summary->state = row.state;
        summary->reason = row.reason;
        summary->duration_ms = 0;
        row.summary = archive::to_json(*summary);
    }
    log.warning("nothing was found of a recording that ran when the server stopped",
                {{"recording", row.id}, {"reason", reason.code}});
    catalog::Change change;
    if (auto attempts = catalogue.list_attempts({.recording_id = row.id})) {
        for (catalog::Attempt& attempt : *attempts) {
            if (attempt.outcome != "recording") continue;
            attempt.outcome = "failed";
            attempt.reason = row.reason;
            change.attempts.push_back(std::move(attempt));
        }
    }
    change.recordings.push_back(std::move(row));
    if (const auto failure = catalog::submit_and_wait(catalogue, std::move(change)))
        log.error("its row could not be written", {{"text", failure->text}});
}

// Clients that were asked to be recorded when the last run ended: nobody waits for them now.
void fail_asked(catalog::Catalog& catalogue, base::Log& log) {
    while (true) {
        auto attempts = catalogue.list_attempts({.limit = catalog::kMaxPage, .only_asked = true});
        if (!attempts)
            return log.error("attempts could not be read", {{"text", attempts.error().text}});
        if (attempts->empty()) return;
        for (catalog::Attempt& attempt : *attempts) {
            attempt.outcome = "failed";
            attempt.reason =
                base::Reason{"interrupted", "The server stopped before the client had answered."};
        }
        catalog::Change change;
        change.attempts = *std::move(attempts);
        if (const auto failure = catalog::submit_and_wait(catalogue, std::move(change)))
            return log.error("rows of attempts could not be written", {{"text", failure->text}});
    }
}

// Why what was found cannot be said to be all of the recording.
std::optional<base::Reason> find_want(const journal::RecoveredRecording& recording) {
    if (recording.may_be_unread)
        return base::Reason{std::string(kJournalUnread),
                            "A part of the journal that may hold more of this call cannot be read "
                            "now; a later start that can stores the recording again."};
    if (recording.lacks_frames)
        return base::Reason{"journal_damaged",
                            "Parts of the journal that were written while this call ran are gone."};
    if (!recording.has_beginning)
        return base::Reason{"journal_damaged", "The beginning of this call is not in the journal."};
    return std::nullopt;
}

// The ids of all that this journal holds are added to `held`.
void recover_journal(const capture::CaptureEngine::Found& found, catalog::Catalog& catalogue,
                     Archiver& archiver, base::Log& log, std::set<std::string>& held) {
    const journal::Damage& damage = found.recovery.damage;
    if (damage.any())
        log.warning("the journal has damaged places; everything around them is kept",
                    {{"bad_records", std::to_string(damage.bad_records)},
                     {"bad_frames", std::to_string(damage.bad_frames)},
                     {"lost_bytes", std::to_string(damage.lost_bytes)},
                     {"first", damage.notes.empty() ? "" : damage.notes.front()}});
    for (const journal::RecoveredRecording& recording : found.recovery.recordings) {
        const std::string id = base::to_string(recording.recording);
        held.insert(id);
        const auto row = catalogue.find_piece(id);
        // A row that became final without a folder was given up when the journal could not be read.
        // What was erased since stays so.
        const std::string reason = row && row->reason ? row->reason->code : "";
        const bool was_unread =
            row && reason != "erased" && (row->directory.empty() || reason == kJournalUnread);
        if (row && row->state != catalog::State::Recording && !was_unread) {
            if (!found.journal->release(recording.serial))
                log.warning("journal space is freed later", {{"recording", id}});
            continue;
        }
        log.warning("recovering a recording that the last run did not finish",
                    {{"recording", id},
                     {"records", std::to_string(recording.record_count)},
                     {"was_closed", recording.was_closed ? "true" : "false"}});
        archiver.submit({.journal = found.journal,
                         .serial = recording.serial,
                         .recording = recording.recording,
                         .extents = recording.extents,
                         .clocks = recording.clocks,
                         .was_closed = recording.was_closed,
                         .failure = find_want(recording)});
    }
}

}  // namespace

void recover_recordings(const std::vector<capture::CaptureEngine::Found>& found,
                        catalog::Catalog& catalogue, Archiver& archiver, base::Log& log) {
    std::set<std::string> held;
    for (const capture::CaptureEngine::Found& one : found)
        recover_journal(one, catalogue, archiver, log, held);
    fail_asked(catalogue, log);
    const auto unfinished = catalogue.list_unfinished();
    if (!unfinished) {
        log.error("unfinished rows could not be read", {{"text", unfinished.error().text}});
        return;
    }
    // What cannot be read today may hold them: the next start looks again.
    const bool is_all_read = std::all_of(found.begin(), found.end(), [](const auto& one) {
        return one.recovery.damage.read_errors == 0;
    });
    const base::Reason reason =
        is_all_read
            ? base::Reason{"interrupted",
                           "The server stopped before anything of this call had reached the disk."}
            : base::Reason{std::string(kJournalUnread),
                           "A part of the journal could not be read; what it may hold of this call "
                           "is stored when a later start can read it."};
    for (const catalog::Recording& row : *unfinished)
        if (!held.contains(row.id)) fail_row(row, reason, catalogue, log);
}

}  // namespace earshot::server
