#include "capture/capture_worker.h"

#include <utility>

#include "io/drain_reader.h"
#include "io/thread_name.h"

namespace earshot::capture {

CaptureWorker::CaptureWorker(const CaptureOptions& options, io::MediaPorts& ports,
                             journal::Writer& writer, JournalNotices& notices,
                             const io::Clock& clock, base::Random& random, base::Log& log)
    : notices_(notices),
      clock_(clock),
      ports_(ports),
      loop_(options, links_, ports_, writer, notices, clock, random, log) {}

CaptureWorker::~CaptureWorker() { stop(); }

void CaptureWorker::start(std::function<void()> wake, const std::string& thread_name,
                          std::unique_ptr<io::MediaReader> reader) {
    reader_ = reader ? std::move(reader) : std::make_unique<io::DrainReader>();
    thread_ = std::jthread([this, wake = std::move(wake), thread_name] {
        io::set_thread_name(thread_name.c_str());
        loop_.run(*reader_, wake);
    });
}

void CaptureWorker::request_stop() { links_.commands.close(); }

void CaptureWorker::stop() {
    request_stop();
    if (thread_.joinable()) thread_.join();
}

base::Result<Ports, base::Reason> CaptureWorker::open_stream(const StreamSetup& setup) {
    return push_with_ports(setup.ipv6, [&](io::UdpPair pair, std::int64_t now_ns) {
        return AddStream{.setup = setup, .sockets = std::move(pair), .opened_ns = now_ns};
    });
}

base::Result<Ports, base::Reason> CaptureWorker::push_with_ports(
    bool ipv6, const std::function<Command(io::UdpPair, std::int64_t)>& make) {
    const base::TimePoint now = clock_.now().steady;
    auto pair = ports_.take(now, ipv6);
    if (!pair) return pair.error();
    const Ports ports{.rtp = pair->rtp.local_address(), .rtcp = pair->rtcp.local_address()};
    if (!push_quietly(make(std::move(*pair), base::to_ns(clock_.now().wall)))) {
        ports_.release(ports.rtp.port, now);
        return base::Reason{.code = "overloaded",
                            .text = "The media thread does not keep up with its commands."};
    }
    return ports;
}

bool CaptureWorker::join_stream(const StreamSetup& setup, std::uint16_t beside) {
    return push_quietly(
        JoinStream{.setup = setup, .beside = {.recording = setup.key.recording, .stream = beside}});
}

base::Result<Ports, base::Reason> CaptureWorker::move_stream(const StreamKey& key, bool ipv6,
                                                             StreamFormat format) {
    return push_with_ports(ipv6, [&](io::UdpPair pair, std::int64_t now_ns) {
        return MoveStream{.key = key,
                          .format = std::move(format),
                          .sockets = std::move(pair),
                          .opened_ns = now_ns};
    });
}

bool CaptureWorker::move_stream_beside(const StreamKey& key, std::uint16_t beside,
                                       StreamFormat format) {
    return push(MoveStreamBeside{.key = key,
                                 .format = std::move(format),
                                 .beside = {.recording = key.recording, .stream = beside}});
}

bool CaptureWorker::update_stream(const StreamKey& key, StreamFormat format) {
    return push(UpdateStream{.key = key, .format = std::move(format)});
}
bool CaptureWorker::pause_stream(const StreamKey& key, base::WallTime at) {
    links_.waiting_pauses.fetch_add(1);
    if (push(PauseStream{.key = key, .at_ns = base::to_ns(at)})) return true;
    links_.waiting_pauses.fetch_sub(1);
    return false;
}
bool CaptureWorker::resume_stream(const StreamKey& key, base::WallTime at) {
    return push(ResumeStream{.key = key, .at_ns = base::to_ns(at)});
}
bool CaptureWorker::close_stream(const StreamKey& key) {
    return push_quietly(CloseStream{.key = key});
}
bool CaptureWorker::append(JournalEntry entry) { return push_quietly(std::move(entry)); }
bool CaptureWorker::request_durable(std::uint64_t token) {
    return push(RequestDurable{.token = token});
}
bool CaptureWorker::close_recording(const base::Uuid& recording) {
    return push_quietly(CloseRecording{.recording = recording});
}

bool CaptureWorker::push(Command command) { return links_.commands.try_push(std::move(command)); }

bool CaptureWorker::push_quietly(Command command) {
    return links_.commands.try_push_quietly(std::move(command));
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
                           .streams = {},
                           .journal = nullptr};
    if (auto streams = closed_streams_.extract(sealed.closed.recording)) {
        sealed.streams = std::move(streams.mapped());
    }
    return sealed;
}

CaptureWorker::Load CaptureWorker::load() const {
    return {.open_streams = links_.open_streams.load(),
            .queued_commands = links_.commands.size(),
            .dropped_notifications = links_.dropped_notifications.load() + notices_.lost(),
            .kernel_drops = links_.kernel_drops.load(),
            .dropping_streams = links_.dropping_streams.load(),
            .busy_percent = links_.busy_percent.load()};
}

io::ReaderCounters CaptureWorker::reader_counters() const {
    return reader_ ? reader_->counters() : io::ReaderCounters{};
}

}  // namespace earshot::capture
