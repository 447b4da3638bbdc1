#include "crypto/aead.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>

namespace earshot::crypto {

namespace {

constexpr std::size_t kMaxUpdateBytes = std::size_t{1} << 30U;  // OpenSSL counts in int

void require(int result) {
    if (result != 1) std::abort();
}

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

Context make_context(const SecretKey& key, bool is_sealing) {
    Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    if (!context) std::abort();
    require(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.bytes().data(),
                              nullptr, is_sealing ? 1 : 0));
    return context;
}

void begin(EVP_CIPHER_CTX* context, const Nonce& nonce, base::ByteView associated) {
    require(EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, nonce.data(), -1));
    int length = 0;
    if (associated.empty()) return;
    require(EVP_CipherUpdate(context, nullptr, &length, associated.data(),
                             static_cast<int>(associated.size())));
}

void update(EVP_CIPHER_CTX* context, base::ByteView in, std::span<std::uint8_t> out) {
    while (!in.empty()) {
        const auto part = in.first(std::min(in.size(), kMaxUpdateBytes));
        int length = 0;
        require(EVP_CipherUpdate(context, out.data(), &length, part.data(),
                                 static_cast<int>(part.size())));
        in = in.subspan(part.size());
        out = out.subspan(part.size());
    }
}

}  // namespace

struct Aead::State {
    Context sealing;
    Context opening;
};

Aead::Aead(const SecretKey& key)
    : state_(std::make_unique<State>(State{make_context(key, true), make_context(key, false)})) {}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

Tag Aead::seal(const Nonce& nonce, base::ByteView context, base::ByteView in,
               std::span<std::uint8_t> out) {
    EVP_CIPHER_CTX* const cipher = state_->sealing.get();
    begin(cipher, nonce, context);
    update(cipher, in, out);
    Tag tag{};
    int length = 0;
    require(EVP_CipherFinal_ex(cipher, tag.data(), &length));
    require(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()));
    return tag;
}

bool Aead::decrypt(const Nonce& nonce, base::ByteView context, base::ByteView in,
                   std::span<std::uint8_t> out, const Tag& tag) {
    EVP_CIPHER_CTX* const cipher = state_->opening.get();
    begin(cipher, nonce, context);
    update(cipher, in, out);
    Tag expected = tag;
    require(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, kTagBytes, expected.data()));
    int length = 0;
    Tag unused{};
    return EVP_CipherFinal_ex(cipher, unused.data(), &length) == 1;
}

bool Aead::open(const Nonce& nonce, base::ByteView context, base::ByteView in,
                std::span<std::uint8_t> out, const Tag& tag) {
    if (decrypt(nonce, context, in, out, tag)) return true;
    wipe(out.first(in.size()));
    return false;
}

}  // namespace earshot::crypto
