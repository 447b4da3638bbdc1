// manifest.json: what a stored recording consists of, signed. It names no person, so that it may
// outlive the keys of the rest. The signature is over the canonical form: the same JSON without
// "signature", keys sorted, no white space, UTF-8.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/sha256.h"
#include "archive/signing_key.h"
#include "archive/summary.h"
#include "base/result.h"

namespace earshot::archive {

inline constexpr std::string_view kManifestFormat = "earshot-recording";
inline constexpr int kManifestVersion = 1;           // of a recording that is not encrypted
inline constexpr int kEncryptedManifestVersion = 2;  // of one that is: the same, and `encryption`
inline constexpr const char* kManifestName = "manifest.json";

struct ManifestPart {
    std::string name;
    std::uint64_t size = 0;
    Sha256 sha256{};
};

// Of a part made of blocks.
struct Chain {
    std::uint64_t blocks = 0;
    Sha256 head{};  // hash of the last block; of the file header when there is none
};

struct Manifest {
    std::string id;
    std::vector<ManifestPart> parts;  // by name; sizes and hashes of what is stored
    Chain packets;
    Chain signalling;
    base::Bytes public_key;
    std::optional<Sha256> key_hash;  // hash_of_key() of the data key; absent: not encrypted
};

// The file's whole text, signed.
std::string make_manifest(const Summary& summary, const Manifest& manifest, base::WallTime made,
                          const SigningKey& key);

struct ParsedManifest {
    Manifest manifest;
    bool is_signed = false;  // by the key that it names
};
// Refuses a text that make_manifest() could not have written byte for byte.
base::Result<ParsedManifest> parse_manifest(std::string_view text);

}  // namespace earshot::archive
