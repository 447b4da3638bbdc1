// base::NetAddress to and from the kernel's form.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/net_address.h"

namespace earshot::io {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// AF_INET for IPv4, AF_INET6 otherwise.
SocketAddress to_socket_address(const base::NetAddress& address);
// The unspecified address when the family is another.
base::NetAddress from_socket_address(const sockaddr_storage& storage);

}  // namespace earshot::io
