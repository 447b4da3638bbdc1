// The server's media plane: N workers, each with its thread, its sockets, its journal and that
// journal's committer. A recording belongs to one of them, with all its streams and records: which
// one follows from its id, so that nothing has to be remembered and a further piece of it comes to
// the same. Ports are of one range for all.
//
// Functions are those of CaptureWorker and belong to the signalling thread, but the constructor,
// start() and stop(), which belong to whoever owns the engine.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "capture/capture_worker.h"
#include "capture/media_readers.h"
#include "io/file.h"
#include "journal/journal.h"

namespace earshot::capture {

struct EngineOptions {
    std::size_t workers = 1;  // 1..kMaxWorkers
    CaptureOptions capture;
    std::string journals;      // the directory that holds one for each worker: DATA/journal
    std::uint64_t run_id = 0;  // as journal::Options
    std::array<std::uint8_t, 16> boot_id{};
    const crypto::KeyWrapper* keys = nullptr;  // these as journal::Options has them
    bool encrypt = true;
};

struct CaptureLoad {
    std::size_t open_streams = 0;
    std::size_t port_pairs = 0;
    std::size_t port_pairs_in_use = 0;
    std::size_t port_pairs_free = 0;  // a pair in neither rests after its call
    std::size_t queued_commands = 0;  // of the worker with the most
    std::uint64_t dropped_notifications = 0;
    std::size_t dropping_streams = 0;  // lost packets for want of room there in the last second
    std::uint64_t kernel_drops = 0;    // media packets since the start, for want of room in buffers
    std::uint32_t busy_percent = 0;    // of its time, of the busiest worker, over some seconds
    io::PortAllocator::Counters ports;
};

struct ReaderState {
    ReaderKind kind = ReaderKind::Sockets;
    std::string fallback;  // why it is not the one asked for; empty: it is
    io::ReaderCounters counters;
};

// The ports that capture takes, as its options have them.
io::MediaPortOptions port_options(const CaptureOptions& options);

class CaptureEngine {
public:
    // Reads what earlier processes left in the journals, also in those of more workers than there
    // are now. All references must outlive the engine.
    CaptureEngine(const EngineOptions& options, io::FileSystem& files, const io::Clock& clock,
                  base::Log& log);
    CaptureEngine(const CaptureEngine&) = delete;
    CaptureEngine& operator=(const CaptureEngine&) = delete;
    ~CaptureEngine();  // stop()

    // What the constructor found, a journal each; its recordings hold their segments until
    // journal->release(). Call it before start(); it is told once.
    struct Found {
        journal::Journal* journal = nullptr;  // the engine's
        journal::Recovery recovery;
    };
    std::vector<Found> take_found();

    // Makes ready how media is read; before start(), which else reads sockets. A reason: it cannot
    // be read in the way that was asked for (open_readers()).
    std::optional<base::Reason> open_media();
    // `wake` as CaptureWorker::start(); on any of the threads.
    void start(const std::function<void()>& wake);
    // Ends the workers, then the committers, when all is durable. What was sealed can still be
    // polled.
    void stop();

    base::Result<Ports, base::Reason> open_stream(const StreamSetup& setup);
    bool join_stream(const StreamSetup& setup, std::uint16_t beside);
    base::Result<Ports, base::Reason> move_stream(const StreamKey& key, bool ipv6,
                                                  StreamFormat format);
    bool move_stream_beside(const StreamKey& key, std::uint16_t beside, StreamFormat format);
    bool update_stream(const StreamKey& key, StreamFormat format);
    bool pause_stream(const StreamKey& key, base::WallTime at);
    bool resume_stream(const StreamKey& key, base::WallTime at);
    bool close_stream(const StreamKey& key);
    bool append(JournalEntry entry);
    // Of what was given for this recording.
    bool request_durable(const base::Uuid& recording, std::uint64_t token);
    bool close_recording(const base::Uuid& recording);

    std::optional<Notification> poll_notification();

    std::size_t workers() const { return workers_; }
    CaptureLoad load(base::TimePoint now) const;
    ReaderState reader_state() const;
    // Of the worst of the journals: a fault goes before fullness. Poisoned segments are of all.
    journal::Health health() const;

private:
    struct Share;
    CaptureWorker& worker_of(const base::Uuid& recording);

    const io::Clock& clock_;
    const CaptureOptions options_;
    base::SystemRandom port_random_;
    std::size_t workers_;
    std::deque<io::MediaPorts> ports_;  // of all workers, or one each
    MediaReaders readers_;              // the readers themselves are the workers' from start() on
    std::vector<std::unique_ptr<Share>> shares_;  // the workers first
    std::size_t next_poll_ = 0;
};

}  // namespace earshot::capture
