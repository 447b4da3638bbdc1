// How a relay worker waits for packets and sends them: the seam between what is done with a packet
// (packet_flow.h) and the ways Linux has for it.
//
//   socket_packet_io.h  epoll, recvmmsg, sendto; needs nothing
//   uring_packet_io.h   io_uring: one system call for all that came and all that goes out
//
// One object, its ports and its sink belong to one thread from begin() on.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/time.h"
#include "io/socket_address.h"
#include "io/udp_socket.h"
#include "relay/media_plane.h"

namespace earshot::relay {

struct LineFlow;
struct ForkFlow;

// One socket of a call. It stays where it is between add() and remove().
struct Port {
    explicit Port(io::UdpSocket opened, io::SocketKind its_kind)
        : socket(std::move(opened)), kind(its_kind) {}

    io::UdpSocket socket;
    io::SocketKind kind;
    Leg leg = Leg::A;          // that it faces; of a fork: whose media it sends
    LineFlow* line = nullptr;  // of a leg's port
    ForkFlow* fork = nullptr;  // of a subscription's port
    std::uint32_t place = 0;   // the engine's own
    bool is_read = false;      // it has been added
    bool is_wanted = false;    // to be read, also where that could not be done yet
};

// While media flows, packets come all the time, and to wake for each costs more than to pass it on.
// So after a turn that brought several the next one begins kGather later: no packet waits longer
// than that, which is what a relay adds to their delay.
class Pace {
public:
    static constexpr std::chrono::microseconds kGather{250};
    static constexpr std::size_t kManyPackets = 2;  // in one turn

    // How long packets gather before the next turn, seen from `now`; zero: wake for the first.
    std::chrono::nanoseconds pause(base::TimePoint now) const {
        if (!is_busy_) return {};
        return std::max<std::chrono::nanoseconds>(began_ + kGather - now, {});
    }
    void on_turn(base::TimePoint began, std::size_t packets) {
        began_ = began;
        is_busy_ = packets >= kManyPackets;
    }

private:
    base::TimePoint began_{};
    bool is_busy_ = false;
};

class PacketIo {
public:
    class Sink {
    public:
        virtual ~Sink() = default;
        // Before the packets of each turn; `is_woken`: somebody has called wake(). Here ports may
        // be added and removed. Returns the time.
        virtual base::TimePoint on_turn(bool is_woken) = 0;
        // The bytes are borrowed; what is sent in the call may refer to them.
        virtual void on_packet(Port& port, std::span<std::uint8_t> bytes,
                               const base::NetAddress& source) = 0;
        // What was sent did not leave: no room, or the peer's host refuses (ICMP); the errno.
        virtual void on_unsent(Port& port, int error) = 0;
        // After the packets of each turn. What is sent here may refer to any bytes that stay as
        // they are until the next turn.
        virtual void on_end() = 0;
    };

    PacketIo() = default;
    PacketIo(const PacketIo&) = delete;
    PacketIo& operator=(const PacketIo&) = delete;
    virtual ~PacketIo() = default;

    // On the thread that uses it from now on. False: it cannot be used.
    virtual bool begin() = 0;
    // False: it cannot be waited for now (the kernel has no room for it), and may be added again.
    virtual bool add(Port& port) = 0;
    // Nothing more of it comes to the sink; it may be destroyed at once.
    virtual void remove(Port& port) = 0;
    // Only within on_packet(), with its bytes, or on_end(). `to` null: where the socket is
    // connected to.
    virtual void send(Port& port, base::ByteView bytes, const io::SocketAddress* to) = 0;
    // Within a turn: what was sent leaves now, and its bytes are not needed any more.
    virtual void flush() = 0;

    // Waits for packets, at most `limit`, and gives them to the sink, at the pace of Pace.
    virtual void turn(Sink& sink, base::TimePoint now, std::chrono::milliseconds limit) = 0;
    virtual void wake() = 0;  // any thread

    virtual const char* name() const = 0;
};

}  // namespace earshot::relay
