// Deadlines in order: a binary heap that knows where each entry stands, so that a timer is moved or
// removed in O(log n) and next() is never the time of a timer that is no longer wanted.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"

namespace earshot::sip {

// One owner's place in the queue. The owner keeps it and must take it out before it dies.
class TimerQueue {
public:
    using Handle = std::uint32_t;
    static constexpr Handle kNone = 0xffffffff;

    // Sets the timer of `handle` to `due`, or removes it for nullopt. A handle of kNone is filled
    // in, and becomes kNone again when the timer is removed or taken. `token` is the owner's name.
    void set(Handle& handle, std::optional<base::TimePoint> due, std::uint64_t token);

    std::optional<base::TimePoint> next() const;

    // The token of a timer that is due, earliest first; it stays in the queue until the owner sets
    // it anew or removes it.
    std::optional<std::uint64_t> due(base::TimePoint now) const;

    std::size_t size() const { return heap_.size(); }

private:
    struct Entry {
        base::TimePoint due;
        std::uint64_t token = 0;
        Handle handle = kNone;
    };
    void place(std::size_t at, const Entry& entry);
    void sift_up(std::size_t at);
    void sift_down(std::size_t at);
    void remove(Handle& handle);

    std::vector<Entry> heap_;
    std::vector<std::uint32_t> position_;  // of each handle in heap_
    std::vector<Handle> free_;
};

}  // namespace earshot::sip
