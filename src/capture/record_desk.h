// What the signalling side wants in the journal, in the order in which it was asked for: what finds
// no room waits, and all that comes after waits behind it. Belongs to the capture worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/log.h"
#include "base/uuid.h"
#include "capture/capture_options.h"
#include "journal/writer.h"

namespace earshot::capture {

struct RequestDurable {  // of all that was asked for before
    std::uint64_t token = 0;
};
struct CloseRecording {
    base::Uuid recording;
};
using RecordRequest = std::variant<JournalEntry, RequestDurable, CloseRecording>;

class RecordDesk {
public:
    RecordDesk(journal::Writer& writer, base::Log& log) : writer_(writer), log_(log) {}

    // Of a recording that has begun, or begins with this.
    journal::RecordingHandle open(const base::Uuid& recording);

    // Done at once when nothing waits before it.
    void put(RecordRequest request, std::int64_t now_ns);
    // What waits, as far as there is room by now.
    void retry(std::int64_t now_ns);
    bool is_waiting() const { return !waiting_.empty(); }
    // Once after each RequestDurable: it is worth a commit of its own.
    bool take_wish_to_commit() { return std::exchange(wants_commit_, false); }

    void close_all(std::int64_t now_ns);

private:
    bool try_now(RecordRequest& request, std::int64_t now_ns);
    void close(const base::Uuid& recording, std::int64_t now_ns);

    journal::Writer& writer_;
    base::Log& log_;
    std::unordered_map<base::Uuid, journal::RecordingHandle, base::UuidHash> recordings_;
    std::deque<RecordRequest> waiting_;
    std::size_t waiting_bytes_ = 0;
    bool told_full_ = false;
    bool wants_commit_ = false;
};

}  // namespace earshot::capture
