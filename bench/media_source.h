// The two programs that together are the client of the paired benchmark agree here on the ports
// that a call's media come from, so that the offers name what the sender then uses.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/net_address.h"

namespace earshot::bench {

inline constexpr std::size_t kParties = 2;
inline constexpr std::size_t kSlots = 20;  // of 1 ms; the calls of one slot share two sockets

// `first` is the RTP port of the first call's first party; all others follow, even ones.
inline base::NetAddress media_source(const base::NetAddress& first, std::size_t call,
                                     std::size_t party) {
    base::NetAddress address = first;
    address.port =
        static_cast<std::uint16_t>(first.port + 2 * (kParties * (call % kSlots) + party));
    return address;
}

}  // namespace earshot::bench
