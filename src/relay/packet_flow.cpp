#include "relay/packet_flow.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "rtp/demux.h"

namespace earshot::relay {

namespace {

using io::SocketKind;
using rtp::PacketKind;

constexpr std::size_t kRtpFixedBytes = 12;
constexpr std::size_t kRtcpHeaderBytes = 4;

std::optional<io::SocketAddress> to_send_address(const base::NetAddress& address) {
    if (address.is_unspecified() || address.port == 0) return std::nullopt;
    return io::to_socket_address(address);
}

std::array<Port, 2> make_ports(io::UdpPair pair) {
    return {Port(std::move(pair.rtp), SocketKind::Rtp),
            Port(std::move(pair.rtcp), SocketKind::Rtcp)};
}

LineFlow::Side make_side() {
    return {.latches = {SourceLatch(2, kRtpSilence), SourceLatch(1, kRtcpSilence)},
            .forks = {},
            .ring = nullptr};
}

std::optional<SourceLatch::Mark> mark_of(PacketKind kind, base::ByteView bytes) {
    if (kind == PacketKind::Rtcp) return SourceLatch::Mark{};
    if (kind != PacketKind::Rtp || bytes.size() < kRtpFixedBytes) return std::nullopt;
    return SourceLatch::Mark{.ssrc = base::load_u32(bytes, 8),
                             .sequence = base::load_u16(bytes, 2)};
}

// STUN is a check of ICE, which we do not speak; a channel of TURN is not for us.
bool is_relayed(PacketKind kind) {
    return kind == PacketKind::Rtp || kind == PacketKind::Rtcp || kind == PacketKind::Dtls ||
           kind == PacketKind::Zrtp;
}

}  // namespace

ForkFlow::ForkFlow(io::UdpPair pair, std::shared_ptr<ForkCounters> shared)
    : ports(make_ports(std::move(pair))), counters(std::move(shared)) {
    for (Port& port : ports) port.fork = this;
}

LineFlow::LineFlow(std::array<io::UdpPair, 2> pairs, std::shared_ptr<LineCounters> shared)
    : ports{make_ports(std::move(pairs[0])), make_ports(std::move(pairs[1]))},
      sides{make_side(), make_side()},
      counters(std::move(shared)) {
    for (const Leg leg : {Leg::A, Leg::B})
        for (Port& port : ports[index_of(leg)]) {
            port.leg = leg;
            port.line = this;
        }
}

void set_remote(LineFlow& line, Leg leg, const Remote& remote) {
    LineFlow::Side& side = line.sides[index_of(leg)];
    side.is_mute = remote.is_held || remote.hosts.empty();
    const std::array announced{remote.rtp, remote.rtcp};
    for (std::size_t kind = 0; kind < announced.size(); ++kind) {
        SourceLatch& latch = side.latches[kind];
        latch.set_signalled(announced[kind], remote.hosts);
        side.to[kind] = to_send_address(latch.destination());
    }
    line.counters->legs[index_of(leg)].heard_at.set(side.latches[0].source());
}

std::optional<std::int64_t> set_fork(ForkFlow& fork, const base::NetAddress& rtp,
                                     const base::NetAddress& rtcp, Stop why, std::int64_t now_ns) {
    const bool was_open = fork.is_open;
    fork.rtp_to = to_send_address(rtp);
    fork.rtcp_to = to_send_address(rtcp);
    if (was_open && !fork.rtp_to && why == Stop::ServerLost) {
        fork.lost_server = fork.server;
        fork.lost_ns = now_ns;
    }
    if (!fork.rtp_to && why == Stop::Wanted) fork.owed_since_ns.reset();
    fork.server = rtp;
    fork.watch = {};
    fork.is_open = false;
    const auto lacks_since_ns = open_fork(fork, now_ns);
    return was_open ? std::nullopt : lacks_since_ns;
}

std::optional<std::int64_t> open_fork(ForkFlow& fork, std::int64_t now_ns) {
    const auto& to = fork.rtp_to;
    if (fork.is_open || !to) return std::nullopt;
    const int socket = fork.ports[0].socket.descriptor();
    // A connected socket spares the kernel the search for a route with each packet, a tenth of what
    // a copy costs; nothing is awaited at it.
    fork.is_open = ::connect(socket, to->get(), to->size) == 0;
    if (!fork.is_open) return std::nullopt;
    // What the server before refused last is still to be told, and would be told to the first
    // packet of this one, which then would not leave.
    int refused = 0;
    socklen_t size = sizeof refused;
    static_cast<void>(::getsockopt(socket, SOL_SOCKET, SO_ERROR, &refused, &size));
    if (!fork.owed_since_ns) {
        fork.owed_since_ns = now_ns;
        return std::nullopt;
    }
    return fork.server == fork.lost_server ? std::max(*fork.owed_since_ns, fork.lost_ns)
                                           : *fork.owed_since_ns;
}

void PacketForwarder::on_packet(Port& port, base::ByteView bytes, const base::NetAddress& source) {
    if (port.fork != nullptr) {
        on_server_packet(port, bytes, source);
    } else {
        on_leg_packet(port, bytes, source);
    }
}

void PacketForwarder::on_leg_packet(Port& port, base::ByteView bytes,
                                    const base::NetAddress& source) {
    LineFlow& line = *port.line;
    LegCounters& counters = line.counters->legs[index_of(port.leg)];
    const PacketKind what = rtp::classify(bytes);
    // RTCP may share RTP's port; what else there is (DTLS, STUN) belongs to the port it came to.
    const SocketKind kind = what == PacketKind::Rtcp  ? SocketKind::Rtcp
                            : what == PacketKind::Rtp ? SocketKind::Rtp
                                                      : port.kind;
    PacketCounter& counter = kind == SocketKind::Rtcp ? counters.rtcp : counters.rtp;
    LineFlow::Side& side = line.sides[index_of(port.leg)];
    SourceLatch& latch = side.latches[static_cast<std::size_t>(port.kind)];
    // RTCP where RTP is awaited proves nothing of where RTP comes from; RTP on RTCP's port is lost.
    const bool is_strange = port.kind == SocketKind::Rtcp && what == PacketKind::Rtp;
    const auto mark = kind == port.kind ? mark_of(what, bytes) : std::nullopt;
    const base::NetAddress before = latch.source();
    if (!is_relayed(what) || is_strange || !latch.accepts(source, mark, now_ns_))
        return counter.drop();
    if (latch.source() != before) {
        side.to[static_cast<std::size_t>(port.kind)] = to_send_address(latch.destination());
        if (port.kind == SocketKind::Rtp) counters.heard_at.set(latch.source());
    }
    counter.add(bytes.size(), now_ns_);
    if (line.keys && mark && what == PacketKind::Rtp)
        line.keys->on_packet(port.leg, bytes, now_ns_);
    pass_on(line, port.leg, kind, bytes);
    if (what == PacketKind::Rtp || what == PacketKind::Rtcp) copy(line, port.leg, kind, bytes);
}

void PacketForwarder::pass_on(LineFlow& line, Leg from, SocketKind kind, base::ByteView bytes) {
    const Leg leg = other(from);
    const SocketKind by = line.has_rtcp_mux ? SocketKind::Rtp : kind;
    const LineFlow::Side& side = line.sides[index_of(leg)];
    const auto& to = side.to[static_cast<std::size_t>(by)];
    Port& port = line.port(leg, by);
    if (!to || side.is_mute) return on_unsent(port, EDESTADDRREQ);
    if (side.sound != nullptr && kind == SocketKind::Rtp && !line.is_secure) {
        // Elsewhere: the copies for recorders go out by the same bytes, and stay as they came.
        const std::span<std::uint8_t> room = turn_bytes_.take();
        const SoundMixer::Fate fate = side.sound->on_packet(bytes, room, now_ns_);
        if (fate != SoundMixer::Fate::Changed) turn_bytes_.give_back();
        if (fate == SoundMixer::Fate::Drop) return;
        if (fate == SoundMixer::Fate::Changed) bytes = room.first(bytes.size());
    }
    io_.send(port, bytes, &*to);
}

void PacketForwarder::fill(LineFlow& line) {
    for (const Leg leg : {Leg::A, Leg::B}) {
        LineFlow::Side& side = line.sides[index_of(leg)];
        const auto& to = side.to[static_cast<std::size_t>(SocketKind::Rtp)];
        if (side.sound == nullptr || !to || side.is_mute || line.is_secure) continue;
        const std::span<std::uint8_t> room = turn_bytes_.take();
        const std::size_t size = side.sound->fill(room, now_ns_);
        if (size > 0)
            io_.send(line.port(leg, SocketKind::Rtp), room.first(size), &*to);
        else
            turn_bytes_.give_back();
    }
}

void PacketForwarder::copy(LineFlow& line, Leg from, SocketKind kind, base::ByteView bytes) {
    LineFlow::Side& side = line.sides[index_of(from)];
    if (side.protection != nullptr && !side.forks.empty()) {
        bytes = side.protection->renew(kind, bytes, turn_bytes_.take());
        if (bytes.empty()) {  // forged, or seen before: no server gets it
            for (ForkFlow* fork : side.forks)
                (kind == SocketKind::Rtp ? fork->counters->rtp : fork->counters->rtcp).drop();
            return;
        }
    }
    if (side.ring != nullptr && kind == SocketKind::Rtp) side.ring->add(bytes, now_ns_);
    for (ForkFlow* fork : side.forks) {
        if (!fork->is_open) {
            if (fork->rtp_to && kind == SocketKind::Rtp) fork->counters->rtp.drop();
            continue;
        }
        if (kind == SocketKind::Rtp) {
            fork->counters->rtp.add(bytes.size(), now_ns_);
            io_.send(fork->ports[0], bytes, nullptr);
        } else if (fork->rtcp_to) {
            fork->counters->rtcp.add(bytes.size(), now_ns_);
            io_.send(fork->ports[1], bytes, &*fork->rtcp_to);
        }
    }
}

void PacketForwarder::on_server_packet(Port& port, base::ByteView bytes,
                                       const base::NetAddress& source) {
    ForkFlow& fork = *port.fork;
    const bool counts =
        fork.is_open && source.same_host(fork.server) && rtp::classify(bytes) == PacketKind::Rtcp;
    if (!counts) return fork.counters->from_server.drop();
    fork.counters->from_server.add(bytes.size(), now_ns_);
    fork.watch.on_rtcp(now_ns_);
    LineFlow& line = *fork.line;
    if (!line.is_secure && is_for_sender(bytes))
        pass_on(line, other(fork.from), SocketKind::Rtcp, bytes);
}

// Told of the port that could not send: the packet was another leg's, and is missing here.
void PacketForwarder::on_unsent(Port& port, int error) {
    if (port.fork != nullptr) {
        ForkFlow& fork = *port.fork;
        (port.kind == SocketKind::Rtp ? fork.counters->rtp : fork.counters->rtcp).drop();
        // RTP's socket alone is connected, and told of what its packets met.
        if (port.kind != SocketKind::Rtp || !fork.is_open) return;
        const Silence why = fork.watch.on_unsent(error, now_ns_);
        if (why != Silence::None) silent_(fork, why);
        return;
    }
    LegCounters& counters = port.line->counters->legs[index_of(other(port.leg))];
    (port.kind == SocketKind::Rtp ? counters.rtp : counters.rtcp).drop();
}

void PacketForwarder::look_after(ForkFlow& fork) {
    if (!fork.is_open) return;
    const Silence why = fork.watch.on_time(now_ns_, fork.counters->rtp.last_ns());
    if (why != Silence::None) silent_(fork, why);
}

bool is_for_sender(base::ByteView rtcp) {
    constexpr std::uint8_t kReceiverReport = 201;
    constexpr std::uint8_t kSourceDescription = 202;
    constexpr std::uint8_t kTransportFeedback = 205;  // RFC 4585
    constexpr std::uint8_t kPayloadFeedback = 206;    // PLI; FIR is RFC 5104's
    bool concerns = false;
    while (rtcp.size() >= kRtcpHeaderBytes) {
        const std::uint8_t type = rtcp[1];
        const std::size_t size = (std::size_t{base::load_u16(rtcp, 2)} + 1) * 4;
        if ((rtcp[0] >> 6) != 2 || size > rtcp.size()) return false;
        if (type != kSourceDescription) {
            if (type != kReceiverReport && type != kTransportFeedback && type != kPayloadFeedback)
                return false;
            concerns = true;
        }
        rtcp = rtcp.subspan(size);
    }
    return concerns && rtcp.empty();
}

}  // namespace earshot::relay
