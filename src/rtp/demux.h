// What a datagram on a media port is, by its first bytes (RFC 7983 section 7, RFC 5761 section 4).
#pragma once

#include "base/bytes.h"

namespace earshot::rtp {

enum class PacketKind { Rtp, Rtcp, Stun, Zrtp, Dtls, TurnChannel, Unknown };

// RTP and RTCP share the range 128-191; a second byte of 192-223 means RTCP, which is why payload
// types 64-95 cannot be used where both share a port.
PacketKind classify(base::ByteView datagram);

}  // namespace earshot::rtp
