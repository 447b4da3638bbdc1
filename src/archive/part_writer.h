// The parts of a recording that is being built, in the one file that holds them: encrypted on its
// way to the disk, or, without encryption, as it is. Who writes into a part need not know.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "archive/archive.h"
#include "archive/pack.h"
#include "archive/sealed_part.h"
#include "archive/sha256.h"
#include "objects/object_store.h"

namespace earshot::archive {

inline constexpr const char* kContentName = "content";

class PartWriter {
public:
    // Borrows `object`, and what `encryption` names; draws the recording's data key.
    static base::Result<std::unique_ptr<PartWriter>> begin(objects::ObjectWriter& object,
                                                           const base::Uuid& recording,
                                                           std::optional<Encryption> encryption);

    // As PackWriter has them.
    io::File& create(const std::string& name) { return pack_->create(name); }
    base::Result<base::Done> close(const std::string& name) { return pack_->close(name); }
    // Everything is written; no part is of use any more.
    base::Result<base::Done> finish();

    // Of the data key; nullopt without encryption.
    std::optional<Sha256> key_hash() const;
    std::optional<base::Bytes> key_part() const;

private:
    PartWriter(const base::Uuid& recording, std::optional<Encryption> encryption);

    const base::Uuid recording_;
    const std::optional<Encryption> encryption_;
    std::optional<crypto::SecretKey> key_;
    std::unique_ptr<io::File> file_;  // as the pack sees it
    SealedWriter* sealed_ = nullptr;  // the same, where it is encrypted
    std::optional<PackWriter> pack_;
};

}  // namespace earshot::archive
