// The little of OpenSSL's EVP that this room uses. A context is given its cipher and key once; with
// each packet it gets an initialisation vector alone. Ciphers are fetched with the key and never
// per packet, which is slow in OpenSSL 3.0.
#pragma once

#include <openssl/evp.h>

#include <cstdlib>
#include <memory>
#include <span>

#include "base/bytes.h"

namespace earshot::srtp {

struct CipherContextDeleter {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextDeleter>;

// OpenSSL fails here for want of memory alone.
inline void require(int result) {
    if (result != 1) std::abort();
}

inline CipherContext make_cipher_context(const EVP_CIPHER* cipher, base::ByteView key) {
    CipherContext context(EVP_CIPHER_CTX_new());
    if (!context) std::abort();
    require(EVP_CipherInit_ex(context.get(), cipher, nullptr, key.data(), nullptr, 1));
    return context;
}

// `in` to `out`, which may be the same memory; null: associated data.
inline void update(EVP_CIPHER_CTX* context, std::uint8_t* out, base::ByteView in) {
    int length = 0;
    require(EVP_CipherUpdate(context, out, &length, in.data(), static_cast<int>(in.size())));
}

inline const EVP_CIPHER* aes_counter_mode(std::size_t key_bytes) {
    if (key_bytes == 16) return EVP_aes_128_ctr();
    return key_bytes == 24 ? EVP_aes_192_ctr() : EVP_aes_256_ctr();
}

}  // namespace earshot::srtp
