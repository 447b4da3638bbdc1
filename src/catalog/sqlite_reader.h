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
    base::Result<Recording, FindError> find_piece(std::string_view id);
    base::Result<std::vector<PeerCount>, base::Reason> count_by_peer(base::WallTime since);
    base::Result<std::vector<Recording>, base::Reason> list_unfinished();

private:
    base::Result<std::vector<Recording>, base::Reason> read_recordings(Statement& statement);
    base::Result<std::vector<Recording>, base::Reason> read_wholes(Statement& statement);
    base::Result<std::vector<Recording>, base::Reason> read_by_id(std::string_view sql,
                                                                  std::string_view id);
    int read_ids(Recording& recording);
    int read_joins(Recording& piece);
    base::Reason failed(int code) const;

    Database database_;
};

}  // namespace earshot::catalog
