#include "capture/record_desk.h"

#include <string>

#include "capture/limits.h"

namespace earshot::capture {

journal::RecordingHandle RecordDesk::open(const base::Uuid& recording) {
    const auto found = recordings_.find(recording);
    if (found != recordings_.end()) return found->second;
    return recordings_.emplace(recording, writer_.open(recording)).first->second;
}

void RecordDesk::put(RecordRequest request, std::int64_t now_ns) {
    if (waiting_.empty() && try_now(request, now_ns)) return;
    if (const auto* entry = std::get_if<JournalEntry>(&request)) {
        if (waiting_bytes_ + entry->payload.size() > kMaxPostponedBytes) {
            if (!std::exchange(told_full_, true)) {
                log_.error("The journal has had no room for too long; signalling records are lost",
                           {{"recording", base::to_string(entry->recording)}});
            }
            return;
        }
        waiting_bytes_ += entry->payload.size();
    }
    waiting_.push_back(std::move(request));
}

// False when there is no room.
bool RecordDesk::try_now(RecordRequest& request, std::int64_t now_ns) {
    if (const auto* entry = std::get_if<JournalEntry>(&request)) {
        const auto stored = writer_.append(
            open(entry->recording),
            {.type = entry->type, .stream = entry->stream, .arrival_ns = entry->arrival_ns},
            entry->payload);
        if (!stored && stored.error().code == base::Errc::Full) return false;
        if (!stored) {
            log_.error("The journal refused a record: " + std::string(stored.error().what),
                       {{"recording", base::to_string(entry->recording)},
                        {"bytes", std::to_string(entry->payload.size())}});
        }
    } else if (const auto* durable = std::get_if<RequestDurable>(&request)) {
        if (!writer_.notify_when_durable(durable->token)) return false;
        wants_commit_ = true;
    } else if (const auto* closing = std::get_if<CloseRecording>(&request)) {
        close(closing->recording, now_ns);
    }
    return true;
}

void RecordDesk::retry(std::int64_t now_ns) {
    while (!waiting_.empty() && try_now(waiting_.front(), now_ns)) {
        if (const auto* entry = std::get_if<JournalEntry>(&waiting_.front()))
            waiting_bytes_ -= entry->payload.size();
        waiting_.pop_front();
        told_full_ = false;
    }
}

void RecordDesk::close(const base::Uuid& recording, std::int64_t now_ns) {
    const auto found = recordings_.find(recording);
    if (found == recordings_.end()) return;
    writer_.close(found->second, now_ns);
    recordings_.erase(found);
}

void RecordDesk::close_all(std::int64_t now_ns) {
    while (!recordings_.empty()) close(recordings_.begin()->first, now_ns);
}

}  // namespace earshot::capture
