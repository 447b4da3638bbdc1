// How the media of one stream is protected, as its SDP agreed. The keys have no text form; what may
// be told is the suite.
#pragma once

#include <cstdint>
#include <vector>

#include "base/srtp_key.h"

namespace earshot::siprec {

// SRTP keyed by a=crypto (RFC 4568).
struct SdesKeys {
    std::uint32_t tag = 0;                  // of the offer's line that was taken
    std::vector<base::SrtpMasterKey> peer;  // what the peer sends is under one of these
    base::SrtpMasterKey ours;               // what we send to it

    base::SrtpSuite suite() const { return ours.suite(); }
    friend bool operator==(const SdesKeys&, const SdesKeys&) = default;
};

// Where our keys come from: siprec draws no random numbers.
using SrtpKeySource = base::SrtpMasterKey (*)(base::SrtpSuite);

}  // namespace earshot::siprec
