// What is said of one call to a media server elsewhere, one after the other: a job begins when the
// one before has called finish(), which may be much later.
#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "base/reason.h"
#include "relay/limits.h"

namespace earshot::relay {

inline base::Reason too_much_waits() {
    return {.code = "media_server_overloaded",
            .text = "Too much of the call waits for the media server's answers."};
}

class JobQueue {
public:
    using Job = std::function<void()>;

    // Whoever owns the queue must stay while a job runs.
    void add(Job job) {
        jobs_.push_back(std::move(job));
        next();
    }
    void finish() {
        is_busy_ = false;
        next();
    }
    // No job begins any more.
    void close() {
        is_closed_ = true;
        jobs_.clear();
    }
    // What may wait; what ends something is taken beyond it.
    bool has_room() const { return jobs_.size() < kMaxCallJobs; }
    bool is_busy() const { return is_busy_; }
    bool is_closed() const { return is_closed_; }

private:
    void next() {
        while (!is_busy_ && !jobs_.empty()) {
            is_busy_ = true;
            const Job job = std::move(jobs_.front());
            jobs_.pop_front();
            job();
        }
    }

    std::deque<Job> jobs_;
    bool is_busy_ = false;
    bool is_closed_ = false;
};

}  // namespace earshot::relay
