// Even RTP ports (RTCP is the next odd one) from a range. A freed pair rests, so that late packets
// of the old call do not fall into a new one (threats: stale packets on recycled ports); the pair
// that has rested longest is used first. No sockets here: who binds reports what was in use.
// One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/random.h"
#include "base/time.h"

namespace earshot::io {

class PortAllocator {
public:
    static constexpr std::chrono::seconds kRest{30};         // the aim
    static constexpr std::chrono::seconds kShortestRest{2};  // under pressure

    struct Counters {
        std::uint64_t allocated = 0;
        std::uint64_t short_rests = 0;  // pairs used again before kRest
        std::uint64_t exhausted = 0;    // requests that found nothing
    };

    // Pairs (p, p + 1) with p even and both within [low, high]. Fresh pairs come in random order.
    PortAllocator(std::uint16_t low, std::uint16_t high, base::Random& random);

    // The even port of a pair, or nothing when all are in use or freed less than kShortestRest ago.
    std::optional<std::uint16_t> allocate(base::TimePoint now);
    // Whether allocate() would give a pair that is fresh or has rested as long as it should.
    bool has_rested(base::TimePoint now) const;
    // How many pairs allocate() would give now, one after the other.
    std::size_t available(base::TimePoint now) const;
    // Gives a pair back: a closed call, or a pair that turned out to be bound by a stranger.
    void release(std::uint16_t rtp_port, base::TimePoint now);

    std::size_t pairs() const { return pairs_; }
    std::size_t in_use() const { return pairs_ - fresh_.size() - resting_.size(); }
    const Counters& counters() const { return counters_; }

private:
    struct Resting {
        std::uint16_t port = 0;
        base::TimePoint since{};
    };
    std::size_t pairs_ = 0;
    std::deque<std::uint16_t> fresh_;
    std::deque<Resting> resting_;  // oldest first
    Counters counters_;
};

}  // namespace earshot::io
