// Why a packet was not taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/srtp_key.h"

namespace earshot::srtp {

using Suite = base::SrtpSuite;
using MasterKey = base::SrtpMasterKey;

enum class Fault : std::uint8_t {
    Malformed,       // too short, or no RTP or RTCP header
    UnknownKey,      // an MKI that was not told
    Authentication,  // altered, forged, or under another key
    Replay,          // came before, or is too old to tell; of a sender: its index was used
    Exhausted,       // the key has protected as many packets as it may (RFC 3711 section 9.2)
    NoRoom,          // the buffer does not hold what protecting adds
};
std::string_view to_string(Fault fault);  // malformed, unknown_key, ...

// The size of the packet after it was protected or unprotected in place.
using Outcome = base::Result<std::size_t, Fault>;

}  // namespace earshot::srtp
