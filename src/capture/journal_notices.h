// The journal's Listener on the committer thread: carries its news to the signalling thread, where
// CaptureWorker::poll_notification() hands them out. Made before the Journal, which borrows it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <variant>

#include "base/bounded_queue.h"
#include "journal/journal.h"

namespace earshot::capture {

class JournalNotices : public journal::Listener {
public:
    using Notice = std::variant<std::uint64_t, journal::ClosedRecording>;  // token, recording

    JournalNotices();

    void on_durable(std::uint64_t token) override;
    void on_closed(journal::ClosedRecording closed) override;

    // Before the committer thread starts. Called on that thread; must not block.
    void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }
    std::optional<Notice> poll() { return queue_.try_pop(); }

    // For the worker's own use: the newest of its tokens (kOwnTokens and above) that is durable.
    static constexpr std::uint64_t kOwnTokens = 1ULL << 63;
    std::uint64_t own_durable() const { return own_durable_.load(std::memory_order_acquire); }
    // Notices that found the queue full. The recording then is found again by the next start's
    // recovery, as after a crash; it cannot be reached with fewer open recordings than the limit.
    std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

private:
    void push(Notice notice);

    base::BoundedQueue<Notice> queue_;
    std::function<void()> wake_;
    std::atomic<std::uint64_t> own_durable_{0};
    std::atomic<std::uint64_t> lost_{0};
};

}  // namespace earshot::capture
