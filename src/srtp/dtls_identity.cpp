#include "srtp/dtls_identity.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <utility>

#include "crypto/self_signed.h"
#include "srtp/dtls_datagrams.h"
#include "srtp/dtls_peer_check.h"
#include "srtp/limits.h"

namespace earshot::srtp {

namespace {

using base::Errc;
using base::Error;

// RFC 9325: forward secrecy and AEAD alone; the first is the one that RFC 8827 section 6.5 demands.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
// In our order of preference, which counts when we are the server.
constexpr const char* kProfiles =
    "SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80:SRTP_AES128_CM_SHA1_32";

bool set_up(SSL_CTX* context, X509* certificate, EVP_PKEY* key) {
    // DTLS 1.0 has no AEAD; OpenSSL 3.0 has no DTLS 1.3.
    if (SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) != 1) return false;
    if (SSL_CTX_set_cipher_list(context, kCiphers) != 1) return false;
    if (SSL_CTX_use_certificate(context, certificate) != 1) return false;
    if (SSL_CTX_use_PrivateKey(context, key) != 1) return false;
    if (SSL_CTX_set_tlsext_use_srtp(context, kProfiles) != 0) return false;  // 0 is success
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(context, kMaxDtlsCertificateBytes);
    // RFC 5763 section 5: both sides show a certificate.
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(context, check_dtls_peer, nullptr);
    return true;
}

}  // namespace

void DtlsIdentity::ContextDeleter::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void DtlsIdentity::MethodDeleter::operator()(bio_method_st* method) const { BIO_meth_free(method); }

DtlsIdentity::DtlsIdentity() = default;
DtlsIdentity::DtlsIdentity(DtlsIdentity&&) noexcept = default;
DtlsIdentity& DtlsIdentity::operator=(DtlsIdentity&&) noexcept = default;
DtlsIdentity::~DtlsIdentity() = default;

base::Result<DtlsIdentity> DtlsIdentity::make(base::WallTime now) {
    const Error failure{Errc::Io, "DTLS: OpenSSL made no certificate"};
    const auto own = crypto::make_self_signed(now, "dtls");  // which says nothing
    if (!own) return own.error();

    DtlsIdentity identity;
    identity.datagrams_.reset(make_datagram_method());
    identity.context_.reset(SSL_CTX_new(DTLS_method()));
    if (!identity.datagrams_ || !identity.context_) return failure;
    if (!set_up(identity.context_.get(), own->certificate.get(), own->key.get())) return failure;
    identity.fingerprint_ = {
        .function = base::HashFunction::Sha256,
        .digest = digest_of(own->certificate.get(), base::HashFunction::Sha256)};
    ERR_clear_error();
    return identity;
}

}  // namespace earshot::srtp
