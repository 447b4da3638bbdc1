// What the TLS sources share of OpenSSL. For tls_*.cpp alone.
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "base/certificate_fingerprint.h"
#include "io/tls_context.h"
#include "io/tls_peer.h"

namespace earshot::io {

template <auto Free>
struct OpensslFree {
    template <class T>
    void operator()(T* it) const {
        Free(it);
    }
};
using SslContextPtr = std::unique_ptr<SSL_CTX, OpensslFree<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpensslFree<SSL_free>>;
using BioPtr = std::unique_ptr<BIO, OpensslFree<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslFree<X509_free>>;
using PrivateKeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;

class TlsContext::Impl {
public:
    TlsSettings settings;
    std::vector<SslContextPtr> contexts;  // one for each identity; one without any
    std::vector<TlsCertificate> certificates;
};

// The identities of a certificate; is_verified stays false.
TlsPeer read_identities(X509& certificate);
// A certificate that says what it is for must say so for TLS or SIP (RFC 5924). Clients and servers
// alike: public CAs write serverAuth alone, also into those that SBCs show as clients.
bool is_for_sip(X509& certificate);
std::string name_text(const X509_NAME* name);
// Empty where OpenSSL has no such function (a build without SHA-1).
base::Bytes digest_of(const X509& certificate, base::HashFunction function);

}  // namespace earshot::io
