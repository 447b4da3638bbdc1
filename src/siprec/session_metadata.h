// The metadata side of one recording session: merges what each request brings, tells of faults
// once, and decides when the peer is to be asked for a snapshot.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "siprec/metadata.h"
#include "siprec/recording_server_session.h"

namespace earshot::siprec {

class SessionMetadata {
public:
    using Actions = std::vector<Action>;

    // Before the first document. `strict`: what is not RFC 7865's counts as unreadable (E-9).
    void set_peer(std::string peer, bool strict) {
        peer_ = std::move(peer);
        strict_ = strict;
    }
    // A document arrived. Stores it raw, whatever it is.
    void take(base::Now now, std::string_view document, std::string_view charset, Actions& out);
    // From now on a session without metadata is asked for it (E-5).
    void expect_snapshot(base::TimePoint now);

    // The reason to ask for a snapshot, when it is time to; each cause asks once.
    std::optional<std::string> on_time(base::TimePoint now, Actions& out);
    // The request met one of the peer's own (491): the same once more, a few times at most.
    void ask_again(base::TimePoint now);
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
    std::string peer_;
    std::vector<std::uint64_t> told_;  // hashes of the faults told already
    std::string ask_reason_;           // empty: nothing to ask
    std::string asked_reason_;         // of the newest request
    base::TimePoint ask_at_;
    std::optional<base::TimePoint> references_due_;
    std::optional<std::uint64_t> row_hash_;  // once there is a row
    std::uint32_t failures_ = 0;
    std::uint8_t retries_ = 0;
    bool strict_ = false;
    bool asked_for_none_ = false;
    bool asked_for_fault_ = false;
};

}  // namespace earshot::siprec
