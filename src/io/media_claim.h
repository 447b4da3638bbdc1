// Who else has media ports in this network namespace. A packet ring makes every socket on its ports
// deaf, also that of another process, which would learn of it by nothing but silence. So each side
// looks for the other before it begins.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/file_descriptor.h"

namespace earshot::io {

struct MediaRange {
    std::vector<base::NetAddress> hosts;  // ports are ignored; unspecified: all of the family
    std::uint16_t first_port = 0;
    std::uint16_t last_port = 0;
};

// Tells others that these ports are taken before UDP, by an abstract Unix socket for each host:
// such names belong to the network namespace, as the rule does, everybody may see them, and they go
// with the process. (Tables of nftables are shown to CAP_NET_ADMIN only.)
class MediaClaim {
public:
    // Reasons: media_ports_in_use (somebody has the same claim).
    static base::Result<MediaClaim, base::Reason> make(const MediaRange& range);

private:
    std::vector<FileDescriptor> names_;
};

// The first claim that overlaps, as 192.0.2.1/20000-29999, in the text of /proc/net/unix.
std::optional<std::string> find_claim(std::string_view sockets, const MediaRange& range);
// The first socket that is bound there, in the text of /proc/net/udp or udp6.
std::optional<base::NetAddress> find_bound(std::string_view sockets, const MediaRange& range);

// In this thread's network namespace. Reasons: media_ports_in_use.
std::optional<base::Reason> check_claims(const MediaRange& range);
std::optional<base::Reason> check_bound(const MediaRange& range);

}  // namespace earshot::io
