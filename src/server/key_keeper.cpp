#include "server/key_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "archive/key_rotation.h"
#include "base/text.h"
#include "journal/format.h"

namespace earshot::server {

using base::Reason;
using base::Result;
using base::Uuid;

namespace {

constexpr std::string_view kSegmentSuffix = ".seg";

Reason storage_error(const base::Error& error) {
    return {"storage_error",
            fmt::format("The recordings cannot be listed: {} ({}).", error.what, error.detail)};
}

// Zeros are space that was reserved, and nothing yet.
bool is_unwritten(base::ByteView bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

void add_segment(io::FileSystem& files, const std::string& path, SegmentKeys& found) {
    const auto file = files.open_for_reading(path);
    if (!file && file.error().code == base::Errc::NotFound) return;  // freed meanwhile
    base::Bytes bytes(journal::kFirstFrameAt);
    const auto count = file ? (*file)->read_at(0, bytes) : Result<std::size_t>(file.error());
    const auto head = base::ByteView(bytes).first(count ? *count : 0);
    if (count && is_unwritten(head)) return;
    const auto header = journal::parse_segment_headers(head);
    if (header) {
        if (header->key) ++found.segments[header->key->wrapped_by];
        return;
    }
    ++found.unreadable;
}

// Recordings that the catalogue knows and that are not where they should be.
Result<std::uint64_t, Reason> count_missing(catalog::Catalog& catalogue,
                                            const std::set<Uuid>& found) {
    std::uint64_t missing = 0;
    catalog::RecordingQuery query{.limit = catalog::kMaxPage};
    const auto look_at = [&](const catalog::Recording& piece) {
        const auto id = base::parse_uuid(piece.id);
        if (!piece.directory.empty() && id && !found.contains(*id)) ++missing;
    };
    while (true) {
        const auto page = catalogue.list(query);
        if (!page) return page.error();
        for (const catalog::Recording& recording : *page) {
            if (recording.pieces.empty()) look_at(recording);
            for (const catalog::Recording& piece : recording.pieces) look_at(piece);
        }
        if (page->size() < query.limit) return missing;
        query.after = page->back().id;
    }
}

}  // namespace

SegmentKeys find_segment_keys(io::FileSystem& files, const std::string& journals) {
    SegmentKeys found;
    const auto workers = files.list(journals);
    if (!workers) {
        if (workers.error().code != base::Errc::NotFound) ++found.unreadable;
        return found;
    }
    for (const io::DirectoryEntry& worker : *workers) {
        if (!worker.is_directory) continue;
        const std::string directory = io::join_path(journals, worker.name);
        const auto segments = files.list(directory);
        if (!segments) {
            ++found.unreadable;
            continue;
        }
        for (const io::DirectoryEntry& segment : *segments)
            if (segment.name.ends_with(kSegmentSuffix))
                add_segment(files, io::join_path(directory, segment.name), found);
    }
    return found;
}

std::optional<Reason> find_missing_key(io::FileSystem& files, objects::ObjectStore& objects,
                                       const std::string& journals,
                                       const std::vector<Uuid>& known) {
    const auto is_missing = [&](const Uuid& id) {
        return std::find(known.begin(), known.end(), id) == known.end();
    };
    for (const auto& [id, count] : find_segment_keys(files, journals).segments)
        if (is_missing(id))
            return Reason{"key_missing",
                          fmt::format("{} segments of the journal in {} are encrypted under the "
                                      "key-encryption key {}, which is not in keys/kek. Put it "
                                      "back from a backup; calls that are only in the journal are "
                                      "lost without it.",
                                      count, journals, base::to_string(id))};
    const auto newest = archive::find_newest_key(objects);
    if (newest && is_missing(newest->key.wrapped_by))
        return Reason{"key_missing",
                      fmt::format("The recording {} is encrypted under the key-encryption key {}, "
                                  "which is not in keys/kek. Put it back from a backup; if it is "
                                  "lost for good, move the folder recordings aside, which nobody "
                                  "can read then.",
                                  base::to_string(newest->recording),
                                  base::to_string(newest->key.wrapped_by))};
    return std::nullopt;
}

// Who may change keys; given back when it goes.
class KeyKeeper::Turn {
public:
    explicit Turn(KeyKeeper& keeper) : keeper_(keeper), is_ours_(!keeper.is_busy_.exchange(true)) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
        if (is_ours_) keeper_.is_busy_ = false;
    }
    bool is_ours() const { return is_ours_; }
    static Reason refusal() {
        return {"rotation_running",
                "The keys are just being rotated or removed by another request."};
    }

private:
    KeyKeeper& keeper_;
    const bool is_ours_;
};

class KeyKeeper::Job : public api::KeyRotationJob {
public:
    Job(std::unique_ptr<Turn> turn, archive::KeyRotation rotation, std::string key, base::Log& log)
        : turn_(std::move(turn)), rotation_(std::move(rotation)), key_(std::move(key)), log_(log) {}
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    ~Job() override {
        if (!is_over_)
            log_.warning("a rotation of the keys was interrupted; another one does the rest",
                         {{"key", key_}, {"done", std::to_string(rotation_.progress().done)}});
    }

