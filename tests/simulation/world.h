// What all that take part share: the time, the network, chance, and whom to tell of a broken
// promise.
#pragma once

#include <stdexcept>
#include <string>

#include "network.h"
#include "server/timer_list.h"

namespace earshot::simulation {

// A promise was broken: ends the run of this seed.
class Broken : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};
inline void require(bool holds, const std::string& promise) {
    if (!holds) throw Broken(promise);
}

struct World {
    base::Now now{base::TimePoint{} + std::chrono::hours{1},
                  base::parse_time("2026-03-02T09:15:01Z")->time};
    base::Random& random;
    Draws& draws;
    Network& network;
    server::TimerList timers;  // of all: what happens later
    bool is_traced = false;

    void trace(const std::string& line) const {
        if (is_traced) {
            const auto ms = std::chrono::duration_cast<milliseconds>(now.steady.time_since_epoch());
            fmt::print("{:>10} {}\n", ms.count() - 3'600'000, line);
        }
    }
    void later(milliseconds delay, std::function<void()> work) {
        timers.add(now.steady + delay, std::move(work));
    }
};

}  // namespace earshot::simulation
