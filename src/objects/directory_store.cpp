#include "objects/directory_store.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "objects/part_digest.h"

namespace earshot::objects {

using base::Done;
using base::Errc;
using base::Error;
using base::Result;
using io::join_path;

namespace {

constexpr std::string_view kUnfinished = ".part";
constexpr std::string_view kReplaced = ".old";
constexpr std::size_t kMaxPartNameBytes = 200;

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool is_plain_name(std::string_view name) {
    return !name.empty() && name.front() != '.' &&
           std::all_of(name.begin(), name.end(), is_name_character);
}

// Names come from labels of peers: nothing may lead out of the object's directory.
bool is_part_name(std::string_view name) {
    if (name.size() > kMaxPartNameBytes) return false;
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos) return is_plain_name(name);
    return is_plain_name(name.substr(0, slash)) && is_plain_name(name.substr(slash + 1));
}

constexpr Error kBadName{Errc::Malformed, "object: the part's name"};
constexpr Error kChanged{Errc::Refused, "object: the part was changed meanwhile"};

// Success with nothing to do when there is no such thing.
Result<Done> allow_absence(Result<Done> result) {
    if (!result && result.error().code == Errc::NotFound) return Done{};
    return result;
}

// Makes the digest of what is written through it, as long as that goes from front to back.
struct Watched {
    PartDigest digest;
    bool is_in_order = true;
};

class WatchedFile : public io::File {
public:
    WatchedFile(std::unique_ptr<io::File> file, std::shared_ptr<Watched> watched)
        : file_(std::move(file)), watched_(std::move(watched)) {}

    Result<Done> write_at(std::uint64_t offset, base::ByteView bytes) override {
        go_to(offset);
        if (watched_->is_in_order) watched_->digest.add(bytes);
        auto written = file_->write_at(offset, bytes);
        if (!written) watched_->is_in_order = false;
        return written;
    }
    Result<Done> truncate(std::uint64_t size) override {
        go_to(size);
        return file_->truncate(size);
    }
    Result<Done> reserve(std::uint64_t size) override {
        watched_->is_in_order = false;  // it may have become longer than what was written
        return file_->reserve(size);
    }
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
        return file_->read_at(offset, out);
    }
    Result<Done> sync_data() override { return file_->sync_data(); }
    Result<std::uint64_t> size() override { return file_->size(); }
    void drop_cache() override { file_->drop_cache(); }

private:
    void go_to(std::uint64_t offset) {
        Watched& watched = *watched_;
        watched.is_in_order = watched.is_in_order && offset >= watched.digest.size();
        if (watched.is_in_order) watched.digest.add_zeros(offset - watched.digest.size());
    }

    std::unique_ptr<io::File> file_;
    std::shared_ptr<Watched> watched_;
};

class DirectoryWriter : public ObjectWriter {
public:
    DirectoryWriter(io::FileSystem& files, std::string path)
        : files_(files),
          path_(std::move(path)),
          unfinished_(path_ + std::string(kUnfinished)),
          replaced_(path_ + std::string(kReplaced)) {}
    DirectoryWriter(const DirectoryWriter&) = delete;
    DirectoryWriter& operator=(const DirectoryWriter&) = delete;
    ~DirectoryWriter() override {
        if (!is_in_place_) (void)files_.remove_tree(unfinished_);  // else tidy() does it
    }

    Result<Done> begin() {
        if (auto gone = files_.remove_tree(unfinished_); !gone) return gone;
        return files_.make_directories(unfinished_);
    }

    Result<std::unique_ptr<io::File>> create_part(const std::string& name) override {
        if (!is_part_name(name)) return kBadName;
        const std::string path = join_path(unfinished_, name);
        if (name.find('/') != std::string::npos) {
            if (auto made = files_.make_directories(io::parent_path(path)); !made) {
                return made.error();
            }
        }
        auto file = files_.create(path);
        if (!file) return file.error();
        auto watched = std::make_shared<Watched>();
        watched_[name] = watched;
        return std::unique_ptr<io::File>(
            std::make_unique<WatchedFile>(std::move(*file), std::move(watched)));
    }

