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
    Aead(const Aead&) = delete;
    Aead& operator=(const Aead&) = delete;
    Aead(Aead&&) noexcept;
    Aead& operator=(Aead&&) noexcept;
    ~Aead();

    // Encrypts `in` to `out`, which is as long and may be the same memory; at most 64 GiB.
    // `context` is authenticated, not encrypted.
    Tag seal(const Nonce& nonce, base::ByteView context, base::ByteView in,
             std::span<std::uint8_t> out);
    // The way back. False when anything was altered: `out` is then overwritten.
    [[nodiscard]] bool open(const Nonce& nonce, base::ByteView context, base::ByteView in,
                            std::span<std::uint8_t> out, const Tag& tag);
    // As open(), but what was altered stays as it came out: for a caller who has other means to
    // tell the good from the bad, and would rather keep the good.
    [[nodiscard]] bool decrypt(const Nonce& nonce, base::ByteView context, base::ByteView in,
                               std::span<std::uint8_t> out, const Tag& tag);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace earshot::crypto
