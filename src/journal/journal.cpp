#include "journal/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "journal/channel.h"
#include "journal/committer.h"

namespace earshot::journal {

namespace {

constexpr std::size_t kMinFrames = 2;  // one to fill, one to write

base::Reason failure_reason(int error, const std::string& directory) {
    const bool full = error == ENOSPC || error == EDQUOT;
    return {full ? "storage_full" : "storage_error",
            fmt::format("The journal in {} cannot be written: {}.", directory,
                        std::error_code(error, std::generic_category()).message())};
}

}  // namespace

std::chrono::milliseconds Delays::p99() const {
    std::uint64_t all = 0;
    for (const auto& count : counts_) all += count.load(std::memory_order_relaxed);
    std::uint64_t left = all / 100;  // so many may have taken longer
    for (std::size_t at = counts_.size(); at-- > 0 && all > 0;) {
        const std::uint64_t count = counts_[at].load(std::memory_order_relaxed);
        if (count > left) return kStep * (at + 1);
        left -= count;
    }
    return {};
}

Journal::Journal(io::FileSystem& files, Options options, const Recovery& recovery,
                 Listener& listener)
    : options_(std::move(options)) {
    std::uint64_t first_serial = 1;
    for (const RecoveredRecording& found : recovery.recordings) {
        first_serial = std::max(first_serial, found.serial + 1);
    }
    const std::size_t frames = std::max(kMinFrames, options_.ring_bytes / kMaxFrameBytes);
    channel_ = std::make_unique<Channel>(frames, first_serial);
    writer_ = std::make_unique<Writer>(*channel_);
    committer_ = std::make_unique<Committer>(files, options_, *channel_, listener, recovery);
}

Journal::~Journal() = default;

Writer& Journal::writer() { return *writer_; }
Committer& Journal::committer() { return *committer_; }

bool Journal::release(std::uint64_t serial) {
    return channel_->releases.try_push(std::uint64_t{serial});
}

Health Journal::health() const {
    Health health{.frames_waiting = channel_->waiting.load(std::memory_order_relaxed),
                  .frames_allowed = channel_->frame_count,
                  .durable_p99 = channel_->delays.p99(),
                  .is_direct = channel_->is_direct.load(std::memory_order_relaxed),
                  .poisoned_segments = channel_->poisoned.load(std::memory_order_relaxed)};
    if (const auto free = channel_->free_bytes.load(std::memory_order_relaxed); free >= 0)
        health.free_bytes = static_cast<std::uint64_t>(free);
    const std::int64_t since = channel_->failing_since_ns.load();
    if (since == 0) return health;
    health.ok = false;
    health.failing_since = base::wall_from_ns(since);
    health.reason = failure_reason(
        channel_->failure_errno.load(std::memory_order_relaxed),
        options_.directories[channel_->failure_directory.load(std::memory_order_relaxed)]);
    return health;
}

RecordReader Journal::read(io::FileSystem& files, const base::Uuid& recording,
                           const ExtentList& extents) const {
    return {files, options_.directories, recording, extents, options_.keys};
}

const std::vector<std::string>& Journal::directories() const { return options_.directories; }

}  // namespace earshot::journal
