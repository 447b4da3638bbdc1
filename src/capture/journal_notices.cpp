#include "capture/journal_notices.h"

#include <utility>

#include "capture/limits.h"

namespace earshot::capture {

JournalNotices::JournalNotices() : queue_(kMaxQueuedNotifications) {}

void JournalNotices::on_durable(std::uint64_t token) {
    if (token >= kOwnTokens) {
        own_durable_.store(token, std::memory_order_release);
        return;
    }
    push(token);
}

void JournalNotices::on_closed(journal::ClosedRecording closed) { push(std::move(closed)); }

void JournalNotices::push(Notice notice) {
    if (!queue_.try_push(std::move(notice))) lost_.fetch_add(1, std::memory_order_relaxed);
    if (wake_) wake_();
}

}  // namespace earshot::capture
