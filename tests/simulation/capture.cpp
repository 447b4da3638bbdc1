#include "capture.h"

#include <algorithm>
#include <numeric>

namespace earshot::simulation {

namespace {

constexpr milliseconds kDrain{200};  // of capture_options.h

}  // namespace

Capture::Capture(World& world, const base::NetAddress& host, std::uint16_t low, std::uint16_t high)
    : world_(world), host_(host), ports_(low, high, world.random) {}

// ---- commands -----------------------------------------------------------------------------------

void Capture::command(std::function<void()> work) {
    commands_.push_back(std::move(work));
    world_.later(world_.draws.time(0, 5), [this] { obey(); });
}

void Capture::command(const capture::StreamKey& key, std::function<void(Stream&)> work) {
    command([this, key, work = std::move(work)] {
        const auto found = streams_.find(key);
        if (found != streams_.end()) work(*found->second);
    });
}

void Capture::obey() {
    while (!commands_.empty()) {
        const std::function<void()> work = std::move(commands_.front());
        commands_.pop_front();
        work();
    }
}

std::optional<std::uint16_t> Capture::open(const capture::StreamSetup& setup) {
    require(streams_.count(setup.key) == 0, "no stream is opened twice");
    const auto port = ports_.allocate(world_.now.steady);
    if (!port) return std::nullopt;
    recordings_[setup.key.recording];
    auto& stream = streams_[setup.key];
    stream = std::make_unique<Stream>(setup, *port);
    require(by_port_.emplace(*port, stream.get()).second, "a port belongs to one stream");
    world_.later(world_.draws.time(1, 200), [this, key = setup.key] { tick(key); });
    return port;
}

void Capture::update(const capture::StreamKey& key, capture::StreamFormat format) {
    command(key, [this, key, format = std::move(format)](Stream& stream) {
        drain(key, stream);
        stream.receiver.update(format, base::to_ns(world_.now.wall));
        take_released(key, stream);
    });
}

void Capture::pause(const capture::StreamKey& key) {
    streams_.at(key)->is_pause_wanted = true;
    command(key, [this, key, at = base::to_ns(world_.now.wall)](Stream& stream) {
        if (stream.receiver.is_paused()) return;
        stream.receiver.pause(at);
        drain(key, stream, capture::SocketKind::Rtp);
        stream.receiver.settle_pause(world_.now);
        take_released(key, stream);
    });
}

void Capture::resume(const capture::StreamKey& key) {
    streams_.at(key)->is_pause_wanted = false;
    command(key, [this, key, at = base::to_ns(world_.now.wall)](Stream& stream) {
        if (!stream.receiver.is_paused()) return;
        stream.receiver.resume(at, world_.now);
        drain(key, stream, capture::SocketKind::Rtp);
        stream.receiver.settle_resume();
        take_released(key, stream);
    });
}

void Capture::close(const capture::StreamKey& key) {
    command(key, [this, key](Stream& stream) { finish(key, stream); });
}

void Capture::close_recording(const base::Uuid& recording) {
    command([this, recording] {
        for (auto at = streams_.begin(); at != streams_.end();) {
            const auto here = at++;
            if (here->first.recording == recording) finish(here->first, *here->second);
        }
        Recording& closed = recordings_[recording];
        require(!closed.is_closed, "no recording is closed twice");
        closed.is_closed = true;
    });
}

std::vector<base::NetAddress> Capture::open_addresses() const {
    std::vector<base::NetAddress> addresses;
    for (const auto& [port, stream] : by_port_) {
        addresses.push_back(host_);
        addresses.back().port = port;
    }
    return addresses;
}

// ---- packets ------------------------------------------------------------------------------------

void Capture::on_datagram(const Datagram& datagram) {
    if (!datagram.to.same_host(host_)) return;
    const bool is_rtcp = datagram.to.port % 2 != 0;
    const auto found = by_port_.find(static_cast<std::uint16_t>(datagram.to.port & ~1U));
    if (found == by_port_.end()) return;  // nobody listens there
    Stream& stream = *found->second;
    std::int64_t stamp = base::to_ns(world_.now.wall);
    while (stream.arrivals.count(stamp) != 0) ++stamp;  // the clock stepped back
    stream.arrivals[stamp] = stream.is_pause_wanted;
    ++stream.delivered;
    (is_rtcp ? stream.rtcp : stream.rtp).push_back({stamp, datagram});
}

void Capture::tick(const capture::StreamKey& key) {
    obey();  // a pause that was asked for counts before what is read now
    const auto found = streams_.find(key);
    if (found == streams_.end()) return;
    Stream& stream = *found->second;
    drain(key, stream);
    drain(key, stream, capture::SocketKind::Rtcp);
    world_.later(kDrain, [this, key] { tick(key); });
}

void Capture::drain(const capture::StreamKey& key, Stream& stream) {
    if (!stream.receiver.is_paused()) return drain(key, stream, capture::SocketKind::Rtp);
    stream.receiver.on_discarded_unread(stream.rtp.size(), world_.now);
    stream.rtp.clear();
}

void Capture::drain(const capture::StreamKey& key, Stream& stream, capture::SocketKind kind) {
    const bool is_rtp = kind == capture::SocketKind::Rtp;
    for (const Arrived& one : std::exchange(is_rtp ? stream.rtp : stream.rtcp, {})) {
        const base::ByteView bytes = *one.datagram.bytes;
        const auto verdict =
            stream.receiver.on_datagram(kind, bytes, one.datagram.from, one.stamp_ns);
        take_released(key, stream);
        if (verdict == capture::Verdict::StoreRtp)
            store(key, stream, one.datagram.from, bytes, one.stamp_ns);
        if (verdict == capture::Verdict::StoreRtcp) ++recordings_[key.recording].rtcp_packets;
    }
}

void Capture::take_released(const capture::StreamKey& key, Stream& stream) {
    while (const auto packet = stream.receiver.poll_released())
        store(key, stream, packet->source, packet->bytes, packet->arrival_ns);
    while (stream.receiver.poll_event()) {
    }
}

void Capture::store(const capture::StreamKey& key, Stream& stream, const base::NetAddress& source,
                    base::ByteView bytes, std::int64_t stamp_ns) {
    const auto arrival = stream.arrivals.find(stamp_ns);
    require(arrival != stream.arrivals.end(), "each packet that arrived is stored once");
    require(!arrival->second, "no packet of a pause is stored");
    stream.arrivals.erase(arrival);
    Recording& recording = recordings_[key.recording];
    require(!recording.is_closed, "nothing is stored after a recording was closed");
    recording.packets.push_back({key.stream, stamp_ns, source, {bytes.begin(), bytes.end()}});
}

void Capture::finish(const capture::StreamKey& key, Stream& stream) {
    drain(key, stream);
    drain(key, stream, capture::SocketKind::Rtcp);
    stream.receiver.finish(base::to_ns(world_.now.wall));
    take_released(key, stream);
    const capture::StreamCounters counters = stream.receiver.counters();
    const std::uint64_t rejected =
        std::accumulate(counters.rejected.begin(), counters.rejected.end(), std::uint64_t{0});
    require(counters.packets + counters.rtcp_packets + counters.paused_discarded + rejected ==
                stream.delivered,
            "each packet that arrived is stored, refused with a cause, or of a pause");
    recordings_[key.recording].rejected += rejected;
    by_port_.erase(stream.port);
    ports_.release(stream.port, world_.now.steady);
    streams_.erase(key);
}

}  // namespace earshot::simulation
