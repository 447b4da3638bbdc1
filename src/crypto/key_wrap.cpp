#include "crypto/key_wrap.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <memory>
#include <utility>

namespace earshot::crypto {

using base::Errc;
using base::Error;

namespace {

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

// Both directions of RFC 3394 section 2.2 with the initial value of section 2.2.3.1. False when
// the integrity check fails.
bool apply(const SecretKey& kek, bool is_wrapping, base::ByteView in, std::span<std::uint8_t> out) {
    const Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    if (!context) std::abort();
    EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    if (EVP_CipherInit_ex(context.get(), EVP_aes_256_wrap(), nullptr, kek.bytes().data(), nullptr,
                          is_wrapping ? 1 : 0) != 1) {
        std::abort();
    }
    int length = 0;
    return EVP_CipherUpdate(context.get(), out.data(), &length, in.data(),
                            static_cast<int>(in.size())) == 1 &&
           static_cast<std::size_t>(length) == out.size();
}

}  // namespace

KeyRing::KeyRing(const base::Uuid& id, SecretKey key) : current_(id) { add(id, std::move(key)); }

void KeyRing::add(const base::Uuid& id, SecretKey key) {
    keys_.insert_or_assign(id, std::move(key));
    current_ = id;
}

void KeyRing::remove(const base::Uuid& id) {
    if (id == current_) std::abort();
    keys_.erase(id);
}

std::unique_ptr<KeyRing> KeyRing::copy() const {
    std::unique_ptr<KeyRing> ring(new KeyRing);  // its constructor is ours alone
    for (const auto& [id, key] : keys_) ring->keys_.insert_or_assign(id, key.copy());
    ring->current_ = current_;
    return ring;
}

WrappedKey KeyRing::wrap(const SecretKey& key) const {
    WrappedKey wrapped{.wrapped_by = current_};
    if (!apply(keys_.at(current_), true, key.bytes(), wrapped.bytes)) std::abort();
    return wrapped;
}

base::Result<SecretKey> KeyRing::unwrap(const WrappedKey& wrapped) const {
    const auto found = keys_.find(wrapped.wrapped_by);
    if (found == keys_.end()) return Error{Errc::NotFound, "the key-encryption key is not here"};
    // OpenSSL may write a whole block past what it returns.
    std::array<std::uint8_t, kWrappedKeyBytes> bytes{};
    const bool is_right =
        apply(found->second, false, wrapped.bytes, std::span(bytes).first(kKeyBytes));
    auto key = SecretKey::from(bytes);
    wipe(bytes);
    if (!is_right) return Error{Errc::Malformed, "the wrapped key fails its check"};
    return key;
}

}  // namespace earshot::crypto
