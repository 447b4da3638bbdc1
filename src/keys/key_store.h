// The key-encryption keys (KEKs) of a data directory, DATA/keys/kek/ID.key each. The newest one
// wraps the data keys of recordings and journal segments, all of them unwrap. Ids are UUIDs of
// version 7 that grow from one key to the next, so the newest is the last by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/snapshot.h"
#include "base/time.h"
#include "base/uuid.h"
#include "crypto/key_wrap.h"
#include "io/file.h"
#include "keys/key_command.h"

namespace earshot::keys {

struct Kek {
    base::Uuid id;
    base::WallTime made;
    bool is_sealed = false;  // by a command
    bool is_current = false;
    bool is_in_use = false;  // wrapped keys since the start: some may not be on the disk yet
};

// Any thread; add() and remove() one thread at a time.
class KeyStore : public crypto::KeyWrapper {
public:
    // Reads DIRECTORY (DATA/keys/kek), or makes its first key. `files` is borrowed, `sealer` too
    // where there is one: new keys are sealed by it, and keys that it sealed need it. Any key that
    // cannot be had is an error: recordings need it, and nobody could tell which. Codes:
    // "bad_key", "storage_error", "key_command_failed", "key_command_missing".
    static base::Result<std::unique_ptr<KeyStore>, base::Reason> open(io::FileSystem& files,
                                                                      std::string directory,
                                                                      const KeySealer* sealer,
                                                                      base::WallTime now,
                                                                      base::Random& random);
    // The same for one who only reads: makes nothing; "not_found" when there is no key.
    static base::Result<std::unique_ptr<KeyStore>, base::Reason> open_for_reading(
        io::FileSystem& files, std::string directory, const KeySealer* sealer);

    // The ids of the keys in DIRECTORY, sorted; nothing is read of them.
    static base::Result<std::vector<base::Uuid>, base::Reason> find_ids(
        io::FileSystem& files, const std::string& directory);

    crypto::WrappedKey wrap(const crypto::SecretKey& key) const override;
    base::Result<crypto::SecretKey> unwrap(const crypto::WrappedKey& wrapped) const override;

    base::Uuid current() const;
    std::vector<Kek> list() const;  // oldest first
    // A new key, durable when it returns, that wraps from then on.
    base::Result<base::Uuid, base::Reason> add(base::WallTime now, base::Random& random);
    // Deletes a key for ever; the caller knows that nothing needs it. Refused ("key_in_use") for
    // the current one and for one that has wrapped anything since the start.
    base::Result<base::Done, base::Reason> remove(const base::Uuid& id);

private:
    struct State {
        std::shared_ptr<const crypto::KeyRing> ring;  // shared with who is just wrapping
        std::vector<Kek> keks;                        // oldest first
    };
    struct Loaded {
        Kek kek;
        crypto::SecretKey key;
    };

    KeyStore(io::FileSystem& files, std::string directory, const KeySealer* sealer)
        : files_(files), directory_(std::move(directory)), sealer_(sealer) {}

    std::string path_of(const base::Uuid& id) const;
    base::Result<base::Done, base::Reason> make_directory();
    base::Result<base::Done, base::Reason> load(const std::vector<base::Uuid>& ids);
    base::Result<Loaded, base::Reason> load_key(const base::Uuid& id);
    base::Result<Loaded, base::Reason> make_key(const base::Uuid& id, base::Random& random);
    base::Result<crypto::SecretKey, base::Reason> unseal(const base::Uuid& id,
                                                         base::ByteView blob) const;

    io::FileSystem& files_;
    const std::string directory_;
    const KeySealer* const sealer_;
    base::Snapshot<State> state_;
    base::Uuid first_current_{};  // older ones have wrapped nothing in this run
};

}  // namespace earshot::keys
