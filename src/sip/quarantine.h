// Targets that did not answer: for a while they are tried only after all others (RFC 3263 section
// 4.3), so that one dead server of a client's pool does not cost each request its timeout.
#pragma once

#include <map>
#include <vector>

#include "base/time.h"
#include "sip/agent_limits.h"
#include "sip/server_location.h"

namespace earshot::sip {

class Quarantine {
public:
    // Each target stays for `time`.
    explicit Quarantine(std::chrono::seconds time = kQuarantineTime,
                        std::size_t capacity = kMaxQuarantined)
        : time_(time), capacity_(capacity) {}

    // Beyond the capacity the one that is due first makes room.
    void add(const Target& target, base::TimePoint now);
    void remove(const Target& target) { until_.erase(target); }  // it answered
    bool holds(const Target& target, base::TimePoint now) const;
    // Moves those that are held to the end; the order is kept otherwise.
    void order(std::vector<Target>& targets, base::TimePoint now) const;

private:
    std::chrono::seconds time_;
    std::size_t capacity_;
    std::map<Target, base::TimePoint> until_;
};

}  // namespace earshot::sip
