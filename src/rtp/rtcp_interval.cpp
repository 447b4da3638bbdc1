#include "rtp/rtcp_interval.h"

#include <algorithm>

namespace earshot::rtp {

std::chrono::nanoseconds rtcp_interval(const RtcpIntervalInput& input, base::Random& random) {
    constexpr double kShareOfRtcp = 0.05;
    constexpr double kMinimumSeconds = 5.0;
    constexpr double kCompensation = 2.71828 - 1.5;  // for timer reconsideration, RFC 3550 A.7

    const double bandwidth = std::max(input.session_bytes_per_s * kShareOfRtcp, 1.0);
    const double demanded =
        input.average_packet_bytes * static_cast<double>(input.members) / bandwidth;
    const double seconds =
        std::max(demanded, input.initial ? kMinimumSeconds / 2 : kMinimumSeconds);
    const double factor = 0.5 + static_cast<double>(random.u32()) / 4294967296.0;  // 0.5 .. 1.5
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(seconds * factor / kCompensation));
}

}  // namespace earshot::rtp
