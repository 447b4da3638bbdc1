#include "siprec/session_metadata.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "siprec/limits.h"

namespace earshot::siprec {
namespace {

// Faults come with whole transactions: the request waits until those are likely over.
constexpr std::chrono::milliseconds kAskAfterFault{500};

// What strict mode takes for a document that cannot be read (E-9).
bool is_forbidden(const MetadataIssue& issue) {
    return facts_of(issue.code).strict == kStrictFailsDocument;
}

std::uint64_t hash_of(const RowFacts& facts) {
    std::string all = facts.group;
    for (const std::string& id : facts.session_ids) all += '\n' + id;
    for (const auto& party : facts.participants) all += '\n' + party.aor + '\t' + party.name;
    return std::hash<std::string>{}(all) | 1U;  // never 0
}

}  // namespace

// Clients that resend everything repeat each fault: it is told once in a session.
void SessionMetadata::report(const MetadataIssue& issue, Actions& out) {
    const std::uint64_t hash = std::hash<std::string>{}(issue.text);
    if (told_.size() > kMaxMetadataIssues ||
        std::find(told_.begin(), told_.end(), hash) != told_.end())
        return;
    told_.push_back(hash);
    if (told_.size() > kMaxMetadataIssues)  // said once, then silence
        out.emplace_back(make_event("metadata_errors_omitted", kNoStream));
    else
        out.emplace_back(make_leniency_event("metadata_error", {issue.code, issue.text},
                                             base::to_string(peer_), issue.line));
}

void SessionMetadata::ask(base::TimePoint at, const char* reason, bool& asked) {
    if (asked) return;
    asked = true;
    ask_reason_ = reason;
    ask_at_ = at;
}

void SessionMetadata::expect_snapshot(base::TimePoint now) {
    // What came and could not be read has asked already.
    if (!model_.has_snapshot() && ask_reason_ == nullptr)
        ask(now + kSnapshotDelay, "no metadata has come yet", asked_for_none_);
}

void SessionMetadata::take(base::Now now, std::string_view document, std::string_view charset,
                           const ParticipantWatch::IsVoice& is_voice, Actions& out) {
    out.emplace_back(StoreMetadata{std::string{document}});
    const auto parsed = parse_metadata(document, charset);
    if (!parsed) {
        ++failures_;
        report(parsed.error(), out);
        ask(now.steady + kAskAfterFault, "the metadata could not be read", asked_for_fault_);
        return;
    }
    if (parsed->kind == MetadataDocument::Kind::SnapshotRequest) {
        report(
            {"a snapshot request was sent to the recording server", 0, Leniency::RequestToServer},
            out);
        return;
    }
    const MetadataIssue older{"this is not the form of RFC 7865", 0, Leniency::OlderMetadataForm};
    const auto& found = parsed->issues;
    if (strict_ &&
        (parsed->is_older_form || std::any_of(found.begin(), found.end(), is_forbidden))) {
        ++failures_;
        if (parsed->is_older_form) report(older, out);
        for (const MetadataIssue& issue : found) report(issue, out);
        ask(now.steady + kAskAfterFault, "the metadata is not RFC 7865's", asked_for_fault_);
        return;
    }
    const bool is_partial = parsed->mode == DataMode::Partial;
    const bool is_early = is_partial && !model_.has_snapshot();
    const auto issues = model_.apply(*parsed, now.wall);
    out.emplace_back(make_event("metadata_received", kNoStream,
                                {{"mode", std::string{is_partial ? "partial" : "complete"}},
                                 {"older_form", parsed->is_older_form}}));
    std::vector<Event> events;
    participants_.update(model_, is_voice, events);
    for (Event& event : events) out.emplace_back(std::move(event));
    if (parsed->is_older_form) report(older, out);
    for (const MetadataIssue& issue : found) report(issue, out);
    for (const MetadataIssue& issue : issues) report(issue, out);
    if (is_early) {
        report({"a partial document came before any complete one", 0, Leniency::PartialFirst}, out);
        ask(now.steady + kAskAfterFault, "a partial update came first", asked_for_fault_);
    } else if (!is_partial) {
        ask_reason_ = nullptr;  // it came by itself
    }
    if (!references_due_ && !model_.unresolved().empty())
        references_due_ = now.steady + kReferenceDelay;

    if (row_hash_ == 0) return;
    RowFacts facts;
    fill(facts);
    const std::uint64_t hash = hash_of(facts);
    if (hash != row_hash_) out.emplace_back(UpdateRow{std::move(facts)});
    row_hash_ = hash;
}

void SessionMetadata::on_row_created(const RowFacts& facts) { row_hash_ = hash_of(facts); }

const char* SessionMetadata::on_time(base::TimePoint now, Actions& out) {
    if (references_due_ && now >= *references_due_) {
        references_due_.reset();
        for (const MetadataId& id : model_.unresolved())
            report({"the id '" + id.text() + "' is used but nobody has defined it", 0,
                    Leniency::UnknownReference},
                   out);
    }
    if (ask_reason_ == nullptr || now < ask_at_) return nullptr;
    return std::exchange(ask_reason_, nullptr);
}

std::optional<base::TimePoint> SessionMetadata::deadline() const {
    std::optional<base::TimePoint> due = references_due_;
    if (ask_reason_ != nullptr && (!due || ask_at_ < *due)) due = ask_at_;
    return due;
}

void SessionMetadata::fill(RowFacts& facts) const {
    const MetadataObjects& all = model_.objects();
    for (const CommunicationSession& session : all.sessions)
        facts.session_ids.push_back(session.id.text());
    for (const Participant& participant : all.participants) {
        if (participant.vanished && is_placeholder(participant)) continue;
        RowFacts::Party party;
        if (!participant.names.empty()) {
            party.aor = participant.names.front().aor;
            party.name = participant.names.front().name;
        }
        facts.participants.push_back(std::move(party));
    }
    if (!all.groups.empty()) facts.group = all.groups.front().id.text();
}

}  // namespace earshot::siprec
