#include "capture/capture_worker.h"

#include <pthread.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace earshot::capture {

CaptureWorker::CaptureWorker(const CaptureOptions& options, journal::Writer& writer,
                             JournalNotices& notices, const io::Clock& clock, base::Random& random,
                             base::Log& log)
    : options_(options),
      notices_(notices),
      clock_(clock),
      ports_(options.first_port, options.last_port, random),
      links_(ports_.pairs() + 1),
      loop_(options, links_, writer, notices, clock, random, log) {}

CaptureWorker::~CaptureWorker() { stop(); }

void CaptureWorker::start(std::function<void()> wake) {
    thread_ = std::jthread([this, wake = std::move(wake)] {
        ::pthread_setname_np(::pthread_self(), "capture");
        loop_.run(wake);
    });
}

void CaptureWorker::stop() {
    links_.commands.close();
    if (thread_.joinable()) thread_.join();
}

base::Result<Ports, base::Reason> CaptureWorker::open_stream(const StreamSetup& setup) {
    take_freed_ports();
    const base::TimePoint now = clock_.now().steady;
    for (int i = 0; i < kMaxBindTries; ++i) {
        const auto port = ports_.allocate(now);
        if (!port) break;
        base::NetAddress address = options_.bind_host;
        address.port = *port;
        auto pair =
            io::bind_udp_pair(address, {.receive_buffer_bytes = options_.receive_buffer_bytes});
        if (!pair) {
            ports_.release(*port, now);
            if (pair.error().detail == EADDRINUSE) continue;  // a stranger's: the next one
            const auto failure =
                std::error_code(static_cast<int>(pair.error().detail), std::generic_category());
            return base::Reason{.code = "media_socket",
                                .text = fmt::format("Opening media port {} failed: {}.",
                                                    base::to_string(address), failure.message())};
        }
        const Ports ports{.rtp = pair->rtp.local_address(), .rtcp = pair->rtcp.local_address()};
        if (!push(AddStream{.setup = setup, .sockets = std::move(*pair)})) {
            ports_.release(*port, now);
            return base::Reason{.code = "overloaded",
                                .text = "The media thread does not keep up with its commands."};
        }
        return ports;
    }
    return base::Reason{.code = "no_media_ports",
                        .text = fmt::format("No media port from {} to {} is free.",
                                            options_.first_port, options_.last_port)};
}

bool CaptureWorker::update_stream(const StreamKey& key, StreamFormat format) {
    return push(UpdateStream{.key = key, .format = std::move(format)});
}
bool CaptureWorker::pause_stream(const StreamKey& key, base::WallTime at) {
    return push(PauseStream{.key = key, .at_ns = base::to_ns(at)});
}
bool CaptureWorker::resume_stream(const StreamKey& key, base::WallTime at) {
    return push(ResumeStream{.key = key, .at_ns = base::to_ns(at)});
}
bool CaptureWorker::close_stream(const StreamKey& key) { return push(CloseStream{.key = key}); }
bool CaptureWorker::append(JournalEntry entry) { return push(std::move(entry)); }
bool CaptureWorker::request_durable(std::uint64_t token) {
    return push(RequestDurable{.token = token});
}
bool CaptureWorker::close_recording(const base::Uuid& recording) {
    return push(CloseRecording{.recording = recording});
}

bool CaptureWorker::push(Command command) { return links_.commands.try_push(std::move(command)); }

void CaptureWorker::take_freed_ports() {
    while (const auto freed = links_.freed_ports.try_pop()) {
        ports_.release(freed->rtp_port, freed->since);
    }
}

std::optional<Notification> CaptureWorker::poll_notification() {
    if (auto notification = links_.notifications.try_pop()) {
        if (std::holds_alternative<StatsSnapshot>(*notification)) {
            links_.snapshot_waiting.store(false);
        } else if (const auto* closed = std::get_if<StreamClosed>(&*notification)) {
            closed_streams_[closed->stats.key.recording].push_back(closed->stats);
        }
        return notification;
    }
    auto notice = notices_.poll();
    if (!notice) return std::nullopt;
    if (const auto* token = std::get_if<std::uint64_t>(&*notice)) return Durable{.token = *token};
    RecordingSealed sealed{.closed = std::get<journal::ClosedRecording>(std::move(*notice)),
                           .streams = {}};
    if (auto streams = closed_streams_.extract(sealed.closed.recording)) {
        sealed.streams = std::move(streams.mapped());
    }
    return sealed;
}

CaptureWorker::Load CaptureWorker::load() {
    take_freed_ports();
    return {.open_streams = links_.open_streams.load(),
            .port_pairs = ports_.pairs(),
            .port_pairs_in_use = ports_.in_use(),
            .queued_commands = links_.commands.size(),
            .dropped_notifications = links_.dropped_notifications.load() + notices_.lost(),
            .ports = ports_.counters()};
}

}  // namespace earshot::capture
