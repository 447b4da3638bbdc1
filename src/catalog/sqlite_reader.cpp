#include "catalog/sqlite_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace earshot::catalog {
namespace {

constexpr std::string_view kRecordingColumns =
    "id, state, reason_code, reason_text, start_ns, duration_ms, peer, summary, search, directory,"
    " group_id";

// Larger than every id; the cursor of the first page.
constexpr std::string_view kNewest = "~";

std::optional<base::Reason> reason_at(const Statement& row, int code_column) {
    if (row.is_null(code_column)) return std::nullopt;
    return base::Reason{row.text(code_column), row.text(code_column + 1)};
}

Recording recording_of(const Statement& row) {
    Recording recording;
    recording.id = row.text(0);
    recording.state = parse_state(row.text(1)).value_or(State::Failed);
    recording.reason = reason_at(row, 2);
    recording.start = base::wall_from_ns(row.number(4));
    if (!row.is_null(5)) recording.duration_ms = row.number(5);
    recording.peer = row.text(6);
    recording.summary = row.text(7);
    recording.search = row.text(8);
    recording.directory = row.text(9);
    recording.group = row.text(10);
    return recording;
}

Attempt attempt_of(const Statement& row) {
    Attempt attempt;
    attempt.id = row.text(0);
    if (!row.is_null(1)) attempt.recording_id = row.text(1);
    attempt.time = base::wall_from_ns(row.number(2));
    attempt.call_id = row.text(3);
    attempt.from = row.text(4);
    attempt.to = row.text(5);
    attempt.peer = row.text(6);
    attempt.transport = row.text(7);
    attempt.outcome = row.text(8);
    attempt.sip_status = static_cast<std::uint16_t>(row.number(9));
    attempt.reason = reason_at(row, 10);
    attempt.headers = row.text(12);
    attempt.is_ours = row.number(13) != 0;
    return attempt;
}

std::int64_t page_size(std::size_t limit) {
    return static_cast<std::int64_t>(std::clamp<std::size_t>(limit, 1, kMaxPage));
}

std::vector<std::string> words_of(std::string_view text) {
    constexpr std::size_t kMaxWords = 8;
    std::vector<std::string> words;
    std::string_view rest = text;
    while (!rest.empty() && words.size() < kMaxWords) {
        const std::string_view word = base::trim(base::take_until(rest, ' '));
        if (!word.empty()) words.push_back(base::to_lower(word));
    }
    return words;
}

// What of a recording is that of all its pieces. Running while any runs; else the worst. A chat in
// which nothing was written lacks nothing, beside pieces in which something was.
void sum_up(Recording& whole) {
    const auto add_all = [](std::vector<std::string>& ids, const std::vector<std::string>& more) {
        for (const std::string& id : more)
            if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    };
    const auto badness = [](State state, const std::optional<base::Reason>& reason) {
        if (state == State::Recording) return static_cast<int>(State::Failed) + 1;
        return reason && reason->code == "no_messages" ? -1 : static_cast<int>(state);
    };
    static_assert(State::Complete < State::Partial && State::Partial < State::Failed);
    base::WallTime end = whole.start;
    for (const Recording& piece : whole.pieces) {
        whole.start = std::min(whole.start, piece.start);
        end = std::max(end, piece.start + std::chrono::milliseconds(piece.duration_ms.value_or(0)));
        if (badness(piece.state, piece.reason) > badness(whole.state, whole.reason)) {
            whole.state = piece.state;
            whole.reason = piece.reason;
        }
        add_all(whole.call_ids, piece.call_ids);
        add_all(whole.session_ids, piece.session_ids);
        if (whole.group.empty()) whole.group = piece.group;
    }
    whole.duration_ms.reset();
    if (whole.state != State::Recording)
        whole.duration_ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - whole.start).count();
}

}  // namespace

base::Reason SqliteReader::failed(int code) const {
    return reason_of(code, "be read", database_.path());
}

int SqliteReader::read_ids(Recording& recording) {
    const auto read = [&](std::string_view sql, std::vector<std::string>& ids) {
        auto statement = Statement::prepare(database_, sql);
        if (!statement) return statement.error();
        statement->bind(recording.id);
        int code = statement->step();
        for (; code == kSqliteRow; code = statement->step()) ids.push_back(statement->text(0));
        return code == kSqliteDone ? kSqliteOk : code;
    };
    const int code =
        read("SELECT call_id FROM recording_call_ids WHERE recording_id = ?1 ORDER BY position",
             recording.call_ids);
    if (code != kSqliteOk) return code;
    return read(
        "SELECT session_id FROM recording_session_ids WHERE recording_id = ?1 ORDER BY position",
        recording.session_ids);
}

base::Result<std::vector<Recording>, base::Reason> SqliteReader::read_recordings(
    Statement& statement) {
    std::vector<Recording> recordings;
    int code = statement.step();
    for (; code == kSqliteRow; code = statement.step())
        recordings.push_back(recording_of(statement));
    for (Recording& recording : recordings)
        if (code == kSqliteDone)
            if (const int ids = read_ids(recording); ids != kSqliteOk) code = ids;
    if (code != kSqliteDone) return failed(code);
    return recordings;
}

