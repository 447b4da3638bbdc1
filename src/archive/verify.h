// The offline check of one stored recording: is it what was written, byte for byte, and by whom.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "crypto/key_wrap.h"
#include "io/file.h"

namespace earshot::archive {

struct Fault {
    std::string code;  // "missing", "extra", "size", "hash", "contents", "block_crc", "chain",
                       // "signature", "manifest", "unreadable", "wrong_key", "wrong_recording",
                       // "bad_data_key"
    std::string part;  // "packets", "tracks/1.wav"; of a file its name: "content", "manifest.json"
    std::string text;  // a sentence
    std::optional<std::uint64_t> block;   // index, in packets and signalling
    std::optional<std::uint64_t> offset;  // of what is damaged in the part or file
};

// What could be looked at inside of the parts; their stored bytes are hashed in any case.
enum class Contents {
    Checked,
    NotChecked,  // encrypted under a key-encryption key that is not here
    NoKey,       // the part `key` is not there: erased, or lost; the folder alone does not tell
    Erased,      // so, and on purpose, says the catalogue: nobody can read them
};
std::string_view to_string(Contents contents);  // "checked", "not_checked", "no_key", "erased"

struct Verification {
    std::string id;  // as the manifest says; empty when it cannot be read
    std::vector<Fault> faults;
    std::size_t parts = 0;    // files, checked
    std::uint64_t bytes = 0;  // hashed
    std::string public_key;   // Ed25519, base64, of the manifest
    bool is_encrypted = false;
    Contents contents = Contents::Checked;
    std::string contents_text;  // why they were not checked; a sentence
    bool is_ok() const { return faults.empty(); }
};

// Reads every part of the folder. With `trusted_key` (32 bytes, DATA/keys/signing.pub) the manifest
// must be signed by that very key; without, only by the one that it names. With `keys` the records
// of an encrypted recording are looked at, too. That they were not, or cannot be, is no fault.
Verification verify_recording(const std::string& directory,
                              const std::optional<base::Bytes>& trusted_key = std::nullopt,
                              const crypto::KeyWrapper* keys = nullptr);

// The same on any file system.
Verification verify_recording(io::FileSystem& files, const std::string& directory,
                              const std::optional<base::Bytes>& trusted_key = std::nullopt,
                              const crypto::KeyWrapper* keys = nullptr);

// {"id", "ok", "parts", "bytes", "public_key", "encrypted", "contents", "contents_text", "faults":
// [{"code", "part", "text", "block", "offset"}]}
nlohmann::json to_json(const Verification& verification);

}  // namespace earshot::archive
