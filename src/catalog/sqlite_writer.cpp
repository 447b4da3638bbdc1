#include "catalog/sqlite_writer.h"

#include <array>

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
        "BEGIN IMMEDIATE",
        "COMMIT",
        "INSERT INTO recordings(id, state, reason_code, reason_text, start_ns, duration_ms, peer,"
        " summary, search, directory) VALUES(?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT(id) DO UPDATE SET state=excluded.state, reason_code=excluded.reason_code,"
        " reason_text=excluded.reason_text, start_ns=excluded.start_ns,"
        " duration_ms=excluded.duration_ms, peer=excluded.peer, summary=excluded.summary,"
        " search=excluded.search, directory=excluded.directory",
        "DELETE FROM recording_call_ids WHERE recording_id = ?",
        "INSERT INTO recording_call_ids(recording_id, position, call_id) VALUES(?,?,?)",
        "DELETE FROM recording_session_ids WHERE recording_id = ?",
        "INSERT INTO recording_session_ids(recording_id, position, session_id) VALUES(?,?,?)",
        "INSERT OR REPLACE INTO attempts(id, recording_id, time_ns, call_id, from_uri, to_uri,"
        " peer, transport, outcome, sip_status, reason_code, reason_text, headers)"
        " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)"};
    return kSql[which];
}

base::Result<SqliteWriter, base::Reason> SqliteWriter::make(Database database) {
    std::vector<Statement> statements;
    for (std::size_t i = 0; i < Count; ++i) {
        auto statement = Statement::prepare(database, sql_of(i));
        if (!statement) return reason_of(statement.error(), "be written", database.path());
        statements.push_back(std::move(*statement));
    }
    return SqliteWriter(std::move(database), std::move(statements));
}

int SqliteWriter::commit(std::span<const Change* const> changes) {
    int code = statements_[Begin].run();
    if (code != kSqliteOk) return code;
    for (const Change* change : changes)
        if (code == kSqliteOk) code = put(*change);
    if (code == kSqliteOk) code = statements_[Commit].run();
    // Some errors have ended the transaction already; the failure of ROLLBACK then says nothing.
    if (code != kSqliteOk) database_.execute("ROLLBACK");
    return code;
}

int SqliteWriter::put(const Change& change) {
    for (const Recording& recording : change.recordings)
        if (const int code = put(recording); code != kSqliteOk) return code;
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
                         .run();
    if (code != kSqliteOk) return code;
    const int ids = put_ids(recording.id, recording.call_ids, DropCallIds, AddCallId);
    if (ids != kSqliteOk) return ids;
    return put_ids(recording.id, recording.session_ids, DropSessionIds, AddSessionId);
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
        .run();
}

}  // namespace earshot::catalog
