// What each host has under way, so that none can take the room of all the others. The signalling
// thread's.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "base/net_address.h"
#include "server/admission.h"

namespace earshot::server {

class HostLoad {
public:
    HostCalls of(const base::NetAddress& host) const {
        const auto found = hosts_.find(host.ip);
        return found == hosts_.end() ? HostCalls{} : found->second;
    }
    void on_call(const base::NetAddress& host) {
        HostCalls& calls = hosts_[host.ip];
        ++calls.running;
        ++calls.unacknowledged;
    }
    void on_acknowledged(const base::NetAddress& host) {
        const auto found = hosts_.find(host.ip);
        if (found != hosts_.end() && found->second.unacknowledged > 0)
            --found->second.unacknowledged;
    }
    void on_end(const base::NetAddress& host, bool was_acknowledged) {
        const auto found = hosts_.find(host.ip);
        if (found == hosts_.end()) return;
        if (!was_acknowledged) --found->second.unacknowledged;
        if (--found->second.running == 0) hosts_.erase(found);
    }

private:
    std::map<std::array<std::uint8_t, 16>, HostCalls> hosts_;  // with at least one call
};

}  // namespace earshot::server
