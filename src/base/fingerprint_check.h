// Whether the certificate that a peer shows is the one that SDP told (RFC 8122 section 6).
#pragma once

#include <algorithm>
#include <vector>

#include "base/certificate_fingerprint.h"

namespace earshot::base {

// Whether a certificate is one of those that were told (RFC 8122 section 6): of several
// fingerprints those of the strongest function count, and one of them has to match.
// `digest_of(function)` hashes it; empty where that function is not there.
template <class DigestOf>
bool is_told_by(const std::vector<CertificateFingerprint>& fingerprints, DigestOf&& digest_of) {
    const auto strongest =
        std::max_element(fingerprints.begin(), fingerprints.end(),
                         [](const auto& a, const auto& b) { return a.function < b.function; });
    if (strongest == fingerprints.end()) return false;
    const CertificateFingerprint shown{.function = strongest->function,
                                       .digest = digest_of(strongest->function)};
    return !shown.digest.empty() &&
           std::find(fingerprints.begin(), fingerprints.end(), shown) != fingerprints.end();
}

}  // namespace earshot::base
