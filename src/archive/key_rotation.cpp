#include "archive/key_rotation.h"

#include <algorithm>

#include "archive/limits.h"

namespace earshot::archive {

using base::Errc;
using base::Error;
using base::Result;

namespace {

// NotFound: the recording is not encrypted, or erased.
Result<base::Bytes> read_key_bytes(objects::ObjectStore& objects,
                                   const objects::ObjectKey& object) {
    const auto file = objects.open_part(object, kKeyName);
    if (!file) return file.error();
    base::Bytes bytes(kKeyPartBytes + 1);  // one more: a longer one is not ours
    const auto count = (*file)->read_at(0, bytes);
    if (!count) return count.error();
    bytes.resize(*count);
    return bytes;
}

Result<KeyPart> parse_key_of(const objects::ObjectKey& object, const Result<base::Bytes>& bytes) {
    if (!bytes) return bytes.error();
    auto part = parse_key_part(*bytes);
    if (part && part->recording != object.recording)
        return Error{Errc::Malformed, "it is another recording's"};
    return part;
}

Result<KeyPart> read_key_part(objects::ObjectStore& objects, const objects::ObjectKey& object) {
    return parse_key_of(object, read_key_bytes(objects, object));
}

}  // namespace

Result<KeyUses> find_key_uses(objects::ObjectStore& objects) {
    const auto all = objects.list();
    if (!all) return all.error();
    KeyUses uses;
    for (const objects::ObjectKey& object : *all) {
        uses.found.insert(object.recording);
        const auto part = read_key_part(objects, object);
        if (part) {
            ++uses.recordings[part->key.wrapped_by];
        } else if (part.error().code != Errc::NotFound) {
            ++uses.unreadable;
        }
    }
    return uses;
}

std::optional<KeyPart> find_newest_key(objects::ObjectStore& objects) {
    const auto all = objects.list();
    if (!all) return std::nullopt;
    const std::size_t first = all->size() - std::min(all->size(), kNewestLookedAt);
    for (std::size_t i = all->size(); i > first; --i)
        if (auto part = read_key_part(objects, (*all)[i - 1])) return *part;
    return std::nullopt;
}

Result<KeyRotation> KeyRotation::begin(objects::ObjectStore& objects,
                                       const crypto::KeyWrapper& keys) {
    auto all = objects.list();
    if (!all) return all.error();
    return KeyRotation(objects, keys, std::move(*all));
}

bool KeyRotation::step() {
    if (progress_.done == all_.size()) return false;
    const std::size_t end = std::min(all_.size(), progress_.done + kRotationBatch);
    std::vector<objects::PartChange> batch;
    for (; progress_.done < end; ++progress_.done) wrap_again(all_[progress_.done], batch);
    for (std::size_t look = 0; look < kMaxRotationLooks && !batch.empty(); ++look)
        batch = replace(batch);
    for (const objects::PartChange& change : batch)
        fail(change.key.recording, "it was changed each time");
    return true;
}

// Returns those that were changed meanwhile, with another look at them: the archiver has stored a
// newer revision, which has a key of its own.
std::vector<objects::PartChange> KeyRotation::replace(std::span<const objects::PartChange> batch) {
    std::vector<objects::PartChange> changed;
    const auto results = objects_->replace_parts(batch);
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i]) {
            ++progress_.wrapped;
        } else if (results[i].error().code == Errc::Refused) {
            wrap_again(batch[i].key, changed);
        } else if (results[i].error().code != Errc::NotFound) {  // else erased meanwhile
            fail(batch[i].key.recording, results[i].error().what);
        }
    }
    return changed;
}

void KeyRotation::wrap_again(const objects::ObjectKey& object,
                             std::vector<objects::PartChange>& batch) {
    auto bytes = read_key_bytes(*objects_, object);
    auto part = parse_key_of(object, bytes);
    if (!part) {
        if (part.error().code != Errc::NotFound) fail(object.recording, part.error().what);
        return;
    }
    const auto key = keys_->unwrap(part->key);
    if (!key) return fail(object.recording, key.error().what);
    crypto::WrappedKey wrapped = keys_->wrap(*key);
    if (wrapped.wrapped_by == part->key.wrapped_by) return;
    part->key = wrapped;
    batch.push_back({.key = object,
                     .name = kKeyName,
                     .expected = *std::move(bytes),
                     .content = make_key_part(*part)});
}

void KeyRotation::fail(const base::Uuid& recording, std::string_view why) {
    if (progress_.failed++ != 0) return;
    progress_.failure = "The key of the recording " + base::to_string(recording) +
                        " could not be wrapped again: " + std::string(why) + ".";
}

}  // namespace earshot::archive
