#include "catalog/sqlite_writer.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"

namespace earshot::catalog {
namespace {

std::optional<std::string> code_of(const std::optional<base::Reason>& reason) {
    return reason ? std::optional(reason->code) : std::nullopt;
}
std::optional<std::string> text_of(const std::optional<base::Reason>& reason) {
    return reason ? std::optional(base::to_valid_utf8(reason->text)) : std::nullopt;
}

// What instr() looks in: the given text and every id, lower case, one space between.
std::string search_text(const Recording& recording) {
    std::string text = recording.id + ' ' + recording.peer;
    for (const auto* ids : {&recording.call_ids, &recording.session_ids})
        for (const std::string& id : *ids) text += ' ' + id;
    text += ' ' + recording.search;
    return base::to_lower(base::to_valid_utf8(text));
}

}  // namespace

std::string_view SqliteWriter::sql_of(std::size_t which) {
    // An update keeps the row: a replaced row would take its ids with it.
    static constexpr std::array<std::string_view, Count> kSql{
        "BEGIN IMMEDIATE", "COMMIT",
        "INSERT INTO recordings(id, state, reason_code, reason_text, start_ns, duration_ms, peer,"
        " summary, search, directory, group_id) VALUES(?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT(id) DO UPDATE SET state=excluded.state, reason_code=excluded.reason_code,"
        " reason_text=excluded.reason_text, start_ns=excluded.start_ns,"
        " duration_ms=excluded.duration_ms, peer=excluded.peer, summary=excluded.summary,"
        " search=excluded.search, directory=excluded.directory, group_id=excluded.group_id",
        "DELETE FROM recording_call_ids WHERE recording_id = ?",
        "INSERT INTO recording_call_ids(recording_id, position, call_id) VALUES(?,?,?)",
        "DELETE FROM recording_session_ids WHERE recording_id = ?",
        "INSERT INTO recording_session_ids(recording_id, position, session_id) VALUES(?,?,?)",
        "INSERT OR REPLACE INTO attempts(id, recording_id, time_ns, call_id, from_uri, to_uri,"
        " peer, transport, outcome, sip_status, reason_code, reason_text, headers, is_ours)"
        " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        "INSERT OR IGNORE INTO join_keys(join_group, name, value, recording_id)"
        " VALUES(?,?,?,?) RETURNING recording_id",
        // Those with the key that ran within the window before or after this piece. Only the newest
        // are looked at: a client that gives all its calls one id must not make each slower.
        "SELECT r.id FROM (SELECT recording_id FROM join_keys WHERE join_group = ?1 AND name = ?2"
        "  AND value = ?3 AND recording_id <> ?4 ORDER BY recording_id DESC LIMIT ?5) k"
        " JOIN recordings r ON r.id = k.recording_id WHERE (r.state = 'recording' OR"
        "  r.start_ns + coalesce(r.duration_ms, 0) * 1000000 >= ?6) AND r.start_ns <= ?7"
        " ORDER BY r.id DESC",
        "SELECT coalesce(part_of, id) FROM recordings WHERE id = ?",
        "SELECT count(*) FROM recordings WHERE id IN (?1, ?2) OR part_of IN (?1, ?2)",
        "UPDATE recordings SET part_of = ?1 WHERE id = ?2 OR part_of = ?2",
        "INSERT OR IGNORE INTO joins(recording_id, other_id, name, value) VALUES(?,?,?,?)"};
    return kSql[which];
}

base::Result<SqliteWriter, base::Reason> SqliteWriter::make(Database database,
                                                            std::chrono::milliseconds join_window) {
    std::vector<Statement> statements;
    for (std::size_t i = 0; i < Count; ++i) {
        auto statement = Statement::prepare(database, sql_of(i));
        if (!statement) return reason_of(statement.error(), "be written", database.path());
        statements.push_back(std::move(*statement));
    }
    return SqliteWriter(std::move(database), std::move(statements), join_window);
}

int SqliteWriter::commit(std::span<const Change* const> changes) {
    made_joins_.clear();
    int code = statements_[Begin].run();
    if (code != kSqliteOk) return code;
    code = put_all(changes);
    if (code == kSqliteOk) code = statements_[Commit].run();
    // Some errors have ended the transaction already; the failure of ROLLBACK then says nothing.
    if (code != kSqliteOk) database_.execute("ROLLBACK");
    if (code == kSqliteOk)
        for (const MadeJoin& made : made_joins_)
            if (made.change->on_join) made.change->on_join(made.join);
    return code;
}

int SqliteWriter::put_all(std::span<const Change* const> changes) {
    for (const Change* change : changes)
        if (const int code = put(*change); code != kSqliteOk) return code;
    return kSqliteOk;
}

int SqliteWriter::put(const Change& change) {
    for (const Recording& recording : change.recordings) {
        if (const int code = put(recording); code != kSqliteOk) return code;
        for (const JoinKey& key : recording.join_keys)
            if (const int code = join(recording, key, change); code != kSqliteOk) return code;
    }
    for (const Attempt& attempt : change.attempts)
        if (const int code = put(attempt); code != kSqliteOk) return code;
    return kSqliteOk;
}

int SqliteWriter::put(const Recording& recording) {
    const int code = statements_[PutRecording]
                         .bind(std::string_view(recording.id))
                         .bind(to_string(recording.state))
                         .bind_or_null(code_of(recording.reason))
                         .bind_or_null(text_of(recording.reason))
                         .bind(base::to_ns(recording.start))
                         .bind_or_null(recording.duration_ms)
                         .bind(std::string_view(recording.peer))
                         .bind(std::string_view(recording.summary))
                         .bind(std::string_view(search_text(recording)))
                         .bind(std::string_view(recording.directory))
                         .bind(std::string_view(recording.group))
                         .run();
    if (code != kSqliteOk) return code;
    const int ids = put_ids(recording.id, recording.call_ids, DropCallIds, AddCallId);
    if (ids != kSqliteOk) return ids;
    return put_ids(recording.id, recording.session_ids, DropSessionIds, AddSessionId);
}

// A key that the piece has had before was looked at then, by this piece or by the later one.
int SqliteWriter::join(const Recording& piece, const JoinKey& key, const Change& change) {
    Statement& add = statements_[AddJoinKey];
    add.bind(std::string_view(piece.join_group))
        .bind(std::string_view(key.name))
        .bind(std::string_view(key.value))
        .bind(std::string_view(piece.id));
    const int added = add.step();
    add.reset();
    if (added != kSqliteRow) return added == kSqliteDone ? kSqliteOk : added;

    constexpr std::int64_t kNsPerMs = 1'000'000;
    const std::int64_t start_ns = base::to_ns(piece.start);
    const std::int64_t window_ns = join_window_.count() * kNsPerMs;
    const bool is_running = piece.state == State::Recording;
    const std::int64_t end_ns = start_ns + piece.duration_ms.value_or(0) * kNsPerMs;
    Statement& find = statements_[FindJoinable];
    find.bind(std::string_view(piece.join_group))
        .bind(std::string_view(key.name))
        .bind(std::string_view(key.value))
        .bind(std::string_view(piece.id))
        .bind(static_cast<std::int64_t>(kMaxPieces))
        .bind(start_ns - window_ns)
        .bind(is_running ? std::numeric_limits<std::int64_t>::max() : end_ns + window_ns);
    std::vector<std::string> others;
    int code = find.step();
    for (; code == kSqliteRow; code = find.step()) others.push_back(find.text(0));
    find.reset();
    if (code != kSqliteDone) return code;
    for (const std::string& other : others)
        if (code = join(piece, other, key, change); code != kSqliteOk) return code;
    return kSqliteOk;
}

// The older of the two recordings takes the pieces of the younger one.
int SqliteWriter::join(const Recording& piece, const std::string& other, const JoinKey& key,
                       const Change& change) {
    std::string mine;
    std::string theirs;
    int code = find_whole(piece.id, mine);
    if (code == kSqliteOk) code = find_whole(other, theirs);
    if (code != kSqliteOk || mine == theirs) return code;
    Statement& count = statements_[CountPieces];
    code = count.bind(std::string_view(mine)).bind(std::string_view(theirs)).step();
    const std::int64_t pieces = code == kSqliteRow ? count.number(0) : 0;
    count.reset();
    if (code != kSqliteRow) return code;
    if (pieces > static_cast<std::int64_t>(kMaxPieces)) return kSqliteOk;
    const std::string& older = std::min(mine, theirs);
    code = statements_[Merge]
               .bind(std::string_view(older))
               .bind(std::string_view(std::max(mine, theirs)))
               .run();
    if (code != kSqliteOk) return code;
    made_joins_.push_back({&change, {older, piece.id, other, key}});
    return statements_[AddJoin]
        .bind(std::string_view(piece.id))
        .bind(std::string_view(other))
        .bind(std::string_view(key.name))
        .bind(std::string_view(key.value))
        .run();
}

int SqliteWriter::find_whole(const std::string& piece, std::string& whole) {
    Statement& find = statements_[FindWhole];
    const int code = find.bind(std::string_view(piece)).step();
    if (code == kSqliteRow) whole = find.text(0);
    find.reset();
    return code == kSqliteRow ? kSqliteOk : code;
}

int SqliteWriter::put_ids(const std::string& recording_id, const std::vector<std::string>& ids,
                          Sql drop, Sql add) {
    int code = statements_[drop].bind(std::string_view(recording_id)).run();
    for (std::size_t i = 0; i < ids.size() && code == kSqliteOk; ++i)
        code = statements_[add]
                   .bind(std::string_view(recording_id))
                   .bind(static_cast<std::int64_t>(i))
                   .bind(std::string_view(ids[i]))
                   .run();
    return code;
}

int SqliteWriter::put(const Attempt& attempt) {
    return statements_[PutAttempt]
        .bind(std::string_view(attempt.id))
        .bind_or_null(attempt.recording_id)
        .bind(base::to_ns(attempt.time))
        .bind(std::string_view(attempt.call_id))
        .bind(std::string_view(attempt.from))
        .bind(std::string_view(attempt.to))
        .bind(std::string_view(attempt.peer))
        .bind(std::string_view(attempt.transport))
        .bind(std::string_view(attempt.outcome))
        .bind(std::int64_t{attempt.sip_status})
        .bind_or_null(code_of(attempt.reason))
        .bind_or_null(text_of(attempt.reason))
        .bind(std::string_view(attempt.headers))
        .bind(std::int64_t{attempt.is_ours ? 1 : 0})
        .run();
}

}  // namespace earshot::catalog
