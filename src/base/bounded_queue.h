// The only way in which threads meet. A full queue refuses; what then happens is the producer's
// decision and is written down where it is made.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace earshot::base {

template <class T>
class BoundedQueue {
public:
    explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

    // False when full or closed; the value is then untouched.
    [[nodiscard]] bool try_push(T&& value) {
        {
            const std::lock_guard lock(mutex_);
            if (closed_ || items_.size() >= capacity_) return false;
            items_.push_back(std::move(value));
        }
        ready_.notify_one();
        return true;
    }

    // For a consumer that looks by the clock anyway: it is woken only when the queue fills up.
    // Waking a thread costs more than most of what is queued.
    [[nodiscard]] bool try_push_quietly(T&& value) {
        bool is_filling = false;
        {
            const std::lock_guard lock(mutex_);
            if (closed_ || items_.size() >= capacity_) return false;
            items_.push_back(std::move(value));
            is_filling = items_.size() >= (capacity_ + 1) / 2;
        }
        if (is_filling) ready_.notify_one();
        return true;
    }

    std::optional<T> try_pop() {
        const std::lock_guard lock(mutex_);
        return take();
    }

    // The one that came last: for a pool of buffers, of which few are then in use, and warm.
    std::optional<T> try_pop_newest() {
        const std::lock_guard lock(mutex_);
        if (items_.empty()) return std::nullopt;
        std::optional<T> item(std::move(items_.back()));
        items_.pop_back();
        return item;
    }

    // Waits for an item; nullopt when the time is over, or when the queue is closed and empty.
    std::optional<T> pop_for(std::chrono::nanoseconds limit) {
        std::unique_lock lock(mutex_);
        ready_.wait_for(lock, limit, [&] { return closed_ || !items_.empty(); });
        return take();
    }

    // Waits for an item; nullopt when the queue is closed and empty.
    std::optional<T> pop() {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [&] { return closed_ || !items_.empty(); });
        return take();
    }

    // No further items are taken in; those inside can still be popped.
    void close() {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        ready_.notify_all();
    }

    std::size_t size() const {
        const std::lock_guard lock(mutex_);
        return items_.size();
    }
    bool is_closed() const {
        const std::lock_guard lock(mutex_);
        return closed_;
    }

private:
    std::optional<T> take() {  // the mutex is held
        if (items_.empty()) return std::nullopt;
        std::optional<T> item(std::move(items_.front()));
        items_.pop_front();
        return item;
    }

    const std::size_t capacity_;
    mutable std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<T> items_;
    bool closed_ = false;
};

}  // namespace earshot::base
