// Where a SIP URI leads: transport and address. DNS is asked for A and AAAA only; SRV and NAPTR
// (RFC 3263) are the recording client's business, not the test client's.
#pragma once

#include <string>
#include <string_view>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "sip/flow.h"

namespace earshot::loadgen {

struct Target {
    std::string uri;  // fit for a request line: no brackets, no headers
    sip::Transport transport = sip::Transport::Udp;
    base::NetAddress address;
};

// The URI in `text`, which is a URI or a name-addr. Without angle brackets all parameters are the
// URI's, though RFC 3261 section 20.10 gives them to the header field: a person who types
// sip:rec@host;transport=tcp means the transport. Empty when there is none.
std::string_view typed_uri(std::string_view text);

// The same URI by TLS: with transport=tls where it is no sips: URI and says nothing of transports.
std::string with_tls(const std::string& uri);

// Blocks while DNS is asked. Reasons: bad_uri, unsupported_transport, unknown_host.
base::Result<Target, base::Reason> find_target(const std::string& uri);

}  // namespace earshot::loadgen
