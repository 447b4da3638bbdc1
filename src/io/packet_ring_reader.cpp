#include "io/packet_ring_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "io/udp_frame.h"

namespace earshot::io {

namespace {

// So many at a time; then what was asked for meanwhile is obeyed.
constexpr std::uint32_t kAtOnce = 64;
constexpr std::uint32_t kAhead = 4;  // slots that are fetched while one is sorted
// Ports are given out before their flow is added; a packet waits so many ticks for it.
constexpr std::uint32_t kUnclaimedTicks = 10;
constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();
// Sockets that bring nothing are passed over in so many of their turns: paced media's are looked at
// each second, RTCP's each five.
constexpr std::uint8_t kSkippedTurns = 4;
constexpr std::uint64_t kTicksPerCount = 50;

// Where parse_udp_frame() finds it, of packets that the filter has accepted.
std::uint16_t destination_port(base::ByteView packet) {
    const std::size_t header =
        packet[0] >> 4 == 4 ? std::size_t{4} * (packet[0] & 0x0f) : std::size_t{40};
    return packet.size() < header + 4 ? std::uint16_t{0} : base::load_u16(packet, header + 2);
}

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

PacketRingReader::Port& PacketRingReader::of(MediaFlow& flow, SocketKind kind) {
    return ports_[flow.places[static_cast<std::size_t>(kind)]];
}

// The ring's filter takes no others than those of the range.
PacketRingReader::Port& PacketRingReader::port_of(std::uint32_t slot) {
    const std::size_t index =
        static_cast<std::size_t>(destination_port(ring_.packet(slot).bytes)) - first_port_;
    return ports_[std::min(index, ports_.size() - 1)];
}

void PacketRingReader::add(MediaFlow& flow) {
    for (const SocketKind kind : {SocketKind::Rtp, SocketKind::Rtcp}) {
        const std::uint16_t number = flow.sockets[kind].local_address().port;
        flow.places[static_cast<std::size_t>(kind)] =
            static_cast<std::uint32_t>(number - first_port_);
        Port& port = of(flow, kind);
        port.flow = &flow;
        port.kind = kind;
        port.is_socket_used = true;
        // What was sent to a port before it was this call's, as at the sockets.
        sort();
        throw_away(port, flow.opened_ns);
    }
}

void PacketRingReader::remove(MediaFlow& flow) {
    for (const SocketKind kind : {SocketKind::Rtp, SocketKind::Rtcp}) {
        Port& port = of(flow, kind);
        throw_away(port, kForever);
        port = {};
    }
}

bool PacketRingReader::read(std::uint64_t tick, Sink& sink) {
    tick_ = tick;
    count_drops(tick);
    sort();
    return release(sink);
}

// Hangs each packet that has come behind those of its port.
void PacketRingReader::sort() {
    while (used_ < ring_.slots() && ring_.has_arrived(unsorted_)) {
        const std::uint32_t ahead = unsorted_ + kAhead;
        ring_.prefetch(ahead < ring_.slots() ? ahead : ahead - ring_.slots());
        Port& port = port_of(unsorted_);
        ring_.mark(unsorted_) = {.next = kNone, .tick = static_cast<std::uint32_t>(tick_)};
        if (port.newest == kNone) {
            port.oldest = unsorted_;
        } else {
            ring_.mark(port.newest).next = unsorted_;
        }
        port.newest = unsorted_;
        unsorted_ = ring_.after(unsorted_);
        ++used_;
    }
}

// In the order of arrival, as the kernel wants its slots back. True: there is more to do.
bool PacketRingReader::release(Sink& sink) {
    for (std::uint32_t given = 0; used_ > 0; --used_) {
        if (!ring_.is_finished(oldest_)) {
            if (given++ == kAtOnce) return true;
            if (!finish_early(sink)) return false;
        }
        ring_.release(oldest_);
        oldest_ = ring_.after(oldest_);
    }
    return false;
}

// The oldest packet, before its turn: RTCP, whose turn comes too seldom, what nobody has claimed by
// now, and anything where the ring fills up. False: its turn is waited for.
bool PacketRingReader::finish_early(Sink& sink) {
    Port& port = port_of(oldest_);
    const bool is_pressed = used_ > ring_.slots() / 2;
    const std::uint32_t age = static_cast<std::uint32_t>(tick_) - ring_.mark(oldest_).tick;
    if (port.flow == nullptr) {
        if (!is_pressed && age < kUnclaimedTicks) return false;
        unclaimed_.fetch_add(1, std::memory_order_relaxed);
        wipe(take_oldest(port));
        return true;
    }
    if (!is_pressed && port.kind == SocketKind::Rtp) return false;
    deliver(port, take_oldest(port), sink);
    return true;
}

std::uint32_t PacketRingReader::take_oldest(Port& port) {
    const std::uint32_t slot = port.oldest;
    port.oldest = ring_.mark(slot).next;
    if (port.oldest == kNone) port.newest = kNone;
    return slot;
}

void PacketRingReader::deliver(const Port& port, std::uint32_t slot, Sink& sink) {
    const PacketRing::Packet packet = ring_.packet(slot);
    const auto frame = parse_udp_frame(packet.bytes, !packet.is_checked);
    const base::NetAddress& local = port.flow->sockets[port.kind].local_address();
    const auto is_for = [&](const base::NetAddress& destination) {
        return local.port == destination.port &&
               (local.same_host(destination) ||
                (local.is_unspecified() && local.is_v4() == destination.is_v4()));
    };
    if (!frame || !is_for(frame->destination)) {
        (frame ? unclaimed_ : invalid_).fetch_add(1, std::memory_order_relaxed);
        return wipe(slot);
    }
    sink.on_datagram(*port.flow, port.kind,
                     {.bytes = frame->payload,
                      .source = frame->source,
                      .arrival_ns = packet.arrival_ns,
                      .truncated = false});
    ring_.finish(slot);
}

void PacketRingReader::deliver_all(Port& port, Sink& sink) {
    while (port.oldest != kNone) {
        const std::uint32_t slot = take_oldest(port);
        if (port.oldest != kNone) ring_.prefetch(port.oldest);
        deliver(port, slot, sink);
    }
}

std::uint64_t PacketRingReader::throw_away(Port& port, std::int64_t before_ns) {
    std::uint64_t count = 0;
    for (; port.oldest != kNone; ++count) {
        if (ring_.packet(port.oldest).arrival_ns >= before_ns) break;
        wipe(take_oldest(port));
    }
    return count;
}

void PacketRingReader::wipe(std::uint32_t slot) {
    const auto bytes = ring_.packet(slot).bytes;
    std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
    ring_.finish(slot);
}

void PacketRingReader::visit(MediaFlow& flow, SocketKind kind, Sink& sink) {
    Port& port = of(flow, kind);
    if (flow.is_paused && kind == SocketKind::Rtp) {
        sink.on_discarded(flow, throw_away(port, kForever));
        return discard(flow, sink);
    }
    deliver_all(port, sink);
    if (!port.is_socket_used && port.skipped < kSkippedTurns) {
        ++port.skipped;
        return;
    }
    port.skipped = 0;
    port.is_socket_used = receive(flow, kind, sink);
}

void PacketRingReader::drain(MediaFlow& flow, SocketKind kind, Sink& sink) {
    sort();
    deliver_all(of(flow, kind), sink);
    receive_all(flow, kind, sink);
}

void PacketRingReader::count_drops(std::uint64_t tick) {
    if (tick < next_count_) return;
    next_count_ = tick + kTicksPerCount;
    dropped_.fetch_add(ring_.take_drops(), std::memory_order_relaxed);
}

ReaderCounters PacketRingReader::counters() const {
    ReaderCounters counters;
    counters.ring_drops = dropped_.load(std::memory_order_relaxed);
    counters.ring_invalid = invalid_.load(std::memory_order_relaxed);
    counters.ring_unclaimed = unclaimed_.load(std::memory_order_relaxed);
    return counters;
}

}  // namespace earshot::io
