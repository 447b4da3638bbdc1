// The packets of one m-line of a call: from each leg to the other, and copies to those who
// subscribed. It belongs to a worker's thread; signalling speaks to it by commands.
//
//   leg A's phone <-> port A [RTP RTCP] <-> port B [RTP RTCP] <-> leg B's phone
//                         |                    |
//                       fork                 fork  <-> recording server
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/net_address.h"
#include "io/socket_address.h"
#include "io/udp_socket.h"
#include "relay/counters.h"
#include "relay/fork_protection.h"
#include "relay/key_reader.h"
#include "relay/media_plane.h"
#include "relay/negotiation.h"
#include "relay/packet_io.h"
#include "relay/packet_ring.h"
#include "relay/server_watch.h"
#include "relay/sound_mixer.h"
#include "relay/source_latch.h"
#include "relay/turn_bytes.h"

namespace earshot::relay {

// The sockets of one stream of a subscription.
struct ForkFlow {
    ForkFlow(io::UdpPair pair, std::shared_ptr<ForkCounters> shared);

    std::uint64_t id = 0;
    CallKey call;
    std::uint32_t subscription = 0;
    LineFlow* line = nullptr;
    Leg from = Leg::A;
    std::array<Port, 2> ports;  // by io::SocketKind
    bool is_open = false;
    std::optional<io::SocketAddress> rtp_to;  // of RTP's socket, which is connected to it
    std::optional<io::SocketAddress> rtcp_to;
    base::NetAddress server;
    std::shared_ptr<ForkCounters> counters;
    ServerWatch watch;

    bool is_kept = false;  // what the line's ring has is for its servers, too: those packets
    // that came since it began, or began anew after a stop that was wanted. Nothing: it has not.
    std::optional<std::int64_t> owed_since_ns;
    base::NetAddress lost_server;  // the last one, and when: it has all from before
    std::int64_t lost_ns = 0;
    // Its call has ended (`line` null), and it still sends what is left of this.
    std::shared_ptr<const PacketRing> rest;
};

struct LineFlow {
    // The pair that faces A, and the one that faces B.
    LineFlow(std::array<io::UdpPair, 2> pairs, std::shared_ptr<LineCounters> shared);

    struct Side {
        std::array<SourceLatch, 2> latches;                    // by io::SocketKind
        std::array<std::optional<io::SocketAddress>, 2> to{};  // where this leg's media goes
        bool is_mute = true;               // nothing is sent there: on hold, ended, not known yet
        std::vector<ForkFlow*> forks;      // of what this leg sends
        std::shared_ptr<PacketRing> ring;  // while one of them wants it
        std::unique_ptr<ForkProtection> protection{};  // of what it sends; null: as it comes
        std::unique_ptr<SoundMixer> sound{};           // in what this leg hears; most often none
    };

    std::uint64_t id = 0;
    CallKey call;
    std::array<std::array<Port, 2>, 2> ports;  // by leg, by io::SocketKind
    std::array<Side, 2> sides;                 // by leg
    bool has_rtcp_mux = false;
    bool is_secure = false;  // SRTP: what a recording server says is not under the leg's keys
    std::shared_ptr<LineCounters> counters;
    std::unique_ptr<LineKeys> keys;  // null: no key can be told by RTP, or not be read (SRTP)

    Port& port(Leg leg, io::SocketKind kind) {
        return ports[index_of(leg)][static_cast<std::size_t>(kind)];
    }
};

// What a leg may send and where it is, anew.
void set_remote(LineFlow& line, Leg leg, const Remote& remote);
// Starts, moves or stops (`rtp` unspecified) the fork. Returns since when the server that it starts
// with lacks packets of the ring; nullopt: it lacks none.
std::optional<std::int64_t> set_fork(ForkFlow& fork, const base::NetAddress& rtp,
                                     const base::NetAddress& rtcp, Stop why, std::int64_t now_ns);
// Once more, where there was no route: what could not leave meanwhile counts as dropped. Returns
// the same.
std::optional<std::int64_t> open_fork(ForkFlow& fork, std::int64_t now_ns);

// What is done with each packet; never a lock, an allocation or a line of log.
class PacketForwarder {
public:
    // A server seems dead to one of its streams; may be said again.
    using ForkSilent = std::function<void(const ForkFlow& fork, Silence why)>;

    PacketForwarder(PacketIo& io, ForkSilent silent) : io_(io), silent_(std::move(silent)) {}

    // The time of the packets that follow.
    void set_now(base::TimePoint now) {
        now_ns_ = now.time_since_epoch().count();
        turn_bytes_.reset();
    }
    std::int64_t now_ns() const { return now_ns_; }
    void on_packet(Port& port, base::ByteView bytes, const base::NetAddress& source);
    void on_unsent(Port& port, int error);
    // Now and then.
    void look_after(ForkFlow& fork);
    // Sends what is due of the sounds of a line, where nothing passes that they could be mixed
    // with.
    void fill(LineFlow& line);

private:
    void on_leg_packet(Port& port, base::ByteView bytes, const base::NetAddress& source);
    void on_server_packet(Port& port, base::ByteView bytes, const base::NetAddress& source);
    void pass_on(LineFlow& line, Leg from, io::SocketKind kind, base::ByteView bytes);
    void copy(LineFlow& line, Leg from, io::SocketKind kind, base::ByteView bytes);

    PacketIo& io_;
    const ForkSilent silent_;
    TurnBytes turn_bytes_;
    std::int64_t now_ns_ = 0;
};

// RTCP of a recording server that concerns who sent the media: reports on it and requests for key
// frames, in a compound of which nothing else comes (no BYE: the call has not ended for it).
bool is_for_sender(base::ByteView rtcp);

}  // namespace earshot::relay
