// How a capture thread reads its media sockets: the seam between the clock-driven loop, which knows
// calls, and the ways in which Linux hands over packets. Three implementations:
//
//   drain_reader.h        recvmmsg on each socket at its turn; needs nothing
//   uring_reader.h        io_uring multishot receives; needs a kernel that permits it
//   packet_ring_reader.h  an AF_PACKET ring before the UDP stack; needs CAP_NET_RAW, CAP_NET_ADMIN
//
// The sockets stay bound in all of them: they hold the ports, send RTCP, and take what the faster
// way cannot. A reader, its flows and its sink belong to one thread from begin() on.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "io/limits.h"
#include "io/udp_socket.h"

namespace earshot::io {

// The sockets of one media stream. It stays where it is between add() and remove().
struct MediaFlow {
    explicit MediaFlow(UdpPair pair) : sockets(std::move(pair)) {}

    UdpPair sockets;
    bool is_bursty = false;      // RTP is read at each tick; else when tick and phase say so
    std::uint32_t phase = 0;     // spreads the turns of the flows over the ticks
    bool is_paused = false;      // RTP is thrown away; set by pause() and resume() alone
    std::int64_t opened_ns = 0;  // what arrived before is of an earlier call (CLOCK_REALTIME)
    std::array<std::uint32_t, 2> places{};  // the reader's own
};

// What a reader saw that no flow is told of, since its beginning.
struct ReaderCounters {
    std::uint64_t ring_drops = 0;      // found the packet ring full: lost
    std::uint64_t ring_invalid = 0;    // no good IP and UDP: a checksum, a length
    std::uint64_t ring_unclaimed = 0;  // to a port that no flow has
    std::uint64_t broken_rings = 0;    // io_uring's that could not be enabled
    std::uint64_t direct_sockets = 0;  // io_uring failed for them: they are drained
};

class MediaReader {
public:
    class Sink {
    public:
        virtual ~Sink() = default;
        // Bytes are borrowed for the call. What must not stay in memory is wiped by the callee.
        virtual void on_datagram(MediaFlow& flow, SocketKind kind, const Datagram& datagram) = 0;
        // RTP of a paused flow that was thrown away without being read. Told at each look.
        virtual void on_discarded(MediaFlow& flow, std::uint64_t count) = 0;
    };

    MediaReader() = default;
    MediaReader(const MediaReader&) = delete;
    MediaReader& operator=(const MediaReader&) = delete;
    virtual ~MediaReader() = default;

    // First of all, on the thread that uses the reader from now on.
    virtual void begin() {}

    virtual void add(MediaFlow& flow) = 0;
    // Nothing more of it is given to a sink. Its sockets may be closed at once.
    virtual void remove(MediaFlow& flow) = 0;

    // What is due at this tick and comes for many flows together; some 64 datagrams of it at a
    // time. True: call again, after obeying what was asked for meanwhile.
    virtual bool read(std::uint64_t tick, Sink& sink) = 0;
    // It is this socket's turn: RTP of a paced flow once in a drain period, of a bursty one at each
    // tick, RTCP once a second.
    virtual void visit(MediaFlow& flow, SocketKind kind, Sink& sink) = 0;
    // All that has arrived at this socket until now, and nothing of other flows: their owner may
    // not have obeyed what was asked for them.
    virtual void drain(MediaFlow& flow, SocketKind kind, Sink& sink) = 0;

    // From here on RTP is thrown away unread where that is possible; what was under way still
    // comes to the sink. Drain before both.
    virtual void pause(MediaFlow& flow) { flow.is_paused = true; }
    virtual void resume(MediaFlow& flow) { flow.is_paused = false; }

    virtual ReaderCounters counters() const { return {}; }  // any thread

protected:
    // What waits at the socket itself; returns whether there was anything. The kernel may give less
    // than there is, where it runs short of memory; the rest is for the next turn.
    bool receive(MediaFlow& flow, SocketKind kind, Sink& sink);
    // There may be no next turn: until the socket has nothing, at the price of one more call.
    void receive_all(MediaFlow& flow, SocketKind kind, Sink& sink);
    static void discard(MediaFlow& flow, Sink& sink);

private:
    bool receive_until(std::size_t too_few, MediaFlow& flow, SocketKind kind, Sink& sink);

    DatagramBatch batch_{kBatchDatagrams, kMaxMediaBytes};
};

}  // namespace earshot::io
