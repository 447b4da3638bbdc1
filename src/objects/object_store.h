// Where finished recordings live: each is a set of named parts under one id, stored all or nothing.
// The local directory is objects/directory_store.h; S3 comes behind the same interface.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "io/file.h"

namespace earshot::objects {

using Sha256 = std::array<std::uint8_t, 32>;

// The start is part of the key, as it decides the folder (UTC date).
struct ObjectKey {
    base::Uuid recording;
    base::WallTime start;
};

struct PartInfo {
    std::string name;  // "content", "key"; of old "tracks/1.wav": [A-Za-z0-9._-], at most one '/'
    std::uint64_t size = 0;
    Sha256 sha256{};
    std::uint32_t crc32c = 0;  // what is read back is compared by: a tenth of the hash's work
};

// A recording that is being stored; nothing of it is visible before ObjectStore::commit().
// Destroyed without that, it leaves nothing behind. One thread.
class ObjectWriter {
public:
    ObjectWriter() = default;
    ObjectWriter(const ObjectWriter&) = delete;
    ObjectWriter& operator=(const ObjectWriter&) = delete;
    virtual ~ObjectWriter() = default;

    // A new part; one that is written from front to back need not be read again for its digest.
    // Malformed for a bad name.
    virtual base::Result<std::unique_ptr<io::File>> create_part(const std::string& name) = 0;
    // Of what was written so far.
    virtual base::Result<PartInfo> digest(const std::string& name) = 0;
};

// An object whose parts are all written, and what they must be when they are read back.
struct WrittenObject {
    std::unique_ptr<ObjectWriter> writer;  // of the store that is to commit it
    std::vector<PartInfo> expected{};
};

// Another content for one part of a stored object.
struct PartChange {
    ObjectKey key;
    std::string name;        // without a '/'
    base::Bytes expected{};  // what it replaces: read by who makes the change
    base::Bytes content{};
};

class ObjectStore {
public:
    ObjectStore() = default;
    ObjectStore(const ObjectStore&) = delete;
    ObjectStore& operator=(const ObjectStore&) = delete;
    virtual ~ObjectStore() = default;

    virtual base::Result<std::unique_ptr<ObjectWriter>> begin(const ObjectKey& key) = 0;
    // Syncs all parts of all objects, reads the `expected` ones back and compares them, then makes
    // each object visible, durably, in place of an older revision; one result for each. Many at
    // once cost little more than one. After an error either revision is there, whole; committing
    // the same again is safe, by a new begin().
    virtual std::vector<base::Result<base::Done>> commit(std::span<const WrittenObject> batch) = 0;
    // NotFound when the object or the part is not there.
    virtual base::Result<std::unique_ptr<io::File>> open_part(const ObjectKey& key,
                                                              const std::string& name) = 0;
    // Sizes and names, sorted; the hashes are zero.
    virtual base::Result<std::vector<PartInfo>> list_parts(const ObjectKey& key) = 0;
    virtual base::Result<base::Done> remove(const ObjectKey& key) = 0;  // absent: success
    // All objects, oldest first; each start is the midnight before it.
    virtual base::Result<std::vector<ObjectKey>> list() = 0;

    // Gives one part of each object another content: either of the two is there, whole, whatever
    // happens, and durably the new one where the result says so. NotFound: no such object or part,
    // or no longer: what was removed meanwhile stays so. Refused: it is not, or not any more, what
    // the change expects.
    virtual std::vector<base::Result<base::Done>> replace_parts(
        std::span<const PartChange> batch) = 0;
    // Durable when it returns, and final against whatever replace_parts() is at; an absent part is
    // a success. Its bytes may stay on the medium.
    virtual base::Result<base::Done> remove_part(const ObjectKey& key, const std::string& name) = 0;
    // For people: the folder or URL.
    virtual std::string location(const ObjectKey& key) const = 0;
};

// Reads the whole file in pieces. `name` is copied into the result.
base::Result<PartInfo> digest_file(io::File& file, const std::string& name);
// Whether the whole file has the size and the checksum.
base::Result<bool> is_as_written(io::File& file, const PartInfo& expected);

}  // namespace earshot::objects
