// One key-encryption key as it lies on the disk, DATA/keys/kek/ID.key: a line of text,
// "earshot-kek-1 KIND CHECK BASE64". KIND `plain`: BASE64 is the key. KIND `sealed`: it is what a
// command (of a KMS, an HSM) made of the key and can turn back. CHECK, 16 hex digits, tells a wrong
// key from the right one before anything is wrapped by it.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"
#include "crypto/secret_key.h"

namespace earshot::keys {

struct KekFile {
    bool is_sealed = false;
    std::string check{};
    base::Bytes content{};  // the key, or the blob that the command knows; its owner wipes it
};

// Any text is survived; kMaxKekFileBytes is the reader's affair.
base::Result<KekFile> parse_kek_file(std::string_view text);
std::string to_text(const KekFile& file);

// The last 8 octets of RFC 3394's wrapping of the id, twice, by the key: depends on every bit of
// both, tells nothing of the key.
std::string check_of(const base::Uuid& id, const crypto::SecretKey& key);

}  // namespace earshot::keys
