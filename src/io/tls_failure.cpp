#include "io/tls_failure.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

namespace earshot::io {

using base::Reason;

namespace {

// What the peer said (RFC 8446 section 6).
Reason of_alert(int alert) {
    switch (alert) {
        case SSL3_AD_BAD_CERTIFICATE:
        case SSL3_AD_UNSUPPORTED_CERTIFICATE:
        case SSL3_AD_CERTIFICATE_UNKNOWN:
            return {"tls_refused",
                    "The peer does not take our certificate: it is not good for it, "
                    "or bears another name than it looked for."};
        case SSL3_AD_CERTIFICATE_REVOKED:
            return {"tls_refused", "The peer says that our certificate was revoked."};
        case SSL3_AD_CERTIFICATE_EXPIRED:
            return {"tls_refused", "The peer says that our certificate has expired."};
        case TLS1_AD_UNKNOWN_CA:
            return {"tls_refused", "The peer does not know the CA of our certificate."};
        case TLS13_AD_CERTIFICATE_REQUIRED:
            return {"tls_refused", "The peer wants a client certificate, and none was shown."};
        case TLS1_AD_ACCESS_DENIED:
            return {"tls_refused", "The peer does not let our certificate in."};
        case TLS1_AD_PROTOCOL_VERSION:
            return {"tls_old_version", "The peer speaks none of our TLS versions."};
        case SSL3_AD_HANDSHAKE_FAILURE:
            return {"tls_refused",
                    "The peer refused the handshake: it may want a client "
                    "certificate, or other ciphers."};
        case TLS1_AD_UNRECOGNIZED_NAME:
            return {"tls_refused", "The peer has no certificate for the name that was asked for."};
        default:
            return {"tls_refused",
                    fmt::format("The peer refused: {}.", SSL_alert_desc_string_long(alert))};
    }
}

std::string text_of(unsigned long error) {
    const char* text = error == 0 ? nullptr : ERR_reason_error_string(error);
    return text == nullptr ? "no reason was given" : text;
}

}  // namespace

Reason tls_failure(unsigned long error, bool is_server) {
    if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        return {"tls_error", fmt::format("TLS failed: {}.", text_of(error))};
    const int reason = ERR_GET_REASON(error);
    if (reason >= SSL_AD_REASON_OFFSET) return of_alert(reason - SSL_AD_REASON_OFFSET);
    switch (reason) {
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return {"tls_no_client_certificate",
                    "The client showed no certificate, which this listener requires."};
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_VERSION_TOO_LOW:
        case SSL_R_WRONG_SSL_VERSION:
        case SSL_R_NO_PROTOCOLS_AVAILABLE:
            return {"tls_old_version", "The peer speaks only versions of TLS older than we allow."};
        case SSL_R_NO_SHARED_CIPHER:
        case SSL_R_NO_SUITABLE_KEY_SHARE:
        case SSL_R_NO_SHARED_GROUPS:
            return is_server ? Reason{"tls_no_common_cipher",
                                      "The client offers no cipher that we allow, or we have no "
                                      "certificate for those that it offers."}
                             : Reason{"tls_no_common_cipher",
                                      "The server allows none of our "
                                      "ciphers."};
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_HTTP_REQUEST:
        case SSL_R_HTTPS_PROXY_REQUEST:
        case SSL_R_RECORD_LENGTH_MISMATCH:
        case SSL_R_BAD_RECORD_TYPE:
        case SSL_R_PACKET_LENGTH_TOO_LONG:
            return {"tls_not_tls", "What the peer sent is no TLS: does it speak plain SIP here?"};
        default:
            return {"tls_error", fmt::format("TLS failed: {}.", text_of(error))};
    }
}

Reason certificate_failure(const CertificateFault& fault) {
    const auto said = [&](const char* code, std::string_view what) {
        return Reason{code, fmt::format("The peer's certificate ({}) {}", fault.subject, what)};
    };
    switch (fault.error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return said("tls_expired", "has expired.");
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return said("tls_not_yet_valid", "is not valid yet: is the clock right on both sides?");
        case X509_V_ERR_HOSTNAME_MISMATCH:
            return said("tls_name_mismatch",
                        fmt::format("is not for {}: it bears {}.{}", fault.wanted,
                                    fault.names.empty() ? "no name that counts" : fault.names,
                                    fault.has_wildcard
                                        ? " Its wildcard does not count (RFC 5922 section 7.2)."
                                        : ""));
        case X509_V_ERR_INVALID_PURPOSE:
            return said("tls_wrong_usage", "is not for TLS: its extended key usage says so.");
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return said("tls_wrong_ca",
                        fmt::format("is by a CA that is not trusted here: {}.", fault.issuer));
        default:
            return said(
                "tls_bad_certificate",
                fmt::format("is not good: {}.", X509_verify_cert_error_string(fault.error)));
    }
}

}  // namespace earshot::io
