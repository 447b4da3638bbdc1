// Where the phones and the recording server of the relay benchmark are: bench/client's programs and
// its driver of RTPEngine agree here. Calls of one slot share their sockets; packets say whose they
// are.
//
// Payload of a packet, big-endian; the rest is silence:
//
//  | call u32 | party u32 | packet u64 | sent at, ns of CLOCK_REALTIME u64 |
#pragma once

#include <cstddef>
#include <cstdint>

#include "media_source.h"

namespace earshot::bench {

inline constexpr std::size_t kRtpHeaderBytes = 12;
inline constexpr std::size_t kRelayPacketBytes = kRtpHeaderBytes + 160;

// A party's phone sends and receives at one address; what the party says is recorded at another.
inline base::NetAddress phone(const base::NetAddress& first, std::size_t call, std::size_t party) {
    return media_source(first, call, party);
}
inline base::NetAddress recorder(const base::NetAddress& first, std::size_t call,
                                 std::size_t party) {
    return media_source(first, call, party);
}

}  // namespace earshot::bench
