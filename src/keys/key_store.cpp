#include "keys/key_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "io/file_mode.h"
#include "keys/kek_file.h"
#include "keys/limits.h"

namespace earshot::keys {

using base::ByteView;
using base::Done;
using base::Reason;
using base::Result;
using base::Uuid;
using crypto::SecretKey;

namespace {

constexpr std::string_view kSuffix = ".key";
constexpr std::uint32_t kOthers = 077;  // any permission of group and others

Reason storage_error(const std::string& path, const base::Error& error) {
    return {"storage_error", fmt::format("{} cannot be used: {} ({})", path,
                                         error.detail == 0 ? std::string(error.what)
                                                           : std::generic_category().message(
                                                                 static_cast<int>(error.detail)),
                                         error.what)};
}

// RFC 9562 section 5.7: the first 48 bits of a version 7.
std::uint64_t milliseconds_of(const Uuid& id) { return base::load_u64(id.bytes, 0) >> 16U; }

base::WallTime time_of(const Uuid& id) {
    return base::WallTime{std::chrono::milliseconds{milliseconds_of(id)}};
}

}  // namespace

Result<std::unique_ptr<KeyStore>, Reason> KeyStore::open(io::FileSystem& files,
                                                         std::string directory,
                                                         const KeySealer* sealer,
                                                         base::WallTime now, base::Random& random) {
    std::unique_ptr<KeyStore> store(new KeyStore(files, std::move(directory), sealer));
    const auto ids = find_ids(files, store->directory_);
    if (!ids) return ids.error();
    if (ids->empty()) {
        if (auto made = store->make_directory(); !made) return made.error();
        if (auto added = store->add(now, random); !added) return added.error();
    } else if (auto loaded = store->load(*ids); !loaded) {
        return loaded.error();
    }
    store->first_current_ = store->current();
    return store;
}

Result<std::unique_ptr<KeyStore>, Reason> KeyStore::open_for_reading(io::FileSystem& files,
                                                                     std::string directory,
                                                                     const KeySealer* sealer) {
    std::unique_ptr<KeyStore> store(new KeyStore(files, std::move(directory), sealer));
    const auto ids = find_ids(files, store->directory_);
    if (!ids) return ids.error();
    if (ids->empty())
        return Reason{"not_found",
                      fmt::format("There is no key-encryption key in {}.", store->directory_)};
    if (auto loaded = store->load(*ids); !loaded) return loaded.error();
    store->first_current_ = store->current();
    return store;
}

// A key that is lost with the name of its directory takes everything with it that it wrapped.
Result<Done, Reason> KeyStore::make_directory() {
    if (const auto made = files_.make_directories(directory_); !made)
        return storage_error(directory_, made.error());
    const std::string keys = io::parent_path(directory_);
    const std::string data = io::parent_path(keys);
    for (const std::string& path : {keys, data})
        if (const auto synced = files_.sync_directory(path); !synced)
            return storage_error(path, synced.error());
    // Where the data directory itself is new; its place may be closed to us.
    static_cast<void>(files_.sync_directory(io::parent_path(data)));
    return Done{};
}

std::string KeyStore::path_of(const Uuid& id) const {
    return io::join_path(directory_, base::to_string(id) + std::string(kSuffix));
}

// Whatever else lies in the directory is none of ours.
Result<std::vector<Uuid>, Reason> KeyStore::find_ids(io::FileSystem& files,
                                                     const std::string& directory) {
    std::vector<Uuid> ids;
    const auto entries = files.list(directory);
    if (!entries && entries.error().code == base::Errc::NotFound) return ids;
    if (!entries) return storage_error(directory, entries.error());
    for (const io::DirectoryEntry& entry : *entries) {
        const std::string_view name = entry.name;
        if (!name.ends_with(kSuffix)) continue;
        const auto id = base::parse_uuid(name.substr(0, name.size() - kSuffix.size()));
        if (id && base::to_string(*id) + std::string(kSuffix) == name) ids.push_back(*id);
    }
    if (ids.size() > kMaxKeks)
        return Reason{"bad_key", fmt::format("{} holds more than {} keys.", directory, kMaxKeks)};
    return ids;  // sorted: the names are, and so are the ids that they spell
}

Result<Done, Reason> KeyStore::load(const std::vector<Uuid>& ids) {
    State state;
    std::unique_ptr<crypto::KeyRing> ring;
    for (const Uuid& id : ids) {
        auto loaded = load_key(id);
        if (!loaded) return loaded.error();
        if (!ring) {
            ring = std::make_unique<crypto::KeyRing>(id, std::move(loaded->key));
        } else {
            ring->add(id, std::move(loaded->key));
        }
        state.keks.push_back(loaded->kek);
    }
    state.ring = std::move(ring);
    state_.set(std::move(state));
    return Done{};
}

Result<KeyStore::Loaded, Reason> KeyStore::load_key(const Uuid& id) {
    const std::string path = path_of(id);
    if (const auto mode = io::find_mode(path); mode && (*mode & kOthers) != 0)
        return Reason{"bad_key",
                      fmt::format("The key file {} can be read by others (mode {:04o}). Make it "
                                  "private: chmod 600 {}; if anybody may have read it, rotate the "
                                  "keys then.",
                                  path, *mode, path)};
    auto bytes = files_.read_file(path, kMaxKekFileBytes);
    if (!bytes) return storage_error(path, bytes.error());
    auto file = parse_kek_file(base::as_text(*bytes));
    crypto::wipe(*bytes);
    if (!file)
        return Reason{"bad_key",
                      fmt::format("The key file {} cannot be used: {}. Put it back from a backup: "
                                  "what it encrypts cannot be read without it.",
                                  path, file.error().what)};
    auto key = file->is_sealed ? unseal(id, file->content)
                               : Result<SecretKey, Reason>(SecretKey::from(file->content));
    crypto::wipe(file->content);
    if (!key) return key.error();
    if (check_of(id, *key) != file->check)
        return Reason{
            "bad_key",
            fmt::format("The key file {} does not hold the key that it was made with{}. "
                        "Put it back from a backup.",
                        path, file->is_sealed ? ", or the key command returned another" : "")};
    return Loaded{{.id = id, .made = time_of(id), .is_sealed = file->is_sealed}, std::move(*key)};
}

Result<SecretKey, Reason> KeyStore::unseal(const Uuid& id, ByteView blob) const {
    if (sealer_ == nullptr)
        return Reason{"key_command_missing",
                      fmt::format("The key {} was sealed by a key command, and the configuration "
                                  "names none: storage.key_command.",
                                  path_of(id))};
    return sealer_->unwrap(id, blob);
}

// On the disk, and tried, before anything is wrapped by it.
Result<KeyStore::Loaded, Reason> KeyStore::make_key(const Uuid& id, base::Random& random) {
    const SecretKey key = SecretKey::generate(random);
    KekFile file{.is_sealed = sealer_ != nullptr, .check = check_of(id, key)};
    if (sealer_ != nullptr) {
        auto blob = sealer_->wrap(id, key);
        if (!blob) return blob.error();
        file.content = std::move(*blob);
    } else {
        file.content.assign(key.bytes().begin(), key.bytes().end());
    }
    std::string text = to_text(file);
    const auto written = files_.write_file(path_of(id), base::as_bytes(text));
    crypto::wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    crypto::wipe(file.content);
    auto loaded = written ? load_key(id)
                          : Result<Loaded, Reason>(storage_error(path_of(id), written.error()));
    if (!loaded) static_cast<void>(files_.remove(path_of(id)));  // nothing was wrapped by it
    return loaded;
}

crypto::WrappedKey KeyStore::wrap(const SecretKey& key) const {
    return state_.get()->ring->wrap(key);
}

Result<SecretKey> KeyStore::unwrap(const crypto::WrappedKey& wrapped) const {
    return state_.get()->ring->unwrap(wrapped);
}

Uuid KeyStore::current() const { return state_.get()->ring->current(); }

std::vector<Kek> KeyStore::list() const {
    std::vector<Kek> keks = state_.get()->keks;
    for (Kek& kek : keks) kek.is_in_use = kek.id >= first_current_;
    keks.back().is_current = true;
    return keks;
}

Result<Uuid, Reason> KeyStore::add(base::WallTime now, base::Random& random) {
    const auto known = state_.get();
    if (known->keks.size() >= kMaxKeks)
        return Reason{"bad_key",
                      fmt::format("There are {} keys already: remove old ones first.", kMaxKeks)};
    // The newest by name, also where the clock was set back.
    if (known->ring != nullptr)
        now = std::max(now, time_of(known->ring->current()) + std::chrono::milliseconds{1});
    const Uuid id = base::make_uuid_v7(now, random);
    auto made = make_key(id, random);
    if (!made) return made.error();
    State next{.ring = nullptr, .keks = known->keks};
    if (known->ring == nullptr) {
        next.ring = std::make_shared<crypto::KeyRing>(id, std::move(made->key));
    } else {
        auto ring = known->ring->copy();
        ring->add(id, std::move(made->key));
        next.ring = std::move(ring);
    }
    next.keks.push_back(made->kek);
    state_.set(std::move(next));
    return id;
}

Result<Done, Reason> KeyStore::remove(const Uuid& id) {
    const auto known = state_.get();
    const auto found = std::find_if(known->keks.begin(), known->keks.end(),
                                    [&](const Kek& kek) { return kek.id == id; });
    if (found == known->keks.end())
        return Reason{"not_found", fmt::format("There is no key {}.", base::to_string(id))};
    if (id >= first_current_)
        return Reason{"key_in_use",
                      fmt::format("The key {} has wrapped other keys since the server started: it "
                                  "can be removed after the next start.",
                                  base::to_string(id))};
    const auto removed = files_.remove(path_of(id));
    if (!removed && removed.error().code != base::Errc::NotFound)
        return storage_error(path_of(id), removed.error());
    if (const auto synced = files_.sync_directory(directory_); !synced)
        return storage_error(directory_, synced.error());
    auto ring = known->ring->copy();
    ring->remove(id);
    State next{.ring = std::move(ring), .keks = {}};
    std::copy_if(known->keks.begin(), known->keks.end(), std::back_inserter(next.keks),
                 [&](const Kek& kek) { return kek.id != id; });
    state_.set(std::move(next));
    return Done{};
}

}  // namespace earshot::keys
