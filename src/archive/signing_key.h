// The Ed25519 key (RFC 8032) with which this server signs its recordings' manifests. It lies in
// DATA/keys, made at the first start: signing.key (0600) and signing.pub, one line of text each,
// "earshot-ed25519-1 <base64 of 32 bytes>".
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/file.h"

struct evp_pkey_st;

namespace earshot::archive {

using Ed25519Bytes = std::array<std::uint8_t, 32>;

// Immutable; any thread.
class SigningKey {
public:
    explicit SigningKey(const Ed25519Bytes& secret);

    const Ed25519Bytes& public_key() const { return public_key_; }
    base::Bytes sign(base::ByteView message) const;  // 64 bytes

private:
    struct Free {
        void operator()(evp_pkey_st* key) const;
    };
    // Made once: of the secret alone its public half had to be found for each signature.
    std::unique_ptr<evp_pkey_st, Free> key_;
    Ed25519Bytes public_key_{};
};

// False for a wrong signature, and for keys and signatures of wrong size.
bool verify_signature(base::ByteView public_key, base::ByteView message, base::ByteView signature);

// Reads DIRECTORY/signing.key, or makes both files. A file that is there and cannot be read is an
// error, never replaced, and so is a public half without its key, which is lost then: reason codes
// "bad_key", "storage_error".
base::Result<SigningKey, base::Reason> load_or_create_signing_key(io::FileSystem& files,
                                                                  const std::string& directory,
                                                                  base::Random& random);
// DIRECTORY/signing.pub, for verify_recording(); "not_found" when there is none.
base::Result<base::Bytes, base::Reason> load_public_key(io::FileSystem& files,
                                                        const std::string& directory);

}  // namespace earshot::archive
