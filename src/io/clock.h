// The one place where time comes from: an interface, so that tests and simulations own it.
#pragma once

#include "base/time.h"

namespace earshot::io {

class Clock {
public:
    Clock() = default;
    Clock(const Clock&) = delete;
    Clock& operator=(const Clock&) = delete;
    virtual ~Clock() = default;

    // Any thread. Both clocks, read one right after the other.
    virtual base::Now now() const = 0;
};

// CLOCK_MONOTONIC and CLOCK_REALTIME.
class SystemClock : public Clock {
public:
    base::Now now() const override {
        return {.steady = std::chrono::steady_clock::now(),
                .wall = std::chrono::time_point_cast<std::chrono::nanoseconds>(
                    std::chrono::system_clock::now())};
    }
};

// Stands still until it is told otherwise. For tests.
class ManualClock : public Clock {
public:
    base::Now now() const override { return now_; }
    void advance(std::chrono::nanoseconds by) {
        now_.steady += std::chrono::duration_cast<base::TimePoint::duration>(by);
        now_.wall += by;
    }
    void step_wall(std::chrono::nanoseconds by) { now_.wall += by; }

private:
    base::Now now_{.steady = base::TimePoint{std::chrono::hours{1}},
                   .wall = base::wall_from_ns(1'770'000'000'000'000'000)};
};

}  // namespace earshot::io
