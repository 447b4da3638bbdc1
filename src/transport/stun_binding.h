// The server's side of the STUN keep-alive that RFC 5626 section 4.4.2 lets a client send to a SIP
// UDP port: a Binding request is answered with the address that it came from (RFC 8489).
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/net_address.h"

namespace earshot::transport {

// The Binding response, some octets longer than the request; nothing for any other message, and for
// a request with an attribute that must be understood and is not: silence does no harm here.
std::optional<base::Bytes> answer_stun_binding(base::ByteView datagram,
                                               const base::NetAddress& source);

}  // namespace earshot::transport
