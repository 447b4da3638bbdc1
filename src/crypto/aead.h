// AES-256-GCM (NIST SP 800-38D) over OpenSSL: the one cipher of everything at rest. A nonce must
// never come twice under one key; who calls makes sure of it by counting.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "crypto/secret_key.h"

namespace earshot::crypto {

inline constexpr std::size_t kTagBytes = 16;
inline constexpr std::size_t kNonceBytes = 12;
using Nonce = std::array<std::uint8_t, kNonceBytes>;
using Tag = std::array<std::uint8_t, kTagBytes>;

// One key, expanded once. One thread at a time. OpenSSL failing for want of memory ends the
// process, as every other want of memory does.
class Aead {
public:
    explicit Aead(const SecretKey& key);
    Aead(Aead&&) noexcept;
    Aead& operator=(Aead&&) noexcept;
    ~Aead();

    // Encrypts `bytes` where they lie, at most 64 GiB. `context` is authenticated, not encrypted.
    Tag seal(const Nonce& nonce, base::ByteView context, std::span<std::uint8_t> bytes);
    // Decrypts `bytes` where they lie. False when anything was altered: they are then overwritten.
    [[nodiscard]] bool open(const Nonce& nonce, base::ByteView context,
                            std::span<std::uint8_t> bytes, const Tag& tag);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace earshot::crypto
