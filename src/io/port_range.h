// A range of UDP ports for media: even ones for RTP, the odd one above each for its RTCP.
#pragma once

#include <cstdint>

namespace earshot::io {

struct PortRange {
    std::uint16_t low = 10000;
    std::uint16_t high = 19999;
    friend bool operator==(const PortRange&, const PortRange&) = default;
};

}  // namespace earshot::io
