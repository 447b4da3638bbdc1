// EVP_MD_CTX_copy_ex() and EVP_MAC_dup() allocate with each call in OpenSSL 3 and take twice the
// time of the digest itself; SHA_CTX is a plain value. It is deprecated, not gone, and has the same
// SHA extensions of the processor below.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "srtp/hmac_sha1.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>

namespace earshot::srtp {
namespace {

constexpr std::size_t kBlockBytes = 64;

void begin(SHA_CTX& state, base::ByteView key, std::uint8_t pad) {
    if (key.size() > kBlockBytes) std::abort();  // SRTP's have 20 octets
    std::array<std::uint8_t, kBlockBytes> block{};
    block.fill(pad);
    for (std::size_t i = 0; i < key.size(); ++i) block[i] ^= key[i];
    SHA1_Init(&state);
    SHA1_Update(&state, block.data(), block.size());
    OPENSSL_cleanse(block.data(), block.size());
}

}  // namespace

HmacSha1::HmacSha1(base::ByteView key) {
    begin(inner_, key, 0x36);
    begin(outer_, key, 0x5c);
}

HmacSha1::~HmacSha1() {
    OPENSSL_cleanse(&inner_, sizeof(inner_));
    OPENSSL_cleanse(&outer_, sizeof(outer_));
}

HmacSha1Code HmacSha1::code(base::ByteView message, base::ByteView trailer) const {
    HmacSha1Code digest{};
    SHA_CTX state = inner_;
    SHA1_Update(&state, message.data(), message.size());
    SHA1_Update(&state, trailer.data(), trailer.size());
    SHA1_Final(digest.data(), &state);
    state = outer_;
    SHA1_Update(&state, digest.data(), digest.size());
    SHA1_Final(digest.data(), &state);
    return digest;
}

}  // namespace earshot::srtp
