// a=fingerprint and a=setup: which certificate a DTLS peer will show and who begins the handshake
// (RFC 8122, RFC 4145, RFC 8842).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/certificate_fingerprint.h"
#include "sdp/session_description.h"

namespace earshot::sdp {

// "sha-256 4A:AD:..."; nothing when the function is none of ours or the digest not of its length.
std::optional<base::CertificateFingerprint> parse_fingerprint(std::string_view value);
std::string to_string(const base::CertificateFingerprint& fingerprint);

// Those of the medium; where it has none at all, those of the session (RFC 8122 section 5). What
// cannot be read is passed over; more than kMaxFingerprints, too.
std::vector<base::CertificateFingerprint> fingerprints_of(const SessionDescription& description,
                                                          const MediaDescription& medium);

enum class Setup : std::uint8_t { Active, Passive, ActPass, HoldConn };
std::string_view to_string(Setup setup);
std::optional<Setup> parse_setup(std::string_view value);
// Of the medium, then of the session. Nothing when there is none that can be read.
std::optional<Setup> setup_of(const SessionDescription& description,
                              const MediaDescription& medium);

// What a=fingerprint and a=setup are about: whether the line is keyed by DTLS.
bool is_dtls_srtp(const SessionDescription& description, const MediaDescription& medium);

// Our setup in the answer, nothing to holdconn. To actpass we are passive, although RFC 5763
// section 5 likes the answerer active: our port is open before the answer leaves, so a hello always
// finds us, while a hello of ours may overtake the answer, be dropped, and cost the beginning of
// the recording until it is sent again; and the peer's hello opens the NAT that it is behind.
// Without a=setup an offer is `active` (RFC 4145 section 4).
std::optional<Setup> answer_setup(std::optional<Setup> offered);

}  // namespace earshot::sdp
