// A queue that is empty nearly always, where there are thousands of it: nothing is on the heap
// then, where a std::deque keeps some 600 bytes. One thread.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace earshot::base {

// T has a value of its own by default, which takes the place of what was taken out.
template <class T>
class RareQueue {
public:
    bool empty() const { return first_ == items_.size(); }
    std::size_t size() const { return items_.size() - first_; }

    void push_back(T item) { items_.push_back(std::move(item)); }
    T& front() { return items_[first_]; }
    const T& front() const { return items_[first_]; }
    void pop_front() {
        items_[first_++] = T{};
        if (empty()) {
            std::vector<T>().swap(items_);
            first_ = 0;
        } else if (first_ >= kFewest && first_ >= items_.size() / 2) {
            items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
            first_ = 0;
        }
    }
    T take_front() {
        T item = std::move(front());
        pop_front();
        return item;
    }

    auto begin() { return items_.begin() + static_cast<std::ptrdiff_t>(first_); }
    auto end() { return items_.end(); }

private:
    static constexpr std::size_t kFewest = 16;  // that are worth moving the others

    std::vector<T> items_;
    std::size_t first_ = 0;
};

}  // namespace earshot::base
