// Addresses as Asio's endpoints have them, and listeners of one IP family. For the sources of this
// folder alone; Asio's types come as parameters.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/net_address.h"
#include "io/socket_address.h"

namespace earshot::transport {

template <class Endpoint>
Endpoint to_endpoint(const base::NetAddress& address) {
    const io::SocketAddress raw = io::to_socket_address(address);
    Endpoint endpoint;
    endpoint.resize(raw.size);
    std::memcpy(endpoint.data(), &raw.storage, raw.size);
    return endpoint;
}

template <class Endpoint>
base::NetAddress from_endpoint(const Endpoint& endpoint) {
    sockaddr_storage storage{};
    std::memcpy(&storage, endpoint.data(), endpoint.size());
    return io::from_socket_address(storage);
}

// So that 0.0.0.0 and [::] can stand beside each other and an IPv4 peer is one address wherever it
// comes in.
template <class Socket, class Error>
void keep_to_family(Socket& socket, const base::NetAddress& address, Error& error) {
    constexpr int kOn = 1;
    if (!address.is_v4() &&
        ::setsockopt(socket.native_handle(), IPPROTO_IPV6, IPV6_V6ONLY, &kOn, sizeof kOn) != 0)
        error.assign(errno, error.category());
}

}  // namespace earshot::transport
