#include "io/media_hosts.h"

namespace earshot::io {

using base::NetAddress;

namespace {

NetAddress without_port(NetAddress address) {
    address.port = 0;
    return address;
}

}  // namespace

MediaHosts find_media_hosts(const std::vector<NetAddress>& listens) {
    MediaHosts hosts{.usual = without_port(listens.front()), .other = std::nullopt};
    for (const NetAddress& listen : listens) {
        if (listen.is_v4() != hosts.usual.is_v4() && !hosts.other)
            hosts.other = without_port(listen);
        NetAddress& host = listen.is_v4() == hosts.usual.is_v4() ? hosts.usual : *hosts.other;
        if (!host.same_host(listen)) host = *base::parse_host(listen.is_v4() ? "0.0.0.0" : "::", 0);
    }
    return hosts;
}

}  // namespace earshot::io
