// The parts of a recording that is being built: each encrypted on its way to the disk, or, without
// encryption, as it is. Who writes into them need not know.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "archive/sealed_part.h"
#include "archive/sha256.h"
#include "objects/object_store.h"

namespace earshot::archive {

class PartWriter {
public:
    // Borrows `object`, and what `encryption` names; draws the recording's data key.
    PartWriter(objects::ObjectWriter& object, const base::Uuid& recording,
               std::optional<Encryption> encryption);

    // Ours until close(); to be written as SealedWriter says.
    base::Result<io::File*> create(const std::string& name);
    base::Result<base::Done> close(const std::string& name);
    // Ends the writing as close() does; what was written can be read until finish().
    base::Result<io::File*> reopen(const std::string& name);
    // All parts by name; none is open any more.
    std::vector<std::string> finish();

    // Of the data key; nullopt without encryption.
    std::optional<Sha256> key_hash() const;
    std::optional<base::Bytes> key_part() const;

private:
    // The file of a part as its writer sees it; `sealed` is the same, where it is encrypted.
    struct Open {
        std::unique_ptr<io::File> file;
        SealedWriter* sealed = nullptr;
    };

    objects::ObjectWriter& object_;
    const base::Uuid recording_;
    const std::optional<Encryption> encryption_;
    std::optional<crypto::SecretKey> key_;
    std::vector<std::string> names_;  // of all parts; the place of each, from 1, is its number
    std::map<std::string, Open> open_;
};

}  // namespace earshot::archive
