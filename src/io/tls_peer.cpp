#include "io/tls_peer.h"

#include <algorithm>

#include "base/text.h"

namespace earshot::io {

bool TlsPeer::speaks_for(std::string_view host) const {
    if (!is_verified || host.empty()) return false;
    if (const auto literal = base::parse_host(host, 0))
        return std::any_of(addresses.begin(), addresses.end(),
                           [&](const auto& one) { return one.same_host(*literal); });
    if (host.back() == '.') host.remove_suffix(1);
    return std::any_of(domains.begin(), domains.end(),
                       [&](const auto& one) { return base::iequals(one, host); });
}

}  // namespace earshot::io
