// The data key of one stored recording, as it lies beside the parts that it encrypts: the part
// `key`, wrapped under a key-encryption key (docs/recording-format.md). Little-endian:
//
//   | "EARSHKEY"                        8 |
//   | version = 1                       2 |
//   | zero                              6 |
//   | recording's id                   16 |
//   | key-encryption key's id          16 |
//   | wrapped key (RFC 3394)           40 |
//   | CRC-32C of the bytes before it    4 |
//
// The manifest does not hold its hash, as it is written again when the key-encryption key changes,
// but a hash of the data key itself. Whoever deletes this part has erased the recording.
#pragma once

#include <string>

#include "archive/sha256.h"
#include "base/bytes.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/uuid.h"
#include "crypto/key_wrap.h"
#include "io/file.h"

namespace earshot::archive {

inline constexpr const char* kKeyName = "key";
inline constexpr std::size_t kKeyPartBytes = 92;

struct KeyPart {
    base::Uuid recording;
    crypto::WrappedKey key;
};
base::Bytes make_key_part(const KeyPart& part);
base::Result<KeyPart> parse_key_part(base::ByteView bytes);

// What the manifest tells of the key: SHA-256 of a label, the recording's id and the key, of whose
// 256 random bits it tells nothing.
Sha256 hash_of_key(const base::Uuid& recording, const crypto::SecretKey& key);

// Of the recording in this folder. Reason codes: "erased" (no part `key`), "damaged", "io",
// "key_missing" (no `keys`, or not the one that wraps it).
base::Result<crypto::SecretKey, base::Reason> load_data_key(io::FileSystem& files,
                                                            const std::string& directory,
                                                            const base::Uuid& recording,
                                                            const crypto::KeyWrapper* keys);

// The error of a file of the folder as a person is told it.
base::Reason part_reason(const base::Error& error, const std::string& part);

}  // namespace earshot::archive
