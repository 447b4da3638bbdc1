#include "crypto/secret_key.h"

#include <openssl/crypto.h>

#include <algorithm>

namespace earshot::crypto {

SecretKey SecretKey::generate(base::Random& random) {
    SecretKey key;
    random.fill(key.bytes_);
    return key;
}

SecretKey SecretKey::from(base::ByteView bytes) {
    SecretKey key;
    std::copy_n(bytes.begin(), kKeyBytes, key.bytes_.begin());
    return key;
}

SecretKey::SecretKey(SecretKey&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_); }

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
    if (this == &other) return *this;
    bytes_ = other.bytes_;
    wipe(other.bytes_);
    return *this;
}

SecretKey::~SecretKey() { wipe(bytes_); }

void wipe(std::span<std::uint8_t> bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

}  // namespace earshot::crypto
