#include "sip/nat.h"

#include "sip/uri.h"

namespace earshot::sip {

namespace {

bool is_private_v4(std::uint8_t first, std::uint8_t second) {
    switch (first) {
        case 0:
        case 10:
        case 127:
            return true;
        case 100:
            return (second & 0xc0) == 64;  // RFC 6598: 100.64.0.0/10
        case 169:
            return second == 254;
        case 172:
            return (second & 0xf0) == 16;
        case 192:
            return second == 168;
        default:
            return false;
    }
}

}  // namespace

bool is_private(const base::NetAddress& address) {
    if (address.is_v4()) return is_private_v4(address.ip[12], address.ip[13]);
    const bool is_unique_local = (address.ip[0] & 0xfe) == 0xfc;  // fc00::/7
    const bool is_link_local = address.ip[0] == 0xfe && (address.ip[1] & 0xc0) == 0x80;
    return is_unique_local || is_link_local || address.is_loopback() || address.is_unspecified();
}

bool is_hidden(std::string_view host, const base::NetAddress& source) {
    const auto address = base::parse_host(host, 0);
    return address && is_private(*address) && !address->same_host(source);
}

bool is_hidden_uri(std::string_view uri, const base::NetAddress& source) {
    const auto parsed = parse_uri(uri);
    return parsed && parsed->is_sip() && is_hidden(parsed->host, source);
}

bool is_hidden_hop(std::string_view hop_uri, const Via& top_via, const base::NetAddress& source) {
    return is_hidden_uri(hop_uri, source) &&
           (!is_private(source) || is_hidden(top_via.host, source));
}

}  // namespace earshot::sip
