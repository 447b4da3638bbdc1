#include "srtp/dtls_identity.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <chrono>
#include <utility>

#include "srtp/dtls_datagrams.h"
#include "srtp/dtls_peer_check.h"
#include "srtp/limits.h"

namespace earshot::srtp {

namespace {

using base::Errc;
using base::Error;

struct KeyDeleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
struct CertificateDeleter {
    void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, CertificateDeleter>;

// RFC 9325: forward secrecy and AEAD alone; the first is the one that RFC 8827 section 6.5 demands.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
// In our order of preference, which counts when we are the server.
constexpr const char* kProfiles =
    "SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80:SRTP_AES128_CM_SHA1_32";

// The name says nothing: it is sent in the clear.
bool name(X509* certificate) {
    constexpr std::array<unsigned char, 4> kName{'d', 't', 'l', 's'};
    X509_NAME* const subject = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, kName.data(),
                                      static_cast<int>(kName.size()), -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1;
}

Certificate make_certificate(EVP_PKEY* key, base::WallTime now) {
    constexpr std::time_t kDay = 24L * 60 * 60;
    const std::time_t today =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    Certificate certificate(X509_new());
    if (!certificate) return nullptr;
    X509* const raw = certificate.get();
    const bool is_good = X509_set_version(raw, 2) == 1 &&  // version 3
                         ASN1_INTEGER_set_int64(X509_get_serialNumber(raw), today) == 1 &&
                         ASN1_TIME_set(X509_getm_notBefore(raw), today - kDay) != nullptr &&
                         ASN1_TIME_set(X509_getm_notAfter(raw), today + 3650 * kDay) != nullptr &&
                         X509_set_pubkey(raw, key) == 1 && name(raw) &&
                         X509_sign(raw, key, EVP_sha256()) != 0;
    return is_good ? std::move(certificate) : nullptr;
}

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
    const Key key(EVP_EC_gen("P-256"));
    if (!key) return failure;
    const Certificate certificate = make_certificate(key.get(), now);
    if (!certificate) return failure;

    DtlsIdentity identity;
    identity.datagrams_.reset(make_datagram_method());
    identity.context_.reset(SSL_CTX_new(DTLS_method()));
    if (!identity.datagrams_ || !identity.context_) return failure;
    if (!set_up(identity.context_.get(), certificate.get(), key.get())) return failure;
    identity.fingerprint_ = {.function = base::HashFunction::Sha256,
                             .digest = digest_of(certificate.get(), base::HashFunction::Sha256)};
    ERR_clear_error();
    return identity;
}

}  // namespace earshot::srtp
