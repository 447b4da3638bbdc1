#include "sip/timer_queue.h"

namespace earshot::sip {

void TimerQueue::place(std::size_t at, const Entry& entry) {
    heap_[at] = entry;
    position_[entry.handle] = static_cast<std::uint32_t>(at);
}

void TimerQueue::sift_up(std::size_t at) {
    const Entry moving = heap_[at];
    while (at > 0) {
        const std::size_t parent = (at - 1) / 2;
        if (heap_[parent].due <= moving.due) break;
        place(at, heap_[parent]);
        at = parent;
    }
    place(at, moving);
}

void TimerQueue::sift_down(std::size_t at) {
    const Entry moving = heap_[at];
    for (;;) {
        std::size_t child = 2 * at + 1;
        if (child >= heap_.size()) break;
        if (child + 1 < heap_.size() && heap_[child + 1].due < heap_[child].due) ++child;
        if (moving.due <= heap_[child].due) break;
        place(at, heap_[child]);
        at = child;
    }
    place(at, moving);
}

void TimerQueue::remove(Handle& handle) {
    const std::size_t at = position_[handle];
    free_.push_back(handle);
    handle = kNone;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (at == heap_.size()) return;
    place(at, last);
    sift_down(at);
    sift_up(at);
}

void TimerQueue::set(Handle& handle, std::optional<base::TimePoint> due, std::uint64_t token) {
    if (!due) {
        if (handle != kNone) remove(handle);
        return;
    }
    if (handle != kNone) {
        const std::size_t at = position_[handle];
        if (heap_[at].due == *due && heap_[at].token == token) return;
        heap_[at].due = *due;
        heap_[at].token = token;
        sift_down(at);
        sift_up(at);
        return;
    }
    if (free_.empty()) {
        handle = static_cast<Handle>(position_.size());
        position_.push_back(0);
    } else {
        handle = free_.back();
        free_.pop_back();
    }
    heap_.push_back({*due, token, handle});
    sift_up(heap_.size() - 1);
}

std::optional<base::TimePoint> TimerQueue::next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().due;
}

std::optional<std::uint64_t> TimerQueue::due(base::TimePoint now) const {
    if (heap_.empty() || heap_.front().due > now) return std::nullopt;
    return heap_.front().token;
}

}  // namespace earshot::sip
