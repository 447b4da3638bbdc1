// Where a daemon binds its media sockets, by where it listens.
#pragma once

#include <optional>
#include <vector>

#include "base/net_address.h"

namespace earshot::io {

// Where media sockets are bound: of each family that SIP listens on, at its one host, or at all
// where it has several.
struct MediaHosts {
    base::NetAddress usual;
    std::optional<base::NetAddress> other;
};
MediaHosts find_media_hosts(const std::vector<base::NetAddress>& listens);

}  // namespace earshot::io
