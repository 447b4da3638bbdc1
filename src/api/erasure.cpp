#include "api/erasure.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "api/refusal.h"
#include "api/whole_view.h"
#include "archive/summary.h"

namespace earshot::api {
namespace {

// What remains: when, how long, of which streams; nothing that came from a person's call.
void forget_persons(catalog::Recording& row, const base::Reason& reason) {
    const bool was_erased = row.reason && row.reason->code == reason.code;
    if (!was_erased) row.reason = reason;  // the first time is when it was
    archive::Summary kept;
    if (auto known = archive::parse_summary(row.summary)) {
        kept.start = known->start;
        kept.duration_ms = known->duration_ms;
        kept.streams = std::move(known->streams);
    }
    kept.id = row.id;
    kept.state = row.state;
    kept.reason = row.reason;
    for (archive::StreamSummary& stream : kept.streams) stream.senders.clear();
    row.summary = archive::to_json(kept);
    row.search.clear();
    row.call_ids.clear();
    row.session_ids.clear();
    row.group.clear();
}

void forget_persons(catalog::Attempt& attempt) {
    attempt.call_id.clear();
    attempt.from.clear();
    attempt.to.clear();
    attempt.headers.clear();
}

// The keys of the pieces, one after the other; what is planned for those whose key is gone is added
// to `change`.
std::optional<base::Reason> erase_keys(const RecordingFiles& files,
                                       std::span<const catalog::Recording> pieces,
                                       std::vector<catalog::Change> plans,
                                       catalog::Change& change) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (!pieces[i].directory.empty())
            if (auto failure = files.erase(pieces[i])) return failure;
        const auto move_all = [](auto& from, auto& to) {
            std::move(from.begin(), from.end(), std::back_inserter(to));
        };
        move_all(plans[i].recordings, change.recordings);
        move_all(plans[i].attempts, change.attempts);
    }
    return std::nullopt;
}

}  // namespace

std::optional<http::Response> Erasure::run(const catalog::Recording& recording,
                                           const base::Reason& reason) const {
    // Nothing is deleted before it is known that everything can be.
    const auto pieces = pieces_of(recording);
    std::vector<catalog::Change> plans(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i)
        if (auto refused = plan(pieces[i], reason, plans[i])) return refused;
    if (const auto failure = carry_out(recording, reason, std::move(plans)))
        return refuse(*failure);
    return std::nullopt;
}

// Adds to `change` what the rows become when the piece is erased; or why it cannot be.
std::optional<http::Response> Erasure::plan(const catalog::Recording& piece,
                                            const base::Reason& reason,
                                            catalog::Change& change) const {
    if (piece.state == catalog::State::Recording)
        return refuse(
            {"not_archived", fmt::format("The recording {} still runs: stop it first.", piece.id)});
    if (!piece.directory.empty())
        if (const auto obstacle = files_.find_obstacle(piece)) return refuse(*obstacle);
    const auto row = catalog_.find_piece(piece.id);
    if (!row) return refuse(row.error());
    const auto attempts = catalog_.list_attempts({.recording_id = piece.id});
    if (!attempts) return refuse(attempts.error());
    change.recordings.push_back(*row);
    forget_persons(change.recordings.back(), reason);
    for (const catalog::Attempt& attempt : *attempts) {
        change.attempts.push_back(attempt);
        forget_persons(change.attempts.back());
    }
    return std::nullopt;
}

// The keys first: a row must not say of what can still be read that it cannot.
std::optional<base::Reason> Erasure::carry_out(const catalog::Recording& recording,
                                               const base::Reason& reason,
                                               std::vector<catalog::Change> plans) const {
    const auto pieces = pieces_of(recording);
    catalog::Change change;
    auto failure = erase_keys(files_, pieces, std::move(plans), change);
    if (renditions_ != nullptr)
        for (const catalog::Recording& piece : pieces) renditions_->forget(piece.id);
    log_.warning(failure ? "a recording could not be erased wholly" : "a recording was erased",
                 {{"recording", recording.id},
                  {"pieces", fmt::format("{} of {}", change.recordings.size(), pieces.size())},
                  {"text", reason.text},
                  {"failure", failure ? failure->text : ""}});
    if (change.recordings.empty()) return failure;
    auto unwritten = catalog::submit_and_wait(catalog_, std::move(change));
    if (unwritten)
        log_.error("its rows could not be written: erase it again",
                   {{"recording", recording.id}, {"text", unwritten->text}});
    return failure ? failure : unwritten;
}

}  // namespace earshot::api