    std::optional<Progress> step() override {
        if (is_over_) return std::nullopt;
        is_over_ = !rotation_.step();
        const archive::KeyRotation::Progress& progress = rotation_.progress();
        if (is_over_)
            log_.info("the keys were rotated", {{"key", key_},
                                                {"wrapped", std::to_string(progress.wrapped)},
                                                {"failed", std::to_string(progress.failed)}});
        return Progress{.key = key_,
                        .done = progress.done,
                        .total = progress.total,
                        .wrapped = progress.wrapped,
                        .failed = progress.failed,
                        .failure = progress.failure};
    }

private:
    const std::unique_ptr<Turn> turn_;
    archive::KeyRotation rotation_;
    const std::string key_;
    base::Log& log_;
    bool is_over_ = false;
};

Result<api::KeyList, Reason> KeyKeeper::list() {
    const auto uses = archive::find_key_uses(d_.objects);
    if (!uses) return storage_error(uses.error());
    const SegmentKeys segments = find_segment_keys(d_.files, d_.journals);
    const auto missing = count_missing(d_.catalogue, uses->found);
    if (!missing) return missing.error();
    api::KeyList list{.unreadable = uses->unreadable + segments.unreadable, .missing = *missing};
    const auto count_in = [](const std::map<Uuid, std::uint64_t>& counts, const Uuid& id) {
        const auto found = counts.find(id);
        return found == counts.end() ? std::uint64_t{0} : found->second;
    };
    for (const keys::Kek& kek : d_.keys.list())
        list.keys.push_back({.id = base::to_string(kek.id),
                             .made = kek.made,
                             .is_sealed = kek.is_sealed,
                             .is_current = kek.is_current,
                             .is_in_use = kek.is_in_use,
                             .recordings = count_in(uses->recordings, kek.id),
                             .segments = count_in(segments.segments, kek.id)});
    return list;
}

Result<std::unique_ptr<api::KeyRotationJob>, Reason> KeyKeeper::rotate() {
    auto turn = std::make_unique<Turn>(*this);
    if (!turn->is_ours()) return Turn::refusal();
    const auto id = d_.keys.add(d_.clock.now().wall, random_);
    if (!id) return id.error();
    const std::string key = base::to_string(*id);
    d_.log.info("a new key-encryption key was made", {{"key", key}});
    auto rotation = archive::KeyRotation::begin(d_.objects, d_.keys);
    if (!rotation) return storage_error(rotation.error());
    return std::unique_ptr<api::KeyRotationJob>(
        std::make_unique<Job>(std::move(turn), std::move(*rotation), key, d_.log));
}

std::optional<Reason> KeyKeeper::remove(const std::string& id) {
    const Turn turn(*this);
    if (!turn.is_ours()) return Turn::refusal();
    const auto uuid = base::parse_uuid(id);
    if (!uuid) return Reason{"not_found", fmt::format("There is no key \"{}\".", id)};
    if (auto need = find_need(*uuid)) return need;
    if (const auto removed = d_.keys.remove(*uuid); !removed) return removed.error();
    d_.log.info("a key-encryption key was removed", {{"key", id}});
    return std::nullopt;
}

// A key that is gone takes with it what it wraps, for ever: whoever cannot be asked counts as one
// who needs it.
std::optional<Reason> KeyKeeper::find_need(const Uuid& id) {
    const auto known = list();
    if (!known) return known.error();
    const auto found =
        std::find_if(known->keys.begin(), known->keys.end(),
                     [name = base::to_string(id)](const api::KeyView& k) { return k.id == name; });
    if (found == known->keys.end()) return std::nullopt;  // told by the store
    if (found->recordings + found->segments != 0)
        return Reason{"key_in_use",
                      fmt::format("{} recordings and {} segments of the journal need this key: "
                                  "`earshot keys rotate` brings the recordings under a new one, "
                                  "the journal goes by itself.",
                                  found->recordings, found->segments)};
    if (known->missing != 0)
        return Reason{"key_in_use",
                      fmt::format("{} recordings of the catalogue are not in their folders, and "
                                  "may need this key: was the folder moved, or is its disk not "
                                  "mounted?",
                                  known->missing)};
    if (known->unreadable != 0)
        return Reason{"key_in_use",
                      fmt::format("{} recordings or segments of the journal cannot be read, and "
                                  "may need this key.",
                                  known->unreadable)};
    return std::nullopt;
}

}  // namespace earshot::server
