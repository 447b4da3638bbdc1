// The catalogue: what an operator searches, and nothing that could not be made again from the
// journal and the recordings' folders. One row an INVITE (`Attempt`), one row a piece: what one
// recording session (dialog) brought. Pieces that share a join key are one recording, whose id is
// that of its first piece. Every row's `summary` is the JSON object that `earshot ls --json`
// prints, made by archive/.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "base/time.h"

namespace earshot::catalog {

// Stored by name; the names are also those of the API. Do not rename.
enum class State { Recording, Complete, Partial, Failed };
std::string_view to_string(State state);  // "recording", "complete", "partial", "failed"
std::optional<State> parse_state(std::string_view text);

// An id that a recording session carries and that others of the same conversation carry, too.
struct JoinKey {
    std::string name{};  // "session_id", "header:Cisco-Guid": siprec/join_keys.h
    std::string value{};
    friend bool operator==(const JoinKey&, const JoinKey&) = default;
};

// Why a piece belongs to a recording: it shares this key with that other piece.
struct Join {
    std::string recording{};  // the recording that both are pieces of now
    std::string piece{};
    std::string other{};
    JoinKey key{};
};

// A piece when it is written; a whole recording when it is read (but by find_piece).
struct Recording {
    std::string id{};  // UUIDv7, lower case, 36 characters
    State state = State::Recording;
    std::optional<base::Reason> reason{};
    base::WallTime start{};
    std::optional<std::int64_t> duration_ms{};  // absent while it runs
    std::string peer{};                         // who sent the INVITE, "192.0.2.7:5060"
    std::vector<std::string> call_ids{};        // of its recording sessions, in order of arrival
    std::vector<std::string> session_ids{};     // of its communication sessions (RFC 7865)
    std::string summary{};    // JSON object (see above); empty until archive/ or server/ wrote one
    std::string search{};     // what `q` looks in besides ids: AORs, names, headers; any case
    std::string directory{};  // below DATA/recordings, "2026/03/02/<id>"; empty until archived
    std::string group{};      // id of the CS-Group (RFC 7865); empty: in none

    // Given by who writes a piece, never read back. Pieces join only within one join group.
    std::string join_group{};
    std::vector<JoinKey> join_keys{};

    // Read only. More than one: in order of their ids, the first is that of `id`; state, reason,
    // start, duration and ids above are then those of the whole. Empty: this is the only piece.
    std::vector<Recording> pieces{};
    std::vector<Join> joins{};  // of a piece: why it is one
};

// One INVITE outside a dialog, whatever became of it (design: no INVITE leaves no trace).
struct Attempt {
    std::string id{};  // UUIDv7, lower case
    std::optional<std::string> recording_id{};
    base::WallTime time{};
    std::string call_id{};
    std::string from{};
    std::string to{};
    std::string peer{};
    std::string transport{};       // "udp", "tcp", "tls"
    std::string outcome{};         // see docs/rest-api.md: "recording", "recorded", "declined", ...
    std::uint16_t sip_status = 0;  // final status we sent; 0 when none
    std::optional<base::Reason> reason{};
    std::string headers{};  // JSON: the INVITE's headers that are not SIP's own; may be empty
    bool is_ours = false;   // we sent the INVITE: `from` is us, `to` and `sip_status` the client's
};

// Rows to write in one transaction, each replacing the row of the same id.
struct Change {
    std::vector<Recording> recordings{};
    std::vector<Attempt> attempts{};
    // Called for each join that the rows brought about, on the writer's thread, after the commit
    // and before Committed; it must be as quick.
    std::function<void(const Join&)> on_join{};
};

// Called once for each accepted change, on the writer's thread, after the commit reached the disk
// (nullopt) or failed for good. It must be quick: post to the own loop and return.
using Committed = std::function<void(std::optional<base::Reason> failure)>;

struct RecordingQuery {
    std::size_t limit = 100;   // 1..kMaxPage
    std::string after{};       // the last id of the page before; empty: from the newest
    std::string call_id{};     // exact; empty: any
    std::string session_id{};  // exact; empty: any
    std::string text{};        // words, all of which must occur; an id, a call id, a name, an AOR
    std::string group{};       // exact; empty: any
};
struct AttemptQuery {
    std::size_t limit = 100;
    std::string after{};         // the last attempt id of the page before
    std::string id{};            // exactly this one; empty: any
    std::string recording_id{};  // exactly this recording's; empty: any
    bool only_asked = false;     // INVITEs of ours that have no outcome
};
// How often something became of the INVITEs of one host.
struct PeerCount {
    std::string peer{};     // host without port, "192.0.2.7", "[2001:db8::1]"
    std::string outcome{};  // Attempt::outcome; empty: `reason` is a warning of recordings
    std::string state{};    // of the recording; empty: none
    std::string reason{};   // code: of the recording, else of the attempt; empty: none
    std::uint64_t count = 0;
};
inline constexpr std::size_t kMaxPeerCounts = 10'000;  // rows of one answer

inline constexpr std::size_t kMaxPage = 1000;
inline constexpr std::size_t kMinPrefix = 8;   // characters of an id that may stand for it
inline constexpr std::size_t kMaxPieces = 64;  // of one recording; what comes beyond is another one
// So long after the end of its last piece a recording takes another one (design section 9.4): who
// uses a session_id again days later makes a new recording.
inline constexpr std::chrono::minutes kDefaultJoinWindow{10};

struct FindError {
    enum class Kind { TooShort, NotFound, Ambiguous, Unavailable };
    Kind kind;
    std::vector<std::string> matches{};  // Ambiguous: up to 10 full ids
    base::Reason reason{};
};

struct Health {
    bool is_writable = true;  // false since a commit failed; true again after one succeeds
    std::optional<base::Reason> reason{};
    std::size_t backlog = 0;  // changes accepted and not yet committed
    std::size_t backlog_limit = 0;
    std::uint64_t commits = 0;  // transactions since the start
    std::uint64_t changes = 0;  // changes in them
    std::uint64_t failed_changes = 0;
};

// Any thread may call any function. Reads see everything whose Committed was called before.
class Catalog {
public:
    Catalog() = default;
    Catalog(const Catalog&) = delete;
    Catalog& operator=(const Catalog&) = delete;
    virtual ~Catalog() = default;

    // False when the backlog is full or the catalogue is closing; `committed` is then never called.
    // The signalling thread holds its 200 until `committed`, or answers 503 on false.
    [[nodiscard]] virtual bool submit(Change change, Committed committed) = 0;

    virtual base::Result<std::vector<Recording>, base::Reason> list(
        const RecordingQuery& query) = 0;
    virtual base::Result<std::vector<Attempt>, base::Reason> list_attempts(
        const AttemptQuery& query) = 0;
    // By the id of any of its pieces or a unique prefix of it (kMinPrefix characters or more, any
    // case).
    virtual base::Result<Recording, FindError> find(std::string_view id_or_prefix) = 0;
    // The row of this one piece, by its full id.
    virtual base::Result<Recording, FindError> find_piece(std::string_view id) = 0;
    // Of the INVITEs since then, by host: the rows of attempts and recordings are the only truth.
    virtual base::Result<std::vector<PeerCount>, base::Reason> count_by_peer(
        base::WallTime since) = 0;
    // All pieces in state `recording`, oldest first: at start, what a crash left behind.
    virtual base::Result<std::vector<Recording>, base::Reason> list_unfinished() = 0;

    virtual Health health() const = 0;
};

// Submits and waits for the commit; for start-up, recovery, archive threads and tests.
std::optional<base::Reason> submit_and_wait(Catalog& catalog, Change change);

}  // namespace earshot::catalog
