#include "io/packet_ring_reader.h"

#include <algorithm>

#include "base/bytes.h"
#include "io/udp_frame.h"

namespace earshot::io {

namespace {

// So many at a time; then what was asked for meanwhile is obeyed.
constexpr std::uint32_t kAtOnce = 64;
// Sockets that bring nothing are passed over in so many of their turns: 1 s for paced media.
constexpr std::uint8_t kSkippedTurns = 4;
constexpr std::uint64_t kTicksPerCount = 50;

// Where parse_udp_frame() finds it, of packets that the filter has accepted.
std::uint16_t destination_port(base::ByteView packet) {
    const std::size_t header =
        packet[0] >> 4 == 4 ? std::size_t{4} * (packet[0] & 0x0f) : std::size_t{40};
    return packet.size() < header + 4 ? std::uint16_t{0} : base::load_u16(packet, header + 2);
}

void wipe(std::span<std::uint8_t> bytes) { std::fill(bytes.begin(), bytes.end(), std::uint8_t{0}); }

}  // namespace

base::Result<std::unique_ptr<PacketRingReader>, base::Reason> PacketRingReader::create(
    const MediaTraffic& traffic, std::size_t ring_bytes) {
    auto ring = PacketRing::open(traffic, ring_bytes);
    if (!ring) return ring.error();
    return std::unique_ptr<PacketRingReader>(new PacketRingReader(std::move(*ring), traffic));
}

PacketRingReader::PacketRingReader(PacketRing ring, const MediaTraffic& traffic)
    : ring_(std::move(ring)),
      first_port_(traffic.first_port),
      ports_(static_cast<std::size_t>(traffic.last_port - traffic.first_port) + 1) {}

PacketRingReader::Port* PacketRingReader::find(std::uint16_t port) {
    const std::size_t index = static_cast<std::size_t>(port) - first_port_;
    return index < ports_.size() ? &ports_[index] : nullptr;
}

PacketRingReader::Port& PacketRingReader::of(MediaFlow& flow, SocketKind kind) {
    return ports_[flow.places[static_cast<std::size_t>(kind)]];
}

void PacketRingReader::add(MediaFlow& flow) {
    for (const SocketKind kind : {SocketKind::Rtp, SocketKind::Rtcp}) {
        const std::uint16_t port = flow.sockets[kind].local_address().port;
        flow.places[static_cast<std::size_t>(kind)] =
            static_cast<std::uint32_t>(port - first_port_);
        of(flow, kind) = {
            .flow = &flow, .kind = kind, .is_socket_used = true, .skipped = kSkippedTurns};
        forget_earlier(port, flow.opened_ns);
    }
}

// What was sent to a port before it was this call's, as MediaPorts throws it away at the sockets.
void PacketRingReader::forget_earlier(std::uint16_t port, std::int64_t before_ns) {
    PacketRing::Packet packet;
    for (std::uint32_t ahead = 0; ring_.peek(ahead, packet); ++ahead) {
        if (packet.bytes.empty() || packet.arrival_ns >= before_ns) continue;
        if (destination_port(packet.bytes) == port) ring_.take(ahead);
    }
}

void PacketRingReader::remove(MediaFlow& flow) {
    of(flow, SocketKind::Rtp) = {};
    of(flow, SocketKind::Rtcp) = {};
}

bool PacketRingReader::read(std::uint64_t tick, Sink& sink) {
    if (tick != std::exchange(tick_, tick)) taken_ = 0;
    count_drops(tick);
    PacketRing::Packet packet;
    for (std::uint32_t i = 0; i < kAtOnce; ++i) {
        // A flood must not hold the thread for ever; the next tick goes on.
        if (taken_ == ring_.slots() || !ring_.peek(0, packet)) return false;
        if (!deliver(packet, sink)) return true;
        ring_.release();
        ++taken_;
        has_asked_ = false;
    }
    return true;
}

// False: nobody has said yet whose it is. Ports are given out before their flow is added, and the
// command that adds it was given before a peer could know the port: ask for it, then look again.
bool PacketRingReader::deliver(const PacketRing::Packet& packet, Sink& sink) {
    if (packet.bytes.empty()) return true;
    const auto frame = parse_udp_frame(packet.bytes, !packet.is_checked);
    if (!frame) {
        invalid_.fetch_add(1, std::memory_order_relaxed);
        wipe(packet.bytes);
        return true;
    }
    const Port* port = find(frame->destination.port);
    if ((port == nullptr || port->flow == nullptr) && !std::exchange(has_asked_, true))
        return false;
    const auto is_claimed = [&] {
        if (port == nullptr || port->flow == nullptr) return false;
        const base::NetAddress& local = port->flow->sockets[port->kind].local_address();
        return local.same_host(frame->destination) ||
               (local.is_unspecified() && local.is_v4() == frame->destination.is_v4());
    };
    if (!is_claimed()) {
        unclaimed_.fetch_add(1, std::memory_order_relaxed);
        wipe(packet.bytes);
        return true;
    }
    sink.on_datagram(*port->flow, port->kind,
                     {.bytes = frame->payload,
                      .source = frame->source,
                      .arrival_ns = packet.arrival_ns,
                      .truncated = false});
    return true;
}

void PacketRingReader::visit(MediaFlow& flow, SocketKind kind, Sink& sink) {
    if (flow.is_paused && kind == SocketKind::Rtp) return discard(flow, sink);
    Port& port = of(flow, kind);
    const bool is_rtcp = kind == SocketKind::Rtcp;  // has its turn only once a second
    if (!is_rtcp && !port.is_socket_used && port.skipped < kSkippedTurns) {
        ++port.skipped;
        return;
    }
    port.skipped = 0;
    port.is_socket_used = receive(flow, kind, sink);
}

void PacketRingReader::drain(MediaFlow& flow, SocketKind kind, Sink& sink) {
    const std::uint16_t number = flow.sockets[kind].local_address().port;
    PacketRing::Packet packet;
    for (std::uint32_t ahead = 0; ring_.peek(ahead, packet); ++ahead) {
        if (packet.bytes.empty() || destination_port(packet.bytes) != number) continue;
        deliver(packet, sink);
        ring_.take(ahead);
    }
    receive(flow, kind, sink);
}

void PacketRingReader::count_drops(std::uint64_t tick) {
    if (tick < next_count_) return;
    next_count_ = tick + kTicksPerCount;
    dropped_.fetch_add(ring_.take_drops(), std::memory_order_relaxed);
}

ReaderCounters PacketRingReader::counters() const {
    return {.ring_drops = dropped_.load(std::memory_order_relaxed),
            .ring_invalid = invalid_.load(std::memory_order_relaxed),
            .ring_unclaimed = unclaimed_.load(std::memory_order_relaxed)};
}

}  // namespace earshot::io
