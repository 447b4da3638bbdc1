// Whether the certificate that a DTLS peer shows is the one of its SDP (RFC 8122 section 6).
#pragma once

#include <vector>

#include "base/certificate_fingerprint.h"

struct x509_st;
struct x509_store_ctx_st;

namespace earshot::srtp {

// Empty where OpenSSL has no such function (a build without SHA-1).
base::Bytes digest_of(const x509_st* certificate, base::HashFunction function);

// Of several fingerprints those of the strongest function count, and one of them has to match.
bool is_told_by(const std::vector<base::CertificateFingerprint>& fingerprints,
                const x509_st* certificate);

// What OpenSSL calls in place of building a chain: asks the DtlsEndpoint whose handshake it is.
int check_dtls_peer(x509_store_ctx_st* store, void* argument);

}  // namespace earshot::srtp
