// The offline check of one stored recording: is it what was written, byte for byte, and by whom.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "io/file.h"

namespace earshot::archive {

struct Fault {
    std::string code;  // "missing", "extra", "size", "hash", "block_crc", "chain", "signature",
                       // "manifest", "unreadable", "wrong_key", "wrong_recording"
    std::string part;  // "packets", "tracks/1.wav", "manifest.json"
    std::string text;  // a sentence
    std::optional<std::uint64_t> block;   // index, in packets and signalling
    std::optional<std::uint64_t> offset;  // of the block's first byte in the part
};

struct Verification {
    std::string id;  // as the manifest says; empty when it cannot be read
    std::vector<Fault> faults;
    std::size_t parts = 0;    // checked
    std::uint64_t bytes = 0;  // hashed
    std::string public_key;   // Ed25519, base64, of the manifest
    bool is_ok() const { return faults.empty(); }
};

// Reads every part of the folder. With `trusted_key` (32 bytes, DATA/keys/signing.pub) the manifest
// must be signed by that very key; without, only by the one that it names.
Verification verify_recording(const std::string& directory,
                              const std::optional<base::Bytes>& trusted_key = std::nullopt);

// The same on any file system.
Verification verify_recording(io::FileSystem& files, const std::string& directory,
                              const std::optional<base::Bytes>& trusted_key = std::nullopt);

// {"id", "ok", "parts", "bytes", "public_key", "faults": [{"code", "part", "text", "block",
// "offset"}]}
nlohmann::json to_json(const Verification& verification);

}  // namespace earshot::archive