    Result<PartInfo> digest(const std::string& name) override {
        if (!is_part_name(name)) return kBadName;
        const auto watched = watched_.find(name);
        if (watched != watched_.end() && watched->second->is_in_order)
            return watched->second->digest.info(name);
        const auto file = files_.open_for_reading(join_path(unfinished_, name));
        if (!file) return file.error();
        return digest_file(**file, name);
    }

    // After a sync: from the disk, as far as the kernel lets us.
    Result<Done> compare(const PartInfo& expected) {
        const auto file = files_.open_for_reading(join_path(unfinished_, expected.name));
        if (!file) return file.error();
        (*file)->drop_cache();
        const auto is_same = is_as_written(**file, expected);
        if (!is_same) return is_same.error();
        if (!*is_same)
            return Error{Errc::Io, "object: a part read back differs from what was written"};
        return Done{};
    }

    Result<Done> put_in_place() {
        if (auto gone = files_.remove_tree(replaced_); !gone) return gone;
        const auto moved = files_.rename(path_, replaced_);
        if (!moved && moved.error().code != Errc::NotFound) return moved;
        if (auto renamed = files_.rename(unfinished_, path_); !renamed) {
            if (moved) (void)files_.rename(replaced_, path_);  // else tidy() does it
            return renamed;
        }
        is_in_place_ = true;
        return Done{};
    }

    Result<Done> remove_replaced() { return files_.remove_tree(replaced_); }

private:
    io::FileSystem& files_;
    const std::string path_;
    const std::string unfinished_;
    const std::string replaced_;
    std::map<std::string, std::shared_ptr<Watched>> watched_;  // by part
    bool is_in_place_ = false;
};

Result<Done> check_and_place(DirectoryWriter& writer, std::span<const PartInfo> expected,
                             std::mutex& in_place) {
    for (const PartInfo& part : expected)
        if (auto same = writer.compare(part); !same) return same;
    const std::lock_guard lock(in_place);
    return writer.put_in_place();
}

Result<Done> collect_parts(io::FileSystem& files, const std::string& directory,
                           const std::string& prefix, std::vector<PartInfo>& parts) {
    const auto entries = files.list(directory);
    if (!entries) return entries.error();
    for (const io::DirectoryEntry& entry : *entries) {
        const std::string name = prefix + entry.name;
        if (!entry.is_directory) {
            parts.push_back({.name = name, .size = entry.size});
        } else if (prefix.empty()) {
            auto below = collect_parts(files, join_path(directory, entry.name), name + "/", parts);
            if (!below) return below;
        }
    }
    return Done{};
}

// The directories of one day below `root`; an absent root has none.
Result<std::vector<std::string>> list_days(io::FileSystem& files, const std::string& root) {
    std::vector<std::string> level{root};
    for (int depth = 0; depth < 3; ++depth) {
        std::vector<std::string> next;
        for (const std::string& directory : level) {
            const auto entries = files.list(directory);
            if (!entries && entries.error().code == Errc::NotFound) continue;
            if (!entries) return entries.error();
            for (const io::DirectoryEntry& entry : *entries) {
                if (entry.is_directory) next.push_back(join_path(directory, entry.name));
            }
        }
        level.swap(next);
    }
    return level;
}

// The day that a directory ROOT/YYYY/MM/DD is for.
std::optional<base::WallTime> start_of(std::string_view day) {
    constexpr std::size_t kDaySize = 10;
    if (day.size() < kDaySize) return std::nullopt;
    std::string text(day.substr(day.size() - kDaySize));
    std::replace(text.begin(), text.end(), '/', '-');
    const auto time = base::parse_time(text + "T00:00:00Z");
    if (!time) return std::nullopt;
    return time->time;
}

}  // namespace

