#include "server/attempt_ledger.h"

#include <fmt/format.h>

#include <algorithm>

namespace earshot::server {

namespace {

// 192.0.2.1:5060 without its port: a flood uses a new one each time.
std::string host_of(const std::string& peer) { return peer.substr(0, peer.rfind(':')); }

std::string reason_of(const catalog::Attempt& row) { return row.reason ? row.reason->code : ""; }

}  // namespace

void AttemptLedger::add_refused(base::TimePoint now, catalog::Attempt row, Row kind) {
    if (row.outcome == kRefused) ++counters_.refused;
    allowance_ = allowance_at(now);
    refilled_ = now;
    const bool has_own_row = allowance_ >= 1 || kind == Row::Written;
    if (!has_own_row || ready_.size() >= kMaxWaitingAttempts) return merge(now, std::move(row));
    allowance_ = std::max(allowance_ - 1, 0.0);
    ready_.push_back(std::move(row));
}

double AttemptLedger::allowance_at(base::TimePoint now) const {
    const std::chrono::duration<double> elapsed = now - refilled_;
    return std::min<double>(kAttemptRowsBurst,
                            allowance_ + elapsed.count() * double{kAttemptRowsPerSecond});
}

void AttemptLedger::add_call(catalog::Attempt row) {
    if (ready_.size() < kMaxWaitingAttempts) {
        ready_.push_back(std::move(row));
    } else {
        ++counters_.lost;
    }
}

void AttemptLedger::put_back(base::TimePoint now, std::vector<catalog::Attempt> rows) {
    has_failed_ = true;
    retry_at_ = now + kAttemptRetryTime;
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
        if (ready_.size() < kMaxWaitingAttempts) {
            ready_.push_front(std::move(*row));
        } else if (row->recording_id) {
            ++counters_.lost;
        } else {
            merge(now, std::move(*row));
        }
    }
}

void AttemptLedger::merge(base::TimePoint now, catalog::Attempt row) {
    if (row.outcome == kRefused) ++counters_.merged;
    std::pair key{host_of(row.peer), reason_of(row)};
    auto group = groups_.find(key);
    if (group == groups_.end() && groups_.size() >= kMaxAttemptGroups) {
        key = {};  // one row for all the rest
        group = groups_.find(key);
        row.peer.clear();
    }
    if (group == groups_.end()) {
        group = groups_.emplace(std::move(key), Group{now, std::move(row), 0}).first;
    }
    ++group->second.count;
}

void AttemptLedger::take_due_groups(base::TimePoint now) {
    for (auto group = groups_.begin(); group != groups_.end();) {
        if (now - group->second.since < kAttemptGroupTime || ready_.size() >= kMaxWaitingAttempts) {
            ++group;
            continue;
        }
        catalog::Attempt row = std::move(group->second.first);
        const std::string text = row.reason ? row.reason->text : "";
        row.reason = base::Reason{
            reason_of(row), fmt::format("{} INVITEs were answered like this one, the first of "
                                        "them, and share its row: {}",
                                        group->second.count, text)};
        ready_.push_back(std::move(row));
        group = groups_.erase(group);
    }
}

std::vector<catalog::Attempt> AttemptLedger::take(base::TimePoint now) {
    take_due_groups(now);
    if (has_failed_ && now < retry_at_) return {};
    has_failed_ = false;
    const std::size_t count = std::min(ready_.size(), kMaxAttemptBatch);
    std::vector<catalog::Attempt> rows;
    rows.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        rows.push_back(std::move(ready_.front()));
        ready_.pop_front();
    }
    return rows;
}

AttemptLedger::Counters AttemptLedger::counters() const {
    Counters counters = counters_;
    counters.waiting = ready_.size();
    return counters;
}

}  // namespace earshot::server
