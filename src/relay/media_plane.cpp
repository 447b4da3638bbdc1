#include "relay/media_plane.h"

#include <fmt/format.h>

#include "base/text.h"

namespace earshot::relay {

std::optional<base::Reason> find_fault(const SubscribeOptions& options) {
    if (options.address.empty() || base::parse_host(options.address, 0)) return std::nullopt;
    return base::Reason{
        .code = "bad_address",
        .text = fmt::format("{} is no IP address.", base::to_valid_utf8(options.address))};
}

}  // namespace earshot::relay
