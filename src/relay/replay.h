// What a fork sends late: packets of the ring from before its server's answer. Live ones go out as
// ever, beside these; the server sorts them in by their sequence. Slowly enough that they fit into
// its socket together with the live ones, and not many of all forks at once. Belongs to a worker's
// thread.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "base/time.h"
#include "relay/packet_flow.h"
#include "relay/packet_io.h"
#include "relay/packet_ring.h"

namespace earshot::relay {

class Replayer {
public:
    explicit Replayer(PacketIo& io) : io_(io) {}

    // Those that arrived in [from, until).
    void begin(ForkFlow& fork, const PacketRing& ring, std::int64_t from_ns, std::int64_t until_ns);
    // Nothing more of it.
    void cancel(const ForkFlow& fork);
    // Its call has ended: what is left goes out as fast as a socket takes it, until take_over()
    // returns the fork. False: there is nothing left.
    bool leave(ForkFlow& fork, std::int64_t now_ns);

    // At the end of a turn: those that are due.
    void send_due(std::int64_t now_ns);
    // Forks that have left, of which nothing more is sent.
    std::vector<ForkFlow*> take_over();
    bool is_idle() const { return replays_.empty(); }

private:
    struct Replay {
        ForkFlow* fork = nullptr;
        const PacketRing* ring = nullptr;
        PacketRing::Cursor at;
        std::int64_t until_ns = 0;
        std::uint64_t sent_before = 0;  // by the fork
        std::int64_t due_ns = 0;        // the next one
        std::int64_t step_ns = 0;
        std::int64_t end_ns = std::numeric_limits<std::int64_t>::max();  // it has left: until when
    };
    static bool has_left(const Replay& replay) {
        return replay.end_ns != std::numeric_limits<std::int64_t>::max();
    }
    void erase(std::vector<Replay>::iterator replay);
    static bool may_begin(const Replay& replay, std::int64_t now_ns);
    bool send_next(Replay& replay, std::int64_t now_ns);  // false: there are no more
    std::vector<Replay>::iterator find(const ForkFlow& fork);

    PacketIo& io_;
    std::vector<Replay> replays_;
    std::size_t first_ = 0;  // whose turn it is
    std::vector<ForkFlow*> over_;
};

}  // namespace earshot::relay
