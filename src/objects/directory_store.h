// Objects in a local directory: ROOT/YYYY/MM/DD/ID/PART, the date in UTC. A new object is written
// to ID.part beside its place, synced, and renamed; an older revision waits as ID.old meanwhile.
// Syncing is syncfs(), twice for a batch: a recording has three files and up to five directories,
// and an fsync for each of them kept a disk from storing more than some recordings a second.
#pragma once

#include <mutex>
#include <optional>
#include <string_view>

#include "objects/object_store.h"

namespace earshot::objects {

// The key of the object in the folder .../YYYY/MM/DD/ID, with the midnight before its start;
// nullopt where no object can be.
std::optional<ObjectKey> key_of_location(std::string_view folder);

// Any thread.
class DirectoryStore : public ObjectStore {
public:
    // Borrows `files` for its life. `root` is DATA/recordings. Call tidy() once at the start.
    DirectoryStore(io::FileSystem& files, std::string root);

    // Removes what a crash left: ID.part goes; ID.old goes, or takes its place again if ID is not
    // there. Only before any other use.
    base::Result<base::Done> tidy();

    base::Result<std::unique_ptr<ObjectWriter>> begin(const ObjectKey& key) override;
    std::vector<base::Result<base::Done>> commit(std::span<const WrittenObject> batch) override;
    base::Result<std::unique_ptr<io::File>> open_part(const ObjectKey& key,
                                                      const std::string& name) override;
    base::Result<std::vector<PartInfo>> list_parts(const ObjectKey& key) override;
    base::Result<base::Done> remove(const ObjectKey& key) override;
    base::Result<std::vector<ObjectKey>> list() override;
    std::vector<base::Result<base::Done>> replace_parts(std::span<const PartChange> batch) override;
    base::Result<base::Done> remove_part(const ObjectKey& key, const std::string& name) override;
    std::string location(const ObjectKey& key) const override;

private:
    std::string temporary_of(const ObjectKey& key, const std::string& part) const;
    base::Result<base::Done> is_as_expected(const PartChange& change);
    base::Result<base::Done> write_beside(const PartChange& change);
    base::Result<base::Done> put_in_place(const PartChange& change);

    io::FileSystem& files_;
    std::string root_;
    // Held from a look at what is in place to its change, and never while the disk is synced:
    // whoever archives, rotates keys and erases does so on a thread of its own.
    std::mutex in_place_;
};

}  // namespace earshot::objects
