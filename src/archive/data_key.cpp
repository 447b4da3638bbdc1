#include "archive/data_key.h"

#include <algorithm>

#include "base/crc32c.h"

namespace earshot::archive {

using base::Bytes;
using base::ByteView;
using base::Errc;
using base::Error;
using base::Reason;
using base::Result;

namespace {

constexpr std::string_view kMagic = "EARSHKEY";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kCrcAt = kKeyPartBytes - 4;
constexpr std::string_view kLabel = "earshot data key 1";

Error malformed(std::string_view what, std::size_t at) { return {Errc::Malformed, what, at}; }

}  // namespace

Bytes make_key_part(const KeyPart& part) {
    Bytes bytes;
    base::append(bytes, base::as_bytes(kMagic));
    base::append_le(bytes, kVersion);
    bytes.resize(bytes.size() + 6, 0);
    base::append(bytes, part.recording.bytes);
    base::append(bytes, part.key.wrapped_by.bytes);
    base::append(bytes, part.key.bytes);
    base::append_le(bytes, base::crc32c(bytes));
    return bytes;
}

Result<KeyPart> parse_key_part(ByteView bytes) {
    if (bytes.size() < kMagic.size() + sizeof kVersion) return malformed("it is cut", bytes.size());
    base::LeReader reader(bytes);
    if (base::as_text(reader.read_bytes(kMagic.size())) != kMagic)
        return malformed("it is no key of Earshot's", 0);
    if (reader.read<std::uint16_t>() != kVersion)
        return Error{Errc::Unsupported, "its version is not known", kMagic.size()};
    if (bytes.size() != kKeyPartBytes) return malformed("its size is wrong", bytes.size());
    if (base::load_le<std::uint32_t>(bytes, kCrcAt) != base::crc32c(bytes.first(kCrcAt)))
        return malformed("it fails its checksum", kCrcAt);
    const ByteView zero = reader.read_bytes(6);
    if (std::any_of(zero.begin(), zero.end(), [](std::uint8_t byte) { return byte != 0; }))
        return malformed("reserved bytes are set", kMagic.size() + sizeof kVersion);
    KeyPart part;
    const auto take = [&](auto& field) {
        const ByteView taken = reader.read_bytes(field.size());
        std::copy(taken.begin(), taken.end(), field.begin());
    };
    take(part.recording.bytes);
    take(part.key.wrapped_by.bytes);
    take(part.key.bytes);
    return part;
}

Sha256 hash_of_key(const base::Uuid& recording, const crypto::SecretKey& key) {
    Sha256Stream hash;
    hash.add(base::as_bytes(kLabel));
    hash.add(recording.bytes);
    hash.add(key.bytes());
    return hash.finish();
}

Result<crypto::SecretKey, Reason> load_data_key(io::FileSystem& files, const std::string& directory,
                                                const base::Uuid& recording,
                                                const crypto::KeyWrapper* keys) {
    const auto bytes = files.read_file(io::join_path(directory, kKeyName), kKeyPartBytes);
    if (!bytes && bytes.error().code == Errc::NotFound)
        return Reason{"erased",
                      "The recording is erased: its key was deleted, and nobody can read it."};
    if (!bytes && bytes.error().code != Errc::TooLarge) return part_reason(bytes.error(), kKeyName);
    const auto part = bytes ? parse_key_part(*bytes) : Result<KeyPart>(bytes.error());
    if (!part) return part_reason(part.error(), kKeyName);
    if (part->recording != recording)
        return part_reason(malformed("it is another recording's", 16), kKeyName);
    if (keys == nullptr)
        return Reason{"key_missing", "The recording is encrypted, and its key-encryption key, " +
                                         base::to_string(part->key.wrapped_by) + ", is not here."};
    auto key = keys->unwrap(part->key);
    if (key) return std::move(*key);
    if (key.error().code == Errc::NotFound)
        return Reason{"key_missing", "The recording is encrypted under the key-encryption key " +
                                         base::to_string(part->key.wrapped_by) +
                                         ", which is not in keys/kek: put it back from a backup."};
    return part_reason(malformed(key.error().what, 48), kKeyName);
}

Reason part_reason(const Error& error, const std::string& part) {
    const auto reason = [&](std::string_view code, std::string_view what, std::string_view detail) {
        return Reason{std::string(code), "The part " + part + std::string(what) +
                                             std::string(error.what) + std::string(detail) +
                                             std::to_string(error.detail) + "."};
    };
    if (error.code == Errc::Io) return reason("io", " cannot be read: ", ", error ");
    if (error.code == Errc::Unsupported)
        return reason("unsupported",
                      " is none that this version of Earshot can read: ", ", at byte ");
    return reason("damaged", " is damaged: ", ", at byte ");
}

}  // namespace earshot::archive