int SqliteReader::read_joins(Recording& piece) {
    auto statement = Statement::prepare(
        database_, "SELECT other_id, name, value FROM joins WHERE recording_id = ?1");
    if (!statement) return statement.error();
    statement->bind(piece.id);
    int code = statement->step();
    for (; code == kSqliteRow; code = statement->step())
        piece.joins.push_back({.recording = {},
                               .piece = piece.id,
                               .other = statement->text(0),
                               .key = {statement->text(1), statement->text(2)}});
    return code == kSqliteDone ? kSqliteOk : code;
}

base::Result<std::vector<Recording>, base::Reason> SqliteReader::read_by_id(std::string_view sql,
                                                                            std::string_view id) {
    auto statement = Statement::prepare(database_, sql);
    if (!statement) return failed(statement.error());
    statement->bind(id);
    return read_recordings(*statement);
}

// The statement gives first pieces; the others are read to each.
base::Result<std::vector<Recording>, base::Reason> SqliteReader::read_wholes(Statement& statement) {
    auto wholes = read_recordings(statement);
    if (!wholes) return wholes;
    const std::string others =
        fmt::format("SELECT {} FROM recordings WHERE part_of = ?1 ORDER BY id", kRecordingColumns);
    for (Recording& whole : *wholes) {
        auto pieces = read_by_id(others, whole.id);
        if (!pieces) return pieces.error();
        if (pieces->empty()) continue;
        pieces->insert(pieces->begin(), whole);
        for (Recording& piece : *pieces)
            if (const int code = read_joins(piece); code != kSqliteOk) return failed(code);
        whole.pieces = std::move(*pieces);
        sum_up(whole);
    }
    return wholes;
}

base::Result<std::vector<Recording>, base::Reason> SqliteReader::list(const RecordingQuery& query) {
    const std::vector<std::string> words = words_of(query.text);
    // What is asked for may stand in any piece; a word here and the next there is enough.
    std::string sql = fmt::format("SELECT {} FROM recordings r WHERE part_of IS NULL AND id < ?",
                                  kRecordingColumns);
    const auto any_piece = [&](std::string_view table, std::string_view column) {
        sql += fmt::format(
            " AND id IN (SELECT coalesce(p.part_of, p.id) FROM {} x JOIN recordings p"
            " ON p.id = x.recording_id WHERE x.{} = ?)",
            table, column);
    };
    if (!query.call_id.empty()) any_piece("recording_call_ids", "call_id");
    if (!query.session_id.empty()) any_piece("recording_session_ids", "session_id");
    if (!query.group.empty())
        sql +=
            " AND id IN (SELECT coalesce(part_of, id) FROM recordings WHERE group_id <> ''"
            " AND group_id = ?)";
    for (std::size_t i = 0; i < words.size(); ++i)
        sql +=
            " AND (instr(search, ?) > 0 OR EXISTS(SELECT 1 FROM recordings p"
            " WHERE p.part_of = r.id AND instr(p.search, ?) > 0))";
    sql += " ORDER BY id DESC LIMIT ?";

    auto statement = Statement::prepare(database_, sql);
    if (!statement) return failed(statement.error());
    statement->bind(query.after.empty() ? kNewest : std::string_view(query.after));
    if (!query.call_id.empty()) statement->bind(std::string_view(query.call_id));
    if (!query.session_id.empty()) statement->bind(std::string_view(query.session_id));
    if (!query.group.empty()) statement->bind(std::string_view(query.group));
    for (const std::string& word : words)
        statement->bind(std::string_view(word)).bind(std::string_view(word));
    statement->bind(page_size(query.limit));
    return read_wholes(*statement);
}

base::Result<std::vector<Attempt>, base::Reason> SqliteReader::list_attempts(
    const AttemptQuery& query) {
    std::string sql =
        "SELECT id, recording_id, time_ns, call_id, from_uri, to_uri, peer, transport, outcome,"
        " sip_status, reason_code, reason_text, headers, is_ours FROM attempts WHERE id < ?";
    if (!query.id.empty()) sql += " AND id = ?";
    if (!query.recording_id.empty()) sql += " AND recording_id = ?";
    if (query.only_asked) sql += " AND outcome = 'asked'";
    auto statement = Statement::prepare(database_, sql + " ORDER BY id DESC LIMIT ?");
    if (!statement) return failed(statement.error());
    statement->bind(query.after.empty() ? kNewest : std::string_view(query.after));
    if (!query.id.empty()) statement->bind(std::string_view(query.id));
    if (!query.recording_id.empty()) statement->bind(std::string_view(query.recording_id));
    statement->bind(page_size(query.limit));
    std::vector<Attempt> attempts;
    int code = statement->step();
    for (; code == kSqliteRow; code = statement->step()) attempts.push_back(attempt_of(*statement));
    if (code != kSqliteDone) return failed(code);
    return attempts;
}

