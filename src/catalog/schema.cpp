#include "catalog/schema.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <string>

namespace earshot::catalog {
namespace {

// An id is a UUIDv7, so its order is the order of time: "newest first" is the primary key backwards
// and a cursor is an id. `search` is lower case.
constexpr std::string_view kStep1 = R"sql(
CREATE TABLE recordings(
    id          TEXT NOT NULL PRIMARY KEY,
    state       TEXT NOT NULL CHECK(state IN ('recording', 'complete', 'partial', 'failed')),
    reason_code TEXT,
    reason_text TEXT,
    start_ns    INTEGER NOT NULL,
    duration_ms INTEGER,
    peer        TEXT NOT NULL,
    summary     TEXT NOT NULL,
    search      TEXT NOT NULL,
    directory   TEXT NOT NULL
) STRICT;
CREATE INDEX recordings_unfinished ON recordings(id) WHERE state = 'recording';

CREATE TABLE recording_call_ids(
    recording_id TEXT NOT NULL REFERENCES recordings(id) ON DELETE CASCADE,
    position     INTEGER NOT NULL,
    call_id      TEXT NOT NULL,
    PRIMARY KEY(recording_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_call_ids_by_call_id ON recording_call_ids(call_id, recording_id);

CREATE TABLE recording_session_ids(
    recording_id TEXT NOT NULL REFERENCES recordings(id) ON DELETE CASCADE,
    position     INTEGER NOT NULL,
    session_id   TEXT NOT NULL,
    PRIMARY KEY(recording_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_session_ids_by_session_id
    ON recording_session_ids(session_id, recording_id);

CREATE TABLE attempts(
    id           TEXT NOT NULL PRIMARY KEY,
    recording_id TEXT,
    time_ns      INTEGER NOT NULL,
    call_id      TEXT NOT NULL,
    from_uri     TEXT NOT NULL,
    to_uri       TEXT NOT NULL,
    peer         TEXT NOT NULL,
    transport    TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    sip_status   INTEGER NOT NULL,
    reason_code  TEXT,
    reason_text  TEXT,
    headers      TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_by_recording ON attempts(recording_id) WHERE recording_id IS NOT NULL;
)sql";

// A row of `recordings` is a piece. `part_of` is the recording's first piece, NULL on that itself.
// Which pieces share a key is found newest first, so the key's last column is the piece's id.
constexpr std::string_view kStep2 = R"sql(
ALTER TABLE recordings ADD COLUMN part_of TEXT;
ALTER TABLE recordings ADD COLUMN group_id TEXT NOT NULL DEFAULT '';
CREATE INDEX recordings_by_whole ON recordings(part_of, id) WHERE part_of IS NOT NULL;
CREATE INDEX recordings_by_group ON recordings(group_id, id) WHERE group_id <> '';

CREATE TABLE join_keys(
    join_group   TEXT NOT NULL,
    name         TEXT NOT NULL,
    value        TEXT NOT NULL,
    recording_id TEXT NOT NULL REFERENCES recordings(id) ON DELETE CASCADE,
    PRIMARY KEY(join_group, name, value, recording_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX join_keys_by_recording ON join_keys(recording_id);

CREATE TABLE joins(
    recording_id TEXT NOT NULL REFERENCES recordings(id) ON DELETE CASCADE,
    other_id     TEXT NOT NULL,
    name         TEXT NOT NULL,
    value        TEXT NOT NULL,
    PRIMARY KEY(recording_id, other_id)
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::string_view kStep3 = R"sql(
ALTER TABLE attempts ADD COLUMN is_ours INTEGER NOT NULL DEFAULT 0;
CREATE INDEX attempts_asked ON attempts(id) WHERE outcome = 'asked';
)sql";

constexpr std::array<std::string_view, 3> kSteps{kStep1, kStep2, kStep3};

std::optional<base::Reason> back_up(Database& database, std::int64_t version) {
    const std::string copy = fmt::format("{}.before-{}", database.path(), version + 1);
    std::error_code ignored;
    std::filesystem::remove(copy, ignored);  // of a migration that did not come to its end
    auto statement = Statement::prepare(database, "VACUUM INTO ?1");
    const int code = statement ? statement->bind(copy).run() : statement.error();
    if (code == kSqliteOk) return std::nullopt;
    return reason_of(code, fmt::format("be copied to {} before its schema changes", copy),
                     database.path());
}

int apply(Database& database, std::span<const std::string_view> steps, std::int64_t version) {
    int code = database.execute("BEGIN IMMEDIATE");
    for (auto step = static_cast<std::size_t>(version); step < steps.size() && code == kSqliteOk;
         ++step)
        code = database.execute(std::string(steps[step]));
    if (code == kSqliteOk)
        code = database.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                                            kApplicationId, steps.size()));
    if (code == kSqliteOk) code = database.execute("COMMIT");
    if (code != kSqliteOk) database.execute("ROLLBACK");
    return code;
}

}  // namespace

std::span<const std::string_view> migrations() { return kSteps; }

std::optional<base::Reason> migrate(Database& database, std::span<const std::string_view> steps) {
    const auto version = database.query_number("PRAGMA user_version");
    const auto tables = database.query_number("SELECT count(*) FROM sqlite_schema");
    const auto application = database.query_number("PRAGMA application_id");
    if (!version || !tables || !application)
        return base::Reason{"catalogue_damaged",
                            fmt::format("The catalogue {} cannot be read as a SQLite database. "
                                        "Move the file away; the recordings are not in it.",
                                        database.path())};
    if (*tables != 0 && *application != kApplicationId)
        return base::Reason{"catalogue_foreign",
                            fmt::format("{} is a SQLite database, but not a catalogue of Earshot.",
                                        database.path())};
    const auto latest = static_cast<std::int64_t>(steps.size());
    if (*version > latest)
        return base::Reason{
            "catalogue_newer",
            fmt::format("The catalogue {} has schema {}, but this version of Earshot knows schemas "
                        "up to {}. Run the newer version, or its copy {}.before-{} if you do not "
                        "need what was recorded since.",
                        database.path(), *version, latest, database.path(), *version)};
    if (*version == latest) return std::nullopt;
    if (*tables != 0)
        if (auto failure = back_up(database, *version)) return failure;
    const int code = apply(database, steps, *version);
    if (code == kSqliteOk) return std::nullopt;
    return reason_of(code, fmt::format("be brought from schema {} to {}", *version, latest),
                     database.path());
}

}  // namespace earshot::catalog