std::optional<ObjectKey> key_of_location(std::string_view folder) {
    const std::size_t slash = folder.rfind('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto id = base::parse_uuid(folder.substr(slash + 1));
    const auto start = start_of(folder.substr(0, slash));
    if (!id || !start) return std::nullopt;
    return ObjectKey{.recording = *id, .start = *start};
}

DirectoryStore::DirectoryStore(io::FileSystem& files, std::string root)
    : files_(files), root_(std::move(root)) {}

std::string DirectoryStore::location(const ObjectKey& key) const {
    std::string day = base::to_rfc3339(key.start).substr(0, 10);  // YYYY-MM-DD
    std::replace(day.begin(), day.end(), '-', '/');
    return join_path(join_path(root_, day), base::to_string(key.recording));
}

Result<Done> DirectoryStore::tidy() {
    const auto days = list_days(files_, root_);
    if (!days) return days.error();
    for (const std::string& day : *days) {
        const auto entries = files_.list(day);
        if (!entries) return entries.error();
        std::set<std::string> names;
        for (const io::DirectoryEntry& entry : *entries) names.insert(entry.name);
        for (const std::string& name : names) {
            const std::string path = join_path(day, name);
            Result<Done> done = Done{};
            if (name.ends_with(kUnfinished)) {
                done = files_.remove_tree(path);
            } else if (name.ends_with(kReplaced)) {
                const std::string current = name.substr(0, name.size() - kReplaced.size());
                done = names.contains(current) ? files_.remove_tree(path)
                                               : files_.rename(path, join_path(day, current));
            }
            if (!done) return done;
        }
    }
    return Done{};
}

Result<std::unique_ptr<ObjectWriter>> DirectoryStore::begin(const ObjectKey& key) {
    auto writer = std::make_unique<DirectoryWriter>(files_, location(key));
    if (auto begun = writer->begin(); !begun) return begun.error();
    return std::unique_ptr<ObjectWriter>(std::move(writer));
}

std::vector<Result<Done>> DirectoryStore::commit(std::span<const WrittenObject> batch) {
    const auto synced = files_.sync_file_system(root_);
    if (!synced) return std::vector<Result<Done>>(batch.size(), synced);
    std::vector<Result<Done>> results;
    results.reserve(batch.size());
    // A store's writers are those that its begin() made.
    const auto writer_of = [](const WrittenObject& object) -> DirectoryWriter& {
        return static_cast<DirectoryWriter&>(*object.writer);
    };
    for (const WrittenObject& object : batch)
        results.push_back(check_and_place(writer_of(object), object.expected, in_place_));
    // Of the renames, and of each directory above that may be new.
    const auto renamed = files_.sync_file_system(root_);
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (!results[i]) continue;
        results[i] = renamed ? writer_of(batch[i]).remove_replaced() : renamed;
    }
    return results;
}

Result<std::unique_ptr<io::File>> DirectoryStore::open_part(const ObjectKey& key,
                                                            const std::string& name) {
    if (!is_part_name(name)) return kBadName;
    return files_.open_for_reading(join_path(location(key), name));
}

Result<std::vector<PartInfo>> DirectoryStore::list_parts(const ObjectKey& key) {
    std::vector<PartInfo> parts;
    if (auto collected = collect_parts(files_, location(key), "", parts); !collected) {
        return collected.error();
    }
    std::sort(parts.begin(), parts.end(),
              [](const PartInfo& a, const PartInfo& b) { return a.name < b.name; });
    return parts;
}

// By way of ID.part, which is no object: what is half removed is never seen.
Result<Done> DirectoryStore::remove(const ObjectKey& key) {
    const std::string path = location(key);
    const std::string doomed = path + std::string(kUnfinished);
    {
        const std::lock_guard lock(in_place_);
        if (auto gone = files_.remove_tree(doomed); !gone) return gone;
        if (auto moved = allow_absence(files_.rename(path, doomed)); !moved) return moved;
    }
    if (auto gone = files_.remove_tree(doomed); !gone) return gone;
    return allow_absence(files_.sync_directory(io::parent_path(path)));
}

