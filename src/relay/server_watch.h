// Whether a recording server that is sent a stream is still there, as far as the network tells:
// - ICMP says that nobody has its port (a process that died), or that there is no way to its host;
// - or it has sent RTCP (RFC 3550 section 6.2), and for several of its own intervals has not.
// Who never sends RTCP, or sits behind a firewall that swallows ICMP, is never suspected. Pure; of
// one fork. Times are in ns of a steady clock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "relay/limits.h"

namespace earshot::relay {

// Refusal: one packet has met a closed port, which alone may be a port that closes in its turn.
// Refused: several in a row have.
enum class Silence : std::uint8_t { None, Refusal, Refused, NoRtcp };
inline constexpr std::size_t kSilences = 4;

class ServerWatch {
public:
    // The errno of a packet that could not leave. The first refusal of a row is told at once, a
    // suspicion again each second for as long as it lasts: who is told may have to wait for that of
    // other streams.
    Silence on_unsent(int error, std::int64_t now_ns);
    void on_rtcp(std::int64_t now_ns);
    // Now and then; `sent_ns`: when the last packet was sent.
    Silence on_time(std::int64_t now_ns, std::int64_t sent_ns);

private:
    int refused_ = 0;  // packets in a row, as far as can be known
    std::int64_t first_refused_ns_ = 0;
    std::int64_t last_refused_ns_ = 0;
    std::int64_t told_ns_ = 0;

    int reports_ = 0;
    std::int64_t last_report_ns_ = 0;
    std::int64_t interval_ns_ = 0;  // the longest between two reports
    bool was_idle_ = false;         // nothing was sent that could be reported
    std::int64_t resumed_ns_ = 0;   // when it was again
};

}  // namespace earshot::relay
