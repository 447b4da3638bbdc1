// Keys of SRTP in SDP (RFC 4568, "SDES"): what an a=crypto line must say to be used, and ours.
//
//   a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY||SALT|2^31|1:4 WSH=64
//              tag and suite           base64          lifetime, MKI and its octets
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/srtp_key.h"
#include "sdp/session_description.h"

namespace earshot::sdp {

struct OfferedKeys {
    std::uint32_t tag = 0;
    // At least one, all of one suite and with MKIs of one length; more than one: all have an MKI.
    std::vector<base::SrtpMasterKey> keys;
    // Packets that the first key may protect; empty: as many as SRTP allows.
    std::optional<std::uint64_t> lifetime;

    base::SrtpSuite suite() const { return keys.front().suite(); }
};

// The value of one a=crypto line. Unsupported: a suite that we do not have, or a session parameter
// that is refused: UNENCRYPTED_SRTP, UNENCRYPTED_SRTCP and UNAUTHENTICATED_SRTP take away what SRTP
// is for, KDR and SRTP_FEC change what we would have to do. Malformed: anything else that RFC 4568
// section 9.2 does not allow, such as a key of another length than the suite's.
base::Result<OfferedKeys> read_crypto(std::string_view value);

// The first a=crypto of the line that can be used, in the order offered (section 5.1.2); `suites`:
// those that may be taken, empty: all. Errors: that of the first line; NotFound where none is.
base::Result<OfferedKeys> choose_crypto(const SessionDescription& description,
                                        const MediaDescription& medium,
                                        std::span<const base::SrtpSuite> suites = {});

// The value of our line. Secret.
std::string write_crypto(std::uint32_t tag, const base::SrtpMasterKey& key);

}  // namespace earshot::sdp
