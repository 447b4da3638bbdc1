// What the catalogue is asked. One connection; every function prepares statements of its own, so
// any thread may call (the connection is in SQLite's serialized mode).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/sqlite.h"

namespace earshot::catalog {

class SqliteReader {
public:
    explicit SqliteReader(Database database) : database_(std::move(database)) {}

    base::Result<std::vector<Recording>, base::Reason> list(const RecordingQuery& query);
    base::Result<std::vector<Attempt>, base::Reason> list_attempts(const AttemptQuery& query);
    base::Result<Recording, FindError> find(std::string_view id_or_prefix);
    base::Result<std::vector<PeerCount>, base::Reason> count_by_peer(base::WallTime since);
    base::Result<std::vector<Recording>, base::Reason> list_unfinished();

private:
    base::Result<std::vector<Recording>, base::Reason> read_recordings(Statement& statement);
    int read_ids(Recording& recording);
    base::Reason failed(int code) const;

    Database database_;
};

}  // namespace earshot::catalog
