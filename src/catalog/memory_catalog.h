// A catalogue in memory, for tests of who writes rows: it commits at once, and keeps the newest row
// of each id. What it does not need to answer it answers by nothing.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "catalog/catalog.h"

namespace earshot::catalog {

class MemoryCatalog : public Catalog {
public:
    bool submit(Change change, Committed committed) override {
        {
            const std::lock_guard lock(mutex_);
            ++changes_;
            for (Recording& row : change.recordings) rows_[row.id] = std::move(row);
            for (Attempt& row : change.attempts) attempts_[row.id] = std::move(row);
        }
        committed(std::nullopt);
        return true;
    }
    base::Result<std::vector<Recording>, base::Reason> list(
        const RecordingQuery& query) override {  // page by page, all of them
        const std::lock_guard lock(mutex_);
        std::vector<Recording> page;
        auto row = query.after.empty() ? rows_.end() : rows_.lower_bound(query.after);
        while (row != rows_.begin() && page.size() < query.limit) page.push_back((--row)->second);
        return page;
    }
    base::Result<std::vector<Attempt>, base::Reason> list_attempts(
        const AttemptQuery& query) override {  // by id alone
        const std::lock_guard lock(mutex_);
        const auto found = attempts_.find(query.id);
        if (found == attempts_.end()) return std::vector<Attempt>{};
        return std::vector<Attempt>{found->second};
    }
    base::Result<Recording, FindError> find(std::string_view id) override { return find_piece(id); }
    base::Result<Recording, FindError> find_piece(std::string_view id) override {
        const std::lock_guard lock(mutex_);
        const auto found = rows_.find(std::string(id));
        if (found == rows_.end()) return FindError{.kind = FindError::Kind::NotFound};
        return found->second;
    }
    base::Result<std::vector<PeerCount>, base::Reason> count_by_peer(base::WallTime) override {
        return std::vector<PeerCount>{};
    }
    base::Result<std::vector<Recording>, base::Reason> list_unfinished() override {
        const std::lock_guard lock(mutex_);
        std::vector<Recording> found;
        for (const auto& [id, row] : rows_)
            if (row.state == State::Recording) found.push_back(row);
        return found;
    }
    Health health() const override { return {}; }

    std::size_t finished() const {  // rows of recordings that run no more
        const std::lock_guard lock(mutex_);
        return static_cast<std::size_t>(std::count_if(
            rows_.begin(), rows_.end(),
            [](const auto& entry) { return entry.second.state != State::Recording; }));
    }
    int changes() const {
        const std::lock_guard lock(mutex_);
        return changes_;
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, Recording> rows_;
    std::map<std::string, Attempt> attempts_;
    int changes_ = 0;
};

}  // namespace earshot::catalog
