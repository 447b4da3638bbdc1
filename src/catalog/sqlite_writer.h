// Writes changes to the catalogue's tables, one transaction a batch. Owned by the writer's thread.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/sqlite.h"

namespace earshot::catalog {

class SqliteWriter {
public:
    // Prepares the statements; the tables must be there. `join_window`: between the end of a
    // recording and the start of a piece that still joins it.
    static base::Result<SqliteWriter, base::Reason> make(Database database,
                                                         std::chrono::milliseconds join_window);

    // All of the changes or none of them; the result code. Whatever fails, no transaction is left
    // open. After a success each join that it brought about is told to its change.
    int commit(std::span<const Change* const> changes);

    // Moves the write-ahead log into the database file and empties it, as far as readers let it.
    void checkpoint() { (void)database_.execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

    const std::string& path() const { return database_.path(); }

private:
    enum Sql : std::size_t {
        Begin,
        Commit,
        PutRecording,
        DropCallIds,
        AddCallId,
        DropSessionIds,
        AddSessionId,
        PutAttempt,
        AddJoinKey,
        FindJoinable,
        FindWhole,
        CountPieces,
        Merge,
        AddJoin,
        Count
    };
    struct MadeJoin {
        const Change* change = nullptr;
        Join join;
    };
    SqliteWriter(Database database, std::vector<Statement> statements,
                 std::chrono::milliseconds join_window)
        : database_(std::move(database)),
          statements_(std::move(statements)),
          join_window_(join_window) {}

    int put_all(std::span<const Change* const> changes);
    int put(const Change& change);
    int put(const Recording& recording);
    int join(const Recording& piece, const JoinKey& key, const Change& change);
    int join(const Recording& piece, const std::string& other, const JoinKey& key,
             const Change& change);
    int find_whole(const std::string& piece, std::string& whole);
    int put(const Attempt& attempt);
    int put_ids(const std::string& recording_id, const std::vector<std::string>& ids, Sql drop,
                Sql add);
    static std::string_view sql_of(std::size_t which);

    Database database_;
    std::vector<Statement> statements_;  // closed before the database: declared after it
    std::chrono::milliseconds join_window_;
    std::vector<MadeJoin> made_joins_;  // of the running transaction
};

}  // namespace earshot::catalog
