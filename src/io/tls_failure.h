// Why a TLS handshake failed, in words that say who has to do what. For tls_session.cpp.
#pragma once

#include <string>

#include "base/reason.h"

namespace earshot::io {

// Of OpenSSL's first error in its queue (0: none). `is_server`: ours is the accepting side.
base::Reason tls_failure(unsigned long error, bool is_server);

// Of a certificate that was not taken: X509_V_ERR_..., whose it was, and, where its name does not
// fit, the one that was looked for and those that it has.
struct CertificateFault {
    int error = 0;
    std::string subject{};
    std::string issuer{};
    std::string wanted{};
    std::string names{};
    bool has_wildcard = false;
};
base::Reason certificate_failure(const CertificateFault& fault);

}  // namespace earshot::io
