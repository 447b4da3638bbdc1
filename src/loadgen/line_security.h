// How the media of one line is protected, as offer and answer agreed.
#pragma once

#include <optional>
#include <vector>

#include "base/certificate_fingerprint.h"
#include "base/srtp_key.h"

namespace earshot::loadgen {

// Keys by DTLS on the media path (RFC 5763).
struct DtlsTerms {
    std::vector<base::CertificateFingerprint> peer;
    bool are_we_active = false;  // we begin the handshake
    friend bool operator==(const DtlsTerms&, const DtlsTerms&) = default;
};

// Nothing of it: in the clear.
struct LineSecurity {
    std::optional<base::SrtpMasterKey> ours{};    // by SDP (RFC 4568): of what we send
    std::optional<base::SrtpMasterKey> theirs{};  // and of what they send
    std::optional<DtlsTerms> dtls{};
    friend bool operator==(const LineSecurity&, const LineSecurity&) = default;
};

}  // namespace earshot::loadgen
