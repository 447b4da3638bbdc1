// Where the kernel lost packets: counters of /proc/net that only grow. They are those of the whole
// host (of its network namespace; the backlog's of all of them), not of our sockets alone.
#pragma once

#include <cstdint>
#include <string_view>

namespace earshot::io {

struct KernelCounters {
    std::uint64_t full_buffers = 0;   // RcvbufErrors: a UDP socket was not read in time
    std::uint64_t no_memory = 0;      // MemErrors: net.ipv4.udp_mem was used up
    std::uint64_t full_backlogs = 0;  // softnet_stat: a CPU did not keep up with its packets

    bool any() const { return full_buffers + no_memory + full_backlogs > 0; }
    // What was counted since then.
    KernelCounters operator-(const KernelCounters& earlier) const;
};

// The text of /proc/net/snmp, snmp6 and softnet_stat. What they do not have counts as 0.
KernelCounters parse_kernel_counters(std::string_view snmp, std::string_view snmp6,
                                     std::string_view softnet);
KernelCounters read_kernel_counters();

}  // namespace earshot::io
