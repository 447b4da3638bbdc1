// The server's side of the STUN keep-alive that RFC 5626 section 4.4.2 lets a client send to a SIP
// UDP port: a Binding request is answered with the address that it came from (RFC 5389).
//
//   0                   1                   2                   3
//  |0 0|     message type: 0x0001  |  length of what follows 20    |
//  |                     magic cookie: 0x2112a442                  |
//  |                     transaction id, 12 octets                 |
//  |  attributes: type (2), length (2), value, padding to 4        |
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/net_address.h"

namespace earshot::transport {

// Whether a datagram is STUN's, and so never SIP's (RFC 7983: its first octet is 0 to 3).
bool is_stun(base::ByteView datagram);

// The Binding response, some octets longer than the request; nothing for any other message, and for
// a request with an attribute that must be understood and is not: silence does no harm here.
std::optional<base::Bytes> answer_stun_binding(base::ByteView datagram,
                                               const base::NetAddress& source);

}  // namespace earshot::transport
