#include "crypto/hmac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <new>

namespace earshot::crypto {

HmacSha256 hmac_sha256(base::ByteView key, base::ByteView message) {
    HmacSha256 code{};
    unsigned size = 0;
    // Fails for want of memory alone.
    if (::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(),
               message.size(), code.data(), &size) == nullptr)
        throw std::bad_alloc();
    return code;
}

HmacSha1 hmac_sha1(base::ByteView key, base::ByteView message) {
    HmacSha1 code{};
    unsigned size = 0;
    if (::HMAC(::EVP_sha1(), key.data(), static_cast<int>(key.size()), message.data(),
               message.size(), code.data(), &size) == nullptr)
        throw std::bad_alloc();
    return code;
}

bool is_same_code(base::ByteView a, base::ByteView b) {
    return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace earshot::crypto
