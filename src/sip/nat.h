// Peers behind a NAT: what they call their own address means nothing on our side of it, so they are
// asked and answered where they were heard from (as RFC 3581 does for responses; RFC 5626 §1 tells
// why Contact cannot be obeyed). Told by comparing what a peer says with where it is. Pure.
#pragma once

#include <string_view>

#include "base/net_address.h"
#include "sip/flow.h"
#include "sip/headers.h"

namespace earshot::sip {

// An address that only means something within some network: RFC 1918, RFC 6598 (carriers' NATs),
// RFC 4193, link-local, loopback, unspecified.
bool is_private(const base::NetAddress& address);

// Whether a peer that was heard from `source` cannot be reached by `host`, which it calls its own:
// a literal private address, and another one. A name may lead anywhere, and a public address was
// told on purpose.
bool is_hidden(std::string_view host, const base::NetAddress& source);
bool is_hidden_uri(std::string_view uri, const base::NetAddress& source);  // by its host

// The same of the next hop of a request's sender. Where both addresses are private it is hidden
// only if its Via is, too: else it is a proxy that names another host of its own network.
bool is_hidden_hop(std::string_view hop_uri, const Via& top_via, const base::NetAddress& source);

}  // namespace earshot::sip
