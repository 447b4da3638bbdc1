// The key-encryption keys of the running server: which of them what needs, a new one, an old one
// removed. Behind the API; what records and archives uses keys::KeyStore alone.
#pragma once

#include <atomic>
#include <string>

#include "api/key_control.h"
#include "base/log.h"
#include "base/random.h"
#include "catalog/catalog.h"
#include "io/clock.h"
#include "io/file.h"
#include "keys/key_store.h"
#include "objects/object_store.h"

namespace earshot::server {

// What the segments below DATA/journal need (docs/journal-format.md).
struct SegmentKeys {
    std::map<base::Uuid, std::uint64_t> segments;  // by key-encryption key
    std::uint64_t unreadable = 0;
};
SegmentKeys find_segment_keys(io::FileSystem& files, const std::string& journals);

// Before any key is made at a start: why `known` cannot be all keys of this data directory. Looks
// at the journal and at the newest recordings; nullopt when all that they need is there.
std::optional<base::Reason> find_missing_key(io::FileSystem& files, objects::ObjectStore& objects,
                                             const std::string& journals,
                                             const std::vector<base::Uuid>& known);

// Any thread; one rotation or removal at a time.
class KeyKeeper : public api::KeyControl {
public:
    struct Dependencies {  // all borrowed
        keys::KeyStore& keys;
        objects::ObjectStore& objects;
        catalog::Catalog& catalogue;
        io::FileSystem& files;
        const io::Clock& clock;
        base::Log& log;
        std::string journals;  // DATA/journal
    };
    explicit KeyKeeper(Dependencies dependencies) : d_(std::move(dependencies)) {}

    base::Result<api::KeyList, base::Reason> list() override;
    base::Result<std::unique_ptr<api::KeyRotationJob>, base::Reason> rotate() override;
    std::optional<base::Reason> remove(const std::string& id) override;

private:
    class Turn;
    class Job;
    std::optional<base::Reason> find_need(const base::Uuid& id);

    Dependencies d_;
    base::SystemRandom random_;  // whoever has the turn
    std::atomic<bool> is_busy_{false};
};

}  // namespace earshot::server
