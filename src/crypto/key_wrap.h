// Data keys are kept wrapped (RFC 3394, AES-256) under a key-encryption key: whoever loses the
// wrapped key has lost the data, and changing the key-encryption key touches no data.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"
#include "crypto/secret_key.h"

namespace earshot::crypto {

inline constexpr std::size_t kWrappedKeyBytes = kKeyBytes + 8;

struct WrappedKey {
    base::Uuid wrapped_by{};  // names the key-encryption key
    std::array<std::uint8_t, kWrappedKeyBytes> bytes{};
    friend bool operator==(const WrappedKey&, const WrappedKey&) = default;
};

// Any thread.
class KeyWrapper {
public:
    KeyWrapper() = default;
    KeyWrapper(const KeyWrapper&) = delete;
    KeyWrapper& operator=(const KeyWrapper&) = delete;
    virtual ~KeyWrapper() = default;

    virtual WrappedKey wrap(const SecretKey& key) const = 0;
    // NotFound: the key-encryption key is not among ours. Malformed: altered, or another key of the
    // same name.
    virtual base::Result<SecretKey> unwrap(const WrappedKey& wrapped) const = 0;
};

// The key-encryption keys of a data directory: all unwrap, the one added last wraps. Complete
// before it is shared between threads.
class KeyRing : public KeyWrapper {
public:
    KeyRing(const base::Uuid& id, SecretKey key);

    void add(const base::Uuid& id, SecretKey key);  // replaces one of the same id
    void remove(const base::Uuid& id);              // not the current one
    std::unique_ptr<KeyRing> copy() const;          // to be changed, while others use this one
    const base::Uuid& current() const { return current_; }

    WrappedKey wrap(const SecretKey& key) const override;
    base::Result<SecretKey> unwrap(const WrappedKey& wrapped) const override;

private:
    KeyRing() = default;
    std::map<base::Uuid, SecretKey> keys_;
    base::Uuid current_;
};

}  // namespace earshot::crypto
