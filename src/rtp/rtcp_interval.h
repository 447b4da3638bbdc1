// When to send the next RTCP packet (RFC 3550 sections 6.2, 6.3 and appendix A.7), for a session
// of few members: the randomised minimum of 5 s, half of it for the first, longer when 5 percent of
// the bandwidth demand it.
#pragma once

#include <chrono>
#include <cstddef>

#include "base/random.h"

namespace earshot::rtp {

struct RtcpIntervalInput {
    std::size_t members = 2;
    double average_packet_bytes = 100;  // with UDP and IP headers
    double session_bytes_per_s = 8000;  // of media; RTCP may use 5 percent
    bool initial = false;
};

std::chrono::nanoseconds rtcp_interval(const RtcpIntervalInput& input, base::Random& random);

}  // namespace earshot::rtp
