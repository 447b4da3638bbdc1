#include "server/own_addresses.h"

#include <algorithm>
#include <utility>

#include "io/route.h"

namespace earshot::server {

using base::NetAddress;

namespace {

// Addresses for documentation (RFC 5737, RFC 3849): a default route leads to them.
NetAddress far_away(bool ipv6) { return *base::parse_host(ipv6 ? "2001:db8::1" : "192.0.2.1", 9); }

NetAddress loopback(bool ipv6) { return *base::parse_host(ipv6 ? "::1" : "127.0.0.1", 0); }

NetAddress with_port(NetAddress address, std::uint16_t port) {
    address.port = port;
    return address;
}

}  // namespace

OwnAddresses::OwnAddresses(std::vector<NetAddress> advertised, std::vector<NetAddress> listeners)
    : OwnAddresses(std::move(advertised), std::move(listeners), io::local_address_toward) {}

OwnAddresses::OwnAddresses(std::vector<NetAddress> advertised, std::vector<NetAddress> listeners,
                           Route route)
    : advertised_(std::move(advertised)),
      listeners_(std::move(listeners)),
      route_(std::move(route)) {}

const NetAddress* OwnAddresses::find_advertised(bool ipv6) const {
    const auto found = std::find_if(advertised_.begin(), advertised_.end(),
                                    [&](const auto& one) { return one.is_v4() != ipv6; });
    return found == advertised_.end() ? nullptr : &*found;
}

std::optional<NetAddress> OwnAddresses::find_routed(const NetAddress& remote) const {
    const auto address = route_(remote);
    if (!address) return std::nullopt;
    return with_port(*address, 0);
}

NetAddress OwnAddresses::signalling(std::uint16_t listener) const {
    const NetAddress& bound = listeners_.at(listener);
    const bool ipv6 = !bound.is_v4();
    if (const NetAddress* advertised = find_advertised(ipv6))
        return advertised->port != 0 ? *advertised : with_port(*advertised, bound.port);
    if (!bound.is_unspecified()) return bound;
    return with_port(find_routed(far_away(ipv6)).value_or(loopback(ipv6)), bound.port);
}

bool OwnAddresses::is_own(const NetAddress& address) const {
    // To an address of this host the kernel sends from that same address; all of 127.0.0.0/8 is.
    const auto is_of_this_host = [&] {
        if (address.is_loopback()) return true;
        const auto routed = find_routed(address);
        return routed && routed->same_host(address);
    };
    const NetAddress* advertised = find_advertised(!address.is_v4());
    return std::any_of(listeners_.begin(), listeners_.end(), [&](const NetAddress& bound) {
        if (bound.is_v4() != address.is_v4()) return false;
        if (advertised != nullptr && advertised->same_host(address) &&
            address.port == (advertised->port != 0 ? advertised->port : bound.port))
            return true;
        if (bound.port != address.port) return false;
        return bound.same_host(address) || (bound.is_unspecified() && is_of_this_host());
    });
}

siprec::MediaAddresses OwnAddresses::media(const sip::Flow& flow) const {
    return {.usual = usual_media(flow), .other = other_media(flow)};
}

NetAddress OwnAddresses::usual_media(const sip::Flow& flow) const {
    const NetAddress& bound = listeners_.at(flow.listener);
    const bool ipv6 = !bound.is_v4();
    if (const NetAddress* advertised = find_advertised(ipv6)) return with_port(*advertised, 0);
    if (!bound.is_unspecified()) return with_port(bound, 0);
    return find_routed(flow.remote).value_or(loopback(ipv6));
}

NetAddress OwnAddresses::other_media(const sip::Flow& flow) const {
    const bool ipv6 = listeners_.at(flow.listener).is_v4();
    const auto bound = std::find_if(listeners_.begin(), listeners_.end(),
                                    [&](const auto& one) { return one.is_v4() != ipv6; });
    if (bound == listeners_.end()) return {};
    if (const NetAddress* advertised = find_advertised(ipv6)) return with_port(*advertised, 0);
    if (!bound->is_unspecified()) return with_port(*bound, 0);
    return find_routed(far_away(ipv6)).value_or(NetAddress{});
}

}  // namespace earshot::server
