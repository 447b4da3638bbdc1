// Writes changes to the catalogue's tables, one transaction a batch. Owned by the writer's thread.
#pragma once

#include <span>
#include <string_view>

#include "catalog/catalog.h"
#include "catalog/sqlite.h"

namespace earshot::catalog {

class SqliteWriter {
public:
    // Prepares the statements; the tables must be there.
    static base::Result<SqliteWriter, base::Reason> make(Database database);

    // All of the changes or none of them; the result code. Whatever fails, no transaction is left
    // open.
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
        Count
    };
    SqliteWriter(Database database, std::vector<Statement> statements)
        : database_(std::move(database)), statements_(std::move(statements)) {}

    int put(const Change& change);
    int put(const Recording& recording);
    int put(const Attempt& attempt);
    int put_ids(const std::string& recording_id, const std::vector<std::string>& ids, Sql drop,
                Sql add);
    static std::string_view sql_of(std::size_t which);

    Database database_;
    std::vector<Statement> statements_;  // closed before the database: declared after it
};

}  // namespace earshot::catalog
