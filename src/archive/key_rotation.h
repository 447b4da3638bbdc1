// Which key-encryption keys stored recordings need, and how they come under a new one: the part
// `key` of each is wrapped again, and nothing else is touched.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "archive/data_key.h"
#include "base/result.h"
#include "base/uuid.h"
#include "crypto/key_wrap.h"
#include "objects/object_store.h"

namespace earshot::archive {

struct KeyUses {
    std::map<base::Uuid, std::uint64_t> recordings;  // by their key-encryption key
    std::set<base::Uuid> found;                      // all recordings, also without a key
    std::uint64_t unreadable = 0;                    // whose part `key` is there, but damaged
};
base::Result<KeyUses> find_key_uses(objects::ObjectStore& objects);

// The part `key` of the newest encrypted recording among the last ones (kNewestLookedAt); nullopt:
// none of them is.
std::optional<KeyPart> find_newest_key(objects::ObjectStore& objects);

// Wraps again what is not under the current key, a batch at a time. It may end at any moment: each
// recording is then under the one key or the other, and another run does the rest.
class KeyRotation {
public:
    struct Progress {
        std::size_t done = 0;
        std::size_t total = 0;
        std::uint64_t wrapped = 0;  // again; the others needed nothing
        std::uint64_t failed = 0;   // remain under the key that they had
        std::string failure{};      // of the first of them, a sentence
    };

    // Borrows both. Of the recordings that are stored now.
    static base::Result<KeyRotation> begin(objects::ObjectStore& objects,
                                           const crypto::KeyWrapper& keys);

    bool step();  // false when all are done
    const Progress& progress() const { return progress_; }

private:
    KeyRotation(objects::ObjectStore& objects, const crypto::KeyWrapper& keys,
                std::vector<objects::ObjectKey> all)
        : objects_(&objects), keys_(&keys), all_(std::move(all)) {
        progress_.total = all_.size();
    }

    std::vector<objects::PartChange> replace(std::span<const objects::PartChange> batch);
    void wrap_again(const objects::ObjectKey& object, std::vector<objects::PartChange>& batch);
    void fail(const base::Uuid& recording, std::string_view why);

    objects::ObjectStore* objects_;
    const crypto::KeyWrapper* keys_;
    std::vector<objects::ObjectKey> all_;
    Progress progress_;
};

}  // namespace earshot::archive
