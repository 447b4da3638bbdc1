#include "archive/part_writer.h"

#include "archive/data_key.h"

namespace earshot::archive {

using base::Done;
using base::Result;

PartWriter::PartWriter(const base::Uuid& recording, std::optional<Encryption> encryption)
    : recording_(recording), encryption_(std::move(encryption)) {
    if (encryption_) key_ = crypto::SecretKey::generate(encryption_->random);
}

Result<std::unique_ptr<PartWriter>> PartWriter::begin(objects::ObjectWriter& object,
                                                      const base::Uuid& recording,
                                                      std::optional<Encryption> encryption) {
    auto file = object.create_part(kContentName);
    if (!file) return file.error();
    std::unique_ptr<PartWriter> parts(new PartWriter(recording, std::move(encryption)));
    parts->file_ = *std::move(file);
    if (parts->key_) {
        auto sealed = std::make_unique<SealedWriter>(
            std::move(parts->file_), *parts->key_,
            PartId{.recording = recording, .number = 1, .name = kContentName});
        parts->sealed_ = sealed.get();
        parts->file_ = std::move(sealed);
    }
    parts->pack_.emplace(*parts->file_, recording);
    return parts;
}

Result<Done> PartWriter::finish() {
    if (auto finished = pack_->finish(); !finished) return finished;
    if (sealed_ == nullptr) return Done{};
    const auto stored = sealed_->finish();
    if (!stored) return stored.error();
    return Done{};
}

std::optional<Sha256> PartWriter::key_hash() const {
    if (!key_) return std::nullopt;
    return hash_of_key(recording_, *key_);
}

std::optional<base::Bytes> PartWriter::key_part() const {
    if (!key_) return std::nullopt;
    return make_key_part({.recording = recording_, .key = encryption_->keys.wrap(*key_)});
}

}  // namespace earshot::archive
