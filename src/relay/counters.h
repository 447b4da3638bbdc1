// What a worker counts and signalling reads: one writes, any thread reads, nothing is locked.
// Times are of the steady clock, in ns; 0: never.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/net_address.h"
#include "base/snapshot.h"
#include "relay/media_plane.h"

namespace earshot::relay {

class PacketCounter {
public:
    void add(std::size_t octets, std::int64_t now_ns) {
        raise(packets_, 1);
        raise(octets_, octets);
        last_ns_.store(now_ns, std::memory_order_relaxed);
    }
    void drop() { raise(dropped_, 1); }
    std::int64_t last_ns() const { return last_ns_.load(std::memory_order_relaxed); }

    PacketCount read() const {
        PacketCount count{.packets = packets_.load(std::memory_order_relaxed),
                          .octets = octets_.load(std::memory_order_relaxed),
                          .dropped = dropped_.load(std::memory_order_relaxed),
                          .last = std::nullopt};
        if (const std::int64_t last = last_ns(); last != 0)
            count.last = base::TimePoint{std::chrono::nanoseconds{last}};
        return count;
    }

private:
    // One thread writes: no read-modify-write, which would lock the bus.
    static void raise(std::atomic<std::uint64_t>& value, std::uint64_t by) {
        value.store(value.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }

    std::atomic<std::uint64_t> packets_{0};
    std::atomic<std::uint64_t> octets_{0};
    std::atomic<std::uint64_t> dropped_{0};
    std::atomic<std::int64_t> last_ns_{0};
};

// Shared by the worker and signalling: either may let go of it first.
struct LegCounters {
    PacketCounter rtp;
    PacketCounter rtcp;
    base::Snapshot<base::NetAddress> heard_at;  // set as it changes, which is seldom
};
struct LineCounters {
    std::array<LegCounters, 2> legs;
};
struct ForkCounters {
    PacketCounter rtp;
    PacketCounter rtcp;
    PacketCounter from_server;
    PacketCounter replayed;  // of rtp, what was sent late
    std::atomic<bool> is_replaying{false};
};

}  // namespace earshot::relay
