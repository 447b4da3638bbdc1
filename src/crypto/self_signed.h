// A key and a certificate of our own making, which nobody but a=fingerprint in our SDP vouches for
// (RFC 8122, RFC 5763). Made at the start of a process and never written anywhere, so that there is
// no key on the disk that could be stolen.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY
struct x509_st;      // and X509

namespace earshot::crypto {

struct SelfSigned {
    struct Free {
        void operator()(evp_pkey_st* key) const;
        void operator()(x509_st* certificate) const;
    };
    std::unique_ptr<evp_pkey_st, Free> key;
    std::unique_ptr<x509_st, Free> certificate;
};

// ECDSA on P-256 (RFC 8827 section 6.5), valid from the day before `now` for ten years: peers go by
// the fingerprint, and a clock that is wrong must not end a recording. `name`: of the subject; it
// is sent in the clear. Io: OpenSSL cannot.
base::Result<SelfSigned> make_self_signed(base::WallTime now, std::string_view name);

}  // namespace earshot::crypto
