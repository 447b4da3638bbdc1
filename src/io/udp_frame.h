// A UDP datagram in the IP packet that carried it, as a packet socket sees it: before the kernel
// has looked at it, so all that the kernel's stack would refuse is refused here (RFC 768, RFC 791,
// RFC 1122 section 3.2.1, RFC 8200). Fragments and IPv6 extension headers are not taken: such
// packets go by the socket.
//
//   IPv4   0 version, IHL | 2 total length | 6 flags, fragment offset | 9 protocol
//          10 checksum | 12 source | 16 destination | options
//   IPv6   0 version | 4 payload length | 6 next header | 8 source | 24 destination | 40
//   UDP    0 source port | 2 destination port | 4 length | 6 checksum
#pragma once

#include <cstdint>
#include <span>

#include "base/net_address.h"
#include "base/result.h"

namespace earshot::io {

struct UdpFrame {
    base::NetAddress source;
    base::NetAddress destination;
    std::span<std::uint8_t> payload;  // of the packet
};

// `verify`: the UDP checksum; false where the network card has done so or there is none yet (lo).
base::Result<UdpFrame> parse_udp_frame(std::span<std::uint8_t> packet, bool verify);

}  // namespace earshot::io