base::Result<Recording, FindError> SqliteReader::find(std::string_view id_or_prefix) {
    using Kind = FindError::Kind;
    constexpr std::size_t kShownMatches = 10;
    const std::string prefix = base::to_lower(id_or_prefix);
    if (prefix.size() < kMinPrefix)
        return FindError{Kind::TooShort,
                         {},
                         {"id_too_short", fmt::format("\"{}\" is too short: give at least {} "
                                                      "characters of the recording's id.",
                                                      id_or_prefix, kMinPrefix)}};
    const auto unavailable = [&](int code) {
        return FindError{Kind::Unavailable, {}, failed(code)};
    };
    // Pieces of one recording begin in the same second, so their ids begin alike.
    auto statement = Statement::prepare(
        database_, fmt::format("SELECT {} FROM recordings WHERE id IN (SELECT DISTINCT"
                               " coalesce(part_of, id) FROM recordings WHERE id >= ?1 AND"
                               " id < ?1 || '~' ORDER BY 1 DESC LIMIT ?2) ORDER BY id DESC",
                               kRecordingColumns));
    if (!statement) return unavailable(statement.error());
    statement->bind(std::string_view(prefix)).bind(std::int64_t{kShownMatches});
    auto found = read_wholes(*statement);
    if (!found) return FindError{Kind::Unavailable, {}, found.error()};
    if (found->empty())
        return FindError{Kind::NotFound,
                         {},
                         {"not_found", fmt::format("There is no recording {}.", id_or_prefix)}};
    if (found->size() == 1) return std::move(found->front());

    FindError ambiguous{Kind::Ambiguous, {}, {"ambiguous_id", ""}};
    for (const Recording& recording : *found) ambiguous.matches.push_back(recording.id);
    ambiguous.reason.text = fmt::format("\"{}\" stands for more than one recording: {}.",
                                        id_or_prefix, fmt::join(ambiguous.matches, ", "));
    return ambiguous;
}

base::Result<Recording, FindError> SqliteReader::find_piece(std::string_view id) {
    using Kind = FindError::Kind;
    auto found =
        read_by_id(fmt::format("SELECT {} FROM recordings WHERE id = ?1", kRecordingColumns), id);
    if (!found) return FindError{Kind::Unavailable, {}, found.error()};
    if (!found->empty()) return std::move(found->front());
    return FindError{
        Kind::NotFound, {}, {"not_found", fmt::format("There is no recording {}.", id)}};
}

base::Result<std::vector<PeerCount>, base::Reason> SqliteReader::count_by_peer(
    base::WallTime since) {
    // An id begins with its time, so the primary key is the index of what came since. The host is
    // the peer's address without its port, which is another for each TCP connection.
    static constexpr std::string_view kCounts =
        "WITH recent AS (SELECT recording_id, outcome, reason_code,"
        "  rtrim(rtrim(peer, '0123456789'), ':') AS host FROM attempts WHERE id >= ?1)"
        " SELECT a.host, a.outcome, coalesce(r.state, ''),"
        "  coalesce(r.reason_code, a.reason_code, ''), count(*)"
        " FROM recent a LEFT JOIN recordings r ON r.id = a.recording_id GROUP BY 1, 2, 3, 4"
        " UNION ALL SELECT a.host, '', r.state, json_extract(w.value, '$.code'),"
        "  count(DISTINCT r.id)"
        " FROM recent a JOIN recordings r ON r.id = a.recording_id,"
        "  json_each(CASE WHEN json_valid(r.summary) THEN r.summary ELSE '{}' END,"
        "  '$.warnings') w GROUP BY 1, 2, 3, 4"
        " ORDER BY 1, 2, 3, 4 LIMIT ?2";
    auto statement = Statement::prepare(database_, kCounts);
    if (!statement) return failed(statement.error());
    const auto ms =
        static_cast<std::uint64_t>(std::max<std::int64_t>(base::to_ns(since) / 1'000'000, 0));
    const std::string from = fmt::format("{:08x}-{:04x}", ms >> 16, ms & 0xffff);
    statement->bind(std::string_view(from)).bind(static_cast<std::int64_t>(kMaxPeerCounts));
    std::vector<PeerCount> counts;
    int code = statement->step();
    for (; code == kSqliteRow; code = statement->step())
        counts.push_back({.peer = statement->text(0),
                          .outcome = statement->text(1),
                          .state = statement->text(2),
                          .reason = statement->text(3),
                          .count = static_cast<std::uint64_t>(statement->number(4))});
    if (code != kSqliteDone) return failed(code);
    return counts;
}

base::Result<std::vector<Recording>, base::Reason> SqliteReader::list_unfinished() {
    auto statement = Statement::prepare(
        database_, fmt::format("SELECT {} FROM recordings WHERE state = 'recording' ORDER BY id",
                               kRecordingColumns));
    if (!statement) return failed(statement.error());
    return read_recordings(*statement);
}

}  // namespace earshot::catalog
