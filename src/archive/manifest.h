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
// Versions 1 and 2, read and no longer written, have a file for each part, with a chain of hashes
// in two of them; 2 is encrypted. In version 3 the parts lie in one file, encrypted or not.
inline constexpr int kManifestVersion = 3;
inline constexpr const char* kManifestName = "manifest.json";

struct ManifestPart {  // a file
    std::string name;
    std::uint64_t size = 0;
    Sha256 sha256{};
};

// Of a part made of blocks, before version 3.
struct Chain {
    std::uint64_t blocks = 0;
    Sha256 head{};  // hash of the last block; of the file header when there is none
};

struct Chains {
    Chain packets;
    Chain signalling;
};

struct Manifest {
    std::string id;
    std::vector<ManifestPart> parts;  // by name; sizes and hashes of what is stored
    std::optional<Chains> chains;     // before version 3
    base::Bytes public_key;
    std::optional<Sha256> key_hash;  // hash_of_key() of the data key; absent: not encrypted
};

// The file's whole text, signed; of version 3.
std::string make_manifest(const Summary& summary, const Manifest& manifest, base::WallTime made,
                          const SigningKey& key);

struct ParsedManifest {
    Manifest manifest;
    bool is_signed = false;  // by the key that it names
};
// Refuses a text that make_manifest() of any release could not have written byte for byte.
base::Result<ParsedManifest> parse_manifest(std::string_view text);

}  // namespace earshot::archive
