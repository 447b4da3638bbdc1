// Who the other end of a TLS connection has proved to be: the identities of a SIP domain in its
// certificate (RFC 5922 section 7.1). Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"

namespace earshot::io {

struct TlsPeer {
    // Its certificate leads to a CA that we trust; false: it showed none.
    bool is_verified = false;
    // Domains, lower case: those of its sip: URIs; where it has none those of its DNS names; where
    // it has no subjectAltName at all its common name. Never wildcards (section 7.2).
    std::vector<std::string> domains{};
    // Of its IP addresses (RFC 5280), for URIs whose host is one. RFC 5922 knows only domains.
    std::vector<base::NetAddress> addresses{};
    std::string subject{};  // for a person: "CN=sbc1.example.com,O=Example"
    bool has_wildcard = false;

    // Whether it may speak for `host`, a domain or a literal address: the whole name, case ignored.
    bool speaks_for(std::string_view host) const;
};

}  // namespace earshot::io
