#include "crypto/self_signed.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <chrono>

namespace earshot::crypto {

namespace {

bool set_name(X509* certificate, std::string_view name) {
    X509_NAME* const subject = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                      reinterpret_cast<const unsigned char*>(name.data()),
                                      static_cast<int>(name.size()), -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1;
}

bool fill(X509* certificate, EVP_PKEY* key, base::WallTime now, std::string_view name) {
    constexpr std::time_t kDay = 24L * 60 * 60;
    const std::time_t today =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    return X509_set_version(certificate, 2) == 1 &&  // version 3
           ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), today) == 1 &&
           ASN1_TIME_set(X509_getm_notBefore(certificate), today - kDay) != nullptr &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), today + 3650 * kDay) != nullptr &&
           X509_set_pubkey(certificate, key) == 1 && set_name(certificate, name) &&
           X509_sign(certificate, key, EVP_sha256()) != 0;
}

}  // namespace

void SelfSigned::Free::operator()(evp_pkey_st* held) const { EVP_PKEY_free(held); }
void SelfSigned::Free::operator()(x509_st* held) const { X509_free(held); }

base::Result<SelfSigned> make_self_signed(base::WallTime now, std::string_view name) {
    SelfSigned made;
    made.key.reset(EVP_EC_gen("P-256"));
    made.certificate.reset(X509_new());
    const bool is_made =
        made.key && made.certificate && fill(made.certificate.get(), made.key.get(), now, name);
    ERR_clear_error();
    if (!is_made) return base::Error{base::Errc::Io, "OpenSSL made no certificate"};
    return made;
}

}  // namespace earshot::crypto