Result<std::vector<ObjectKey>> DirectoryStore::list() {
    const auto days = list_days(files_, root_);
    if (!days) return days.error();
    std::vector<ObjectKey> objects;
    for (const std::string& day : *days) {
        const auto start = start_of(day);
        const auto entries = files_.list(day);
        if (!entries) return entries.error();
        for (const io::DirectoryEntry& entry : *entries) {
            const auto id = base::parse_uuid(entry.name);
            if (id && start && entry.is_directory)
                objects.push_back({.recording = *id, .start = *start});
        }
    }
    return objects;
}

// The names on the way lie beside the object, where tidy() finds them, and not in it, where they
// would be parts.
std::string DirectoryStore::temporary_of(const ObjectKey& key, const std::string& part) const {
    return location(key) + "." + part + std::string(kUnfinished);
}

std::vector<Result<Done>> DirectoryStore::replace_parts(std::span<const PartChange> batch) {
    std::vector<Result<Done>> results;
    results.reserve(batch.size());
    for (const PartChange& change : batch) results.push_back(write_beside(change));
    const auto written = files_.sync_file_system(root_);
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (results[i]) results[i] = written ? put_in_place(batch[i]) : written;
        if (!results[i])
            static_cast<void>(files_.remove_tree(temporary_of(batch[i].key, batch[i].name)));
    }
    const auto renamed = files_.sync_file_system(root_);
    for (Result<Done>& result : results)
        if (result && !renamed) result = renamed;
    return results;
}

Result<Done> DirectoryStore::is_as_expected(const PartChange& change) {
    const auto present =
        files_.read_file(join_path(location(change.key), change.name), change.expected.size());
    if (!present && present.error().code == Errc::TooLarge) return kChanged;
    if (!present) return present.error();
    if (*present != change.expected) return kChanged;
    return Done{};
}

Result<Done> DirectoryStore::write_beside(const PartChange& change) {
    if (!is_plain_name(change.name)) return kBadName;
    const std::string temporary = temporary_of(change.key, change.name);
    const std::lock_guard lock(in_place_);
    if (auto same = is_as_expected(change); !same) return same;
    if (auto gone = files_.remove_tree(temporary); !gone) return gone;
    const auto file = files_.create(temporary);
    if (!file) return file.error();
    return (*file)->write_at(0, change.content);
}

// The sync before it takes long: what was erased in it must stay so, and the key of a newer
// revision must not give way to that of an older one.
Result<Done> DirectoryStore::put_in_place(const PartChange& change) {
    const std::lock_guard lock(in_place_);
    if (auto same = is_as_expected(change); !same) return same;
    return files_.rename(temporary_of(change.key, change.name),
                         join_path(location(change.key), change.name));
}

// Also the content that just waits to come in its place: an erased key lies nowhere any more.
Result<Done> DirectoryStore::remove_part(const ObjectKey& key, const std::string& name) {
    if (!is_part_name(name)) return kBadName;
    const std::string object = location(key);
    const std::string path = join_path(object, name);
    {
        const std::lock_guard lock(in_place_);
        if (auto gone = allow_absence(files_.remove(path)); !gone) return gone;
        if (is_plain_name(name)) {
            auto gone = allow_absence(files_.remove(temporary_of(key, name)));
            if (!gone) return gone;
        }
    }
    if (auto synced = allow_absence(files_.sync_directory(io::parent_path(path))); !synced)
        return synced;
    // Of the day: a crash must not bring back an older revision, whose key was not removed.
    return allow_absence(files_.sync_directory(io::parent_path(object)));
}

}  // namespace earshot::objects
