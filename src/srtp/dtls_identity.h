// Who we are in DTLS-SRTP (RFC 5763): a certificate of our own making (crypto/self_signed.h), which
// the fingerprint in our SDP vouches for and nobody else; it changes with each start.
//
// Any thread may use it once it is made; it outlives the endpoints that are made of it.
#pragma once

#include <memory>

#include "base/certificate_fingerprint.h"
#include "base/result.h"
#include "base/time.h"

struct ssl_ctx_st;     // OpenSSL's SSL_CTX
struct bio_method_st;  // and BIO_METHOD

namespace earshot::srtp {

class DtlsIdentity {
public:
    // Io: OpenSSL cannot.
    static base::Result<DtlsIdentity> make(base::WallTime now);

    DtlsIdentity(DtlsIdentity&& other) noexcept;
    DtlsIdentity& operator=(DtlsIdentity&& other) noexcept;
    DtlsIdentity(const DtlsIdentity&) = delete;
    DtlsIdentity& operator=(const DtlsIdentity&) = delete;
    ~DtlsIdentity();

    const base::CertificateFingerprint& fingerprint() const { return fingerprint_; }  // SHA-256

private:
    friend class DtlsEndpoint;
    struct ContextDeleter {
        void operator()(ssl_ctx_st* context) const;
    };
    struct MethodDeleter {
        void operator()(bio_method_st* method) const;
    };
    DtlsIdentity();

    std::unique_ptr<bio_method_st, MethodDeleter> datagrams_;  // of dtls_endpoint.cpp
    std::unique_ptr<ssl_ctx_st, ContextDeleter> context_;
    base::CertificateFingerprint fingerprint_;
};

}  // namespace earshot::srtp
