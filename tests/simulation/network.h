// A network of datagrams in simulated time that loses, doubles, delays and so reorders what it is
// given, all by one seeded generator.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/random.h"
#include "base/time.h"

namespace earshot::simulation {

using std::chrono::milliseconds;

// What a scenario decides by chance. One draw a statement: the order of two in one expression is
// the compiler's, and a seed is to mean the same everywhere.
class Draws {
public:
    explicit Draws(base::Random& random) : random_(random) {}
    bool chance(unsigned percent) { return random_.u64() % 100 < percent; }
    std::uint64_t between(std::uint64_t low, std::uint64_t high) {
        return low + random_.u64() % (high - low + 1);
    }
    milliseconds time(std::uint64_t low_ms, std::uint64_t high_ms) {
        return milliseconds{between(low_ms, high_ms)};
    }

private:
    base::Random& random_;
};

struct NetworkFaults {
    unsigned loss_percent = 0;
    unsigned duplicate_percent = 0;
    std::uint64_t min_delay_ms = 1;
    std::uint64_t max_delay_ms = 1;  // drawn for each copy: what is sent later may arrive earlier
                                     // (and to the nanosecond: no two things happen at once)
};

using SharedPacket = std::shared_ptr<const base::Bytes>;

struct Datagram {
    base::NetAddress from;
    base::NetAddress to;
    SharedPacket bytes;
};

class Network {
public:
    // Borrows `draws`.
    Network(NetworkFaults faults, Draws& draws) : faults_(faults), draws_(draws) {}

    void send(base::TimePoint now, Datagram datagram);
    // Nothing goes to or comes from this host any more.
    void cut_off(const base::NetAddress& host) { dark_.insert(host.ip); }

    std::optional<base::TimePoint> deadline() const;
    std::optional<Datagram> take(base::TimePoint now);  // the next that has arrived

private:
    void deliver(base::TimePoint now, const Datagram& datagram);

    NetworkFaults faults_;
    Draws& draws_;
    std::uint64_t last_ = 0;
    std::map<std::pair<base::TimePoint, std::uint64_t>, Datagram> on_the_way_;
    std::set<std::array<std::uint8_t, 16>> dark_;
};

}  // namespace earshot::simulation
