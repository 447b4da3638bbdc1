// How the media of one stream is protected, as its SDP agreed. The keys have no text form; what may
// be told is the suite.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/certificate_fingerprint.h"
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

// ICE of one line (RFC 8839), in which we are the lite agent. The password has no place in a log.
struct IceFacts {
    std::string ufrag;  // ours
    std::string password;
    std::string peer_ufrag;
    std::string peer_password;  // told by the peer: another one means an ICE restart
    friend bool operator==(const IceFacts&, const IceFacts&) = default;
};

// SRTP keyed by DTLS on the media path (RFC 5763): what the SDP says of it.
struct DtlsFacts {
    std::vector<base::CertificateFingerprint> peer;
    std::string tls_id;             // RFC 8842: another one wants a new association
    bool are_we_active = false;     // a=setup: we begin the handshake
    std::optional<IceFacts> ice;    // empty: the addresses of the SDP count
    bool has_ice_mismatch = false;  // something between us changed them (RFC 8839 section 4.2.5)
    friend bool operator==(const DtlsFacts&, const DtlsFacts&) = default;
};

struct IceCredentials {
    std::string ufrag;
    std::string password;
};
// What our side of DTLS-SRTP is: the fingerprint of our certificate (borrowed for as long as there
// are sessions) and where new ICE credentials come from.
struct DtlsSource {
    const base::CertificateFingerprint* fingerprint = nullptr;  // null: DTLS-SRTP is refused
    IceCredentials (*new_ice)() = nullptr;
};

}  // namespace earshot::siprec
