// The metadata side of one recording session: merges what each request brings, tells of faults
// once, and decides when the peer is to be asked for a snapshot.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/time.h"
#include "siprec/metadata.h"
#include "siprec/participant_watch.h"
#include "siprec/recording_server_session.h"

namespace earshot::siprec {

class SessionMetadata {
public:
    using Actions = std::vector<Action>;

    // Before the first document. `strict`: what is not RFC 7865's counts as unreadable (E-9).
    void set_peer(const base::NetAddress& peer, bool strict) {
        peer_ = peer;
        strict_ = strict;
    }
    // A document arrived. Stores it raw, whatever it is. `is_voice`: of ParticipantWatch.
    void take(base::Now now, std::string_view document, std::string_view charset,
              const ParticipantWatch::IsVoice& is_voice, Actions& out);
    // From now on a session without metadata is asked for it (E-5).
    void expect_snapshot(base::TimePoint now);

    // The reason to ask for a snapshot (static text), when it is time to, else null; each cause
    // asks once.
    const char* on_time(base::TimePoint now, Actions& out);
    std::optional<base::TimePoint> deadline() const;

    const MetadataModel& model() const { return model_; }
    std::size_t failure_count() const { return failures_; }
    void fill(RowFacts& facts) const;
    // The row has been asked for with `facts` of fill(): later changes are told by UpdateRow.
    void on_row_created(const RowFacts& facts);

private:
    void report(const MetadataIssue& issue, Actions& out);
    void ask(base::TimePoint at, const char* reason, bool& asked);

    MetadataModel model_;
    ParticipantWatch participants_;
    std::vector<std::uint64_t> told_;   // hashes of the faults told already
    const char* ask_reason_ = nullptr;  // null: nothing to ask
    base::TimePoint ask_at_;
    std::optional<base::TimePoint> references_due_;
    std::uint64_t row_hash_ = 0;  // 0: there is no row yet
    std::uint32_t failures_ = 0;
    base::NetAddress peer_;
    bool strict_ = false;
    bool asked_for_none_ = false;
    bool asked_for_fault_ = false;
};

}  // namespace earshot::siprec
