// Things to do later on one loop thread: a few thousand, in order of time. Cancelled by id.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/time.h"

namespace earshot::server {

class TimerList {
public:
    using Id = std::uint64_t;  // 0: none

    Id add(base::TimePoint when, std::function<void()> work) {
        const Id id = ++last_;
        times_.emplace(id, when);
        due_.emplace(std::pair{when, id}, std::move(work));
        return id;
    }
    void cancel(Id id) {
        const auto found = times_.find(id);
        if (found == times_.end()) return;
        due_.erase({found->second, id});
        times_.erase(found);
    }
    std::optional<base::TimePoint> deadline() const {
        if (due_.empty()) return std::nullopt;
        return due_.begin()->first.first;
    }
    // Does what is due; work may add and cancel.
    void on_time(base::TimePoint now) {
        while (!due_.empty() && due_.begin()->first.first <= now) {
            const auto first = due_.begin();
            const std::function<void()> work = std::move(first->second);
            times_.erase(first->first.second);
            due_.erase(first);
            work();
        }
    }

private:
    std::map<std::pair<base::TimePoint, Id>, std::function<void()>> due_;
    std::unordered_map<Id, base::TimePoint> times_;
    Id last_ = 0;
};

}  // namespace earshot::server
