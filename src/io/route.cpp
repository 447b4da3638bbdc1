#include "io/route.h"

#include <cerrno>

#include "io/file_descriptor.h"
#include "io/socket_address.h"

namespace earshot::io {

base::Result<base::NetAddress> local_address_toward(const base::NetAddress& remote) {
    base::NetAddress target = remote;
    if (target.port == 0) target.port = 9;  // connect() wants one; nothing is sent
    const SocketAddress to = to_socket_address(target);
    const FileDescriptor probe(::socket(to.get()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    SocketAddress local;
    local.size = sizeof local.storage;
    if (probe.get() < 0 || ::connect(probe.get(), to.get(), to.size) != 0 ||
        ::getsockname(probe.get(), local.get(), &local.size) != 0)
        return base::Error{base::Errc::Io, "no route", static_cast<std::size_t>(errno)};
    base::NetAddress address = from_socket_address(local.storage);
    address.port = 0;
    return address;
}

}  // namespace earshot::io
