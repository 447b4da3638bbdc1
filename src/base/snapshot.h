// The newest value of something that one thread makes and others look at: readers get a shared,
// unchanging copy, so neither waits for the other longer than a pointer takes to copy.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace earshot::base {

template <class T>
class Snapshot {
public:
    void set(T value) {
        auto next = std::make_shared<const T>(std::move(value));
        const std::lock_guard lock(mutex_);
        current_.swap(next);  // the old value dies after the lock, if nobody reads it
    }
    // Never null: a default T before the first set(). shared_ptr, as each reader may outlive the
    // next set().
    std::shared_ptr<const T> get() const {
        const std::lock_guard lock(mutex_);
        return current_;
    }

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const T> current_ = std::make_shared<const T>();
};

}  // namespace earshot::base
