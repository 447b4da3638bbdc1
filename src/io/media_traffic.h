// Which packets a packet ring takes out of the kernel's hands, said once for the two that must
// agree on it to the packet: the ring's socket filter (classic BPF) takes them, the ingress rule
// (nftables) drops them before the UDP stack. What one of them takes and the other leaves would be
// recorded twice or not at all.
//
// Untagged, unfragmented UDP to this host, to one of `addresses` and a port of the range, of at
// most `max_ip_bytes`, that arrives at one of `interfaces`. IPv6 without extension headers.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"

namespace earshot::io {

struct NetworkInterface {
    std::string name;
    std::uint32_t index = 0;
};

struct MediaTraffic {
    std::vector<NetworkInterface> interfaces;
    std::vector<base::NetAddress> addresses;  // ports are ignored
    std::uint16_t first_port = 0;
    std::uint16_t last_port = 0;
    std::uint16_t max_ip_bytes = 0;  // with the IP header
};

// Where packets to these hosts come in: the interfaces that have them, and the loopback. An
// unspecified host is all addresses of its family as they are now; one that is added later gets its
// media by the sockets. Reasons: no_interface, too_many_addresses.
base::Result<MediaTraffic, base::Reason> find_media_traffic(
    const std::vector<base::NetAddress>& hosts);

// kMaxRingAddresses, kMaxRingInterfaces: too_many_addresses.
std::optional<base::Reason> check_limits(const MediaTraffic& traffic);

// Accepts what belongs to it; for a packet socket of type SOCK_DGRAM.
std::vector<sock_filter> make_filter(const MediaTraffic& traffic);

}  // namespace earshot::io
