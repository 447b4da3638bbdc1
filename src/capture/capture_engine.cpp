#include "capture/capture_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "capture/limits.h"
#include "io/thread_name.h"
#include "journal/committer.h"

namespace earshot::capture {

struct CaptureEngine::Share {
    JournalNotices notices;
    base::SystemRandom random;  // the capture thread's
    journal::Recovery found;
    std::optional<journal::Journal> journal;
    std::optional<CaptureWorker> worker;  // none: a journal that an earlier run had more
    std::jthread committer;
};

io::MediaPortOptions port_options(const CaptureOptions& options) {
    return {.bind_host = options.bind_host,
            .other_bind_host = options.other_bind_host,
            .first_port = options.first_port,
            .last_port = options.last_port,
            .max_pairs = options.max_port_pairs,
            .rtp = {.receive_buffer_bytes = options.receive_buffer_bytes, .is_stamped = true},
            .rtcp = {}};
}

namespace {

// So much of the disk each journal reserves ahead where there are many, and so much of what the
// disk has not confirmed all of them keep in memory.
constexpr std::size_t kFewWorkers = 4;
constexpr std::uint64_t kSegmentBytesOfMany = 16ULL << 20;
constexpr std::size_t kRingBytesOfAll = 256ULL << 20;

// Journals lie in directories named by their worker: 0, 1, ... Error: there may be some.
base::Result<std::size_t> count_journals(io::FileSystem& files, const std::string& directory) {
    std::size_t count = 0;
    const auto entries = files.list(directory);
    if (!entries) {
        if (entries.error().code == base::Errc::NotFound) return count;
        return entries.error();
    }
    for (const io::DirectoryEntry& entry : *entries) {
        const auto worker = base::parse_number<std::size_t>(entry.name);
        if (entry.is_directory && worker && *worker < kMaxWorkers)
            count = std::max(count, *worker + 1);
    }
    return count;
}

}  // namespace

CaptureEngine::CaptureEngine(const EngineOptions& options, io::FileSystem& files,
                             const io::Clock& clock, base::Log& log)
    : clock_(clock),
      options_(options.capture),
      workers_(std::clamp<std::size_t>(options.workers, 1, kMaxWorkers)) {
    const bool has_rings = options_.reader == ReaderKind::PacketRing;
    if (has_rings) workers_ = std::min(workers_, most_rings(options_));
    for (std::size_t share = 0; share < (has_rings ? workers_ : 1); ++share)
        ports_.emplace_back(port_options(options_of(options_, share, workers_)), port_random_);
    const journal::Options usual;
    const auto left = count_journals(files, options.journals);
    const std::size_t journals = std::max(workers_, left ? *left : 0);
    for (std::size_t number = 0; number < journals; ++number) {
        const journal::Options journal{
            .directories = {io::join_path(options.journals, std::to_string(number))},
            .worker = static_cast<std::uint16_t>(number),
            .segment_bytes = workers_ > kFewWorkers ? kSegmentBytesOfMany : usual.segment_bytes,
            .ring_bytes = std::min(usual.ring_bytes, kRingBytesOfAll / workers_),
            .run_id = options.run_id,
            .boot_id = options.boot_id,
            .keys = options.keys,
            .encrypt = options.encrypt};
        journal::Recovery found = journal::recover(files, journal.directories, journal.keys);
        if (number >= workers_ && found.segments.empty() && !found.damage.any()) {
            static_cast<void>(files.remove(journal.directories.front()));  // it has been emptied
            continue;
        }
        Share& share = *shares_.emplace_back(std::make_unique<Share>());
        share.found = std::move(found);
        if (number == 0 && !left) {
            share.found.damage.read_errors += 1;
            share.found.damage.last_errno = static_cast<int>(left.error().detail);
            share.found.damage.note(options.journals + ": cannot be listed");
        }
        share.journal.emplace(files, journal, share.found, share.notices);
        if (number < workers_)
            share.worker.emplace(options_, ports_[number % ports_.size()], share.journal->writer(),
                                 share.notices, clock, share.random, log);
    }
}

CaptureEngine::~CaptureEngine() { stop(); }

std::vector<CaptureEngine::Found> CaptureEngine::take_found() {
    std::vector<Found> found;
    for (const auto& share : shares_)
        found.push_back({&*share->journal, std::exchange(share->found, {})});
    return found;
}

std::optional<base::Reason> CaptureEngine::open_media() {
    auto readers = open_readers(options_, workers_);
    if (!readers) return readers.error();
    readers_ = *std::move(readers);
    return std::nullopt;
}

void CaptureEngine::start(const std::function<void()>& wake) {
    readers_.of.resize(workers_);
    for (std::size_t number = 0; number < shares_.size(); ++number) {
        const auto& share = shares_[number];
        share->notices.set_wake(wake);
        if (share->worker)
            share->worker->start(wake, fmt::format("capture-{}", number),
                                 std::move(readers_.of[number]));
        share->committer =
            std::jthread([&journal = *share->journal, number, this](const std::stop_token& stop) {
                io::set_thread_name(fmt::format("committer-{}", number).c_str());
                journal.committer().run(stop, [this] { return clock_.now(); });
            });
    }
}

void CaptureEngine::stop() {
    for (const auto& share : shares_)
        if (share->worker) share->worker->request_stop();
    for (const auto& share : shares_)
        if (share->worker) share->worker->stop();
    for (const auto& share : shares_) share->committer.request_stop();
    for (const auto& share : shares_)
        if (share->committer.joinable()) share->committer.join();
}

CaptureWorker& CaptureEngine::worker_of(const base::Uuid& recording) {
    return *shares_[base::UuidHash{}(recording) % workers_]->worker;
}

base::Result<Ports, base::Reason> CaptureEngine::open_stream(const StreamSetup& setup) {
    return worker_of(setup.key.recording).open_stream(setup);
}
bool CaptureEngine::join_stream(const StreamSetup& setup, std::uint16_t beside) {
    return worker_of(setup.key.recording).join_stream(setup, beside);
}
base::Result<Ports, base::Reason> CaptureEngine::move_stream(const StreamKey& key, bool ipv6,
                                                             StreamFormat format) {
    return worker_of(key.recording).move_stream(key, ipv6, std::move(format));
}
bool CaptureEngine::move_stream_beside(const StreamKey& key, std::uint16_t beside,
                                       StreamFormat format) {
    return worker_of(key.recording).move_stream_beside(key, beside, std::move(format));
}
bool CaptureEngine::update_stream(const StreamKey& key, StreamFormat format) {
    return worker_of(key.recording).update_stream(key, std::move(format));
}
bool CaptureEngine::pause_stream(const StreamKey& key, base::WallTime at) {
    return worker_of(key.recording).pause_stream(key, at);
}
bool CaptureEngine::resume_stream(const StreamKey& key, base::WallTime at) {
    return worker_of(key.recording).resume_stream(key, at);
}
bool CaptureEngine::close_stream(const StreamKey& key) {
    return worker_of(key.recording).close_stream(key);
}
bool CaptureEngine::append(JournalEntry entry) {
    CaptureWorker& worker = worker_of(entry.recording);
    return worker.append(std::move(entry));
}
bool CaptureEngine::request_durable(const base::Uuid& recording, std::uint64_t token) {
    return worker_of(recording).request_durable(token);
}
bool CaptureEngine::close_recording(const base::Uuid& recording) {
    return worker_of(recording).close_recording(recording);
}

// In turn, so that a busy worker does not keep the others waiting.
std::optional<Notification> CaptureEngine::poll_notification() {
    for (std::size_t tries = 0; tries < workers_; ++tries) {
        Share& share = *shares_[next_poll_];
        next_poll_ = (next_poll_ + 1) % workers_;
        auto notification = share.worker->poll_notification();
        if (!notification) continue;
        if (auto* sealed = std::get_if<RecordingSealed>(&*notification))
            sealed->journal = &*share.journal;
        return notification;
    }
    return std::nullopt;
}

CaptureLoad CaptureEngine::load(base::TimePoint now) const {
    CaptureLoad sum;
    for (const io::MediaPorts& some : ports_) {
        const io::MediaPorts::Counters ports = some.counters(now);
        sum.port_pairs += ports.pairs;
        sum.port_pairs_in_use += ports.in_use;
        sum.port_pairs_free += ports.free;
        sum.ports.allocated += ports.allocator.allocated;
        sum.ports.short_rests += ports.allocator.short_rests;
        sum.ports.exhausted += ports.allocator.exhausted;
    }
    for (const auto& share : shares_) {
        if (!share->worker) continue;
        const CaptureWorker::Load one = share->worker->load();
        sum.open_streams += one.open_streams;
        sum.queued_commands = std::max(sum.queued_commands, one.queued_commands);
        sum.dropped_notifications += one.dropped_notifications;
        sum.kernel_drops += one.kernel_drops;
        sum.dropping_streams += one.dropping_streams;
        sum.busy_percent = std::max(sum.busy_percent, one.busy_percent);
    }
    return sum;
}

ReaderState CaptureEngine::reader_state() const {
    ReaderState state{.kind = readers_.kind, .fallback = readers_.fallback, .counters = {}};
    for (const auto& share : shares_) {
        if (!share->worker) continue;
        const io::ReaderCounters one = share->worker->reader_counters();
        state.counters.ring_drops += one.ring_drops;
        state.counters.ring_invalid += one.ring_invalid;
        state.counters.ring_unclaimed += one.ring_unclaimed;
        state.counters.broken_rings += one.broken_rings;
        state.counters.direct_sockets += one.direct_sockets;
    }
    return state;
}

journal::Health CaptureEngine::health() const {
    journal::Health worst;
    for (const auto& share : shares_) {
        journal::Health one = share->journal->health();
        const auto durable_p99 = std::max(worst.durable_p99, one.durable_p99);
        const bool is_direct = worst.is_direct && one.is_direct;
        const std::uint64_t poisoned = worst.poisoned_segments + one.poisoned_segments;
        // Calls go to all of them, so the fullest decides.
        const bool is_worse = (worst.ok && !one.ok) ||
                              (worst.ok == one.ok && one.frames_waiting >= worst.frames_waiting);
        if (is_worse) worst = std::move(one);
        worst.poisoned_segments = poisoned;
        worst.is_direct = is_direct;
        worst.durable_p99 = durable_p99;
    }
    return worst;
}

}  // namespace earshot::capture
