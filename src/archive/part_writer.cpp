#include "archive/part_writer.h"

#include <algorithm>

#include "archive/data_key.h"

namespace earshot::archive {

using base::Done;
using base::Result;

PartWriter::PartWriter(objects::ObjectWriter& object, const base::Uuid& recording,
                       std::optional<Encryption> encryption)
    : object_(object), recording_(recording), encryption_(std::move(encryption)) {
    if (encryption_) key_ = crypto::SecretKey::generate(encryption_->random);
}

Result<io::File*> PartWriter::create(const std::string& name) {
    auto file = object_.create_part(name);
    if (!file) return file.error();
    names_.push_back(name);
    Open& part = open_[name];
    part = {.file = std::move(*file)};
    if (key_) {
        const auto number = static_cast<std::uint32_t>(names_.size());
        auto sealed = std::make_unique<SealedWriter>(
            std::move(part.file), *key_,
            PartId{.recording = recording_, .number = number, .name = name});
        part.sealed = sealed.get();
        part.file = std::move(sealed);
    }
    return part.file.get();
}

Result<Done> PartWriter::close(const std::string& name) {
    const auto part = open_.extract(name);
    SealedWriter* const sealed = part.mapped().sealed;
    if (sealed == nullptr) return Done{};
    const auto stored = sealed->finish();
    if (!stored) return stored.error();
    return Done{};
}

Result<io::File*> PartWriter::reopen(const std::string& name) {
    Open& part = open_.at(name);
    if (part.sealed == nullptr) return part.file.get();
    auto stored = part.sealed->finish();
    if (!stored) return stored.error();
    auto reader = SealedReader::open(std::move(*stored), *key_, recording_, name);
    if (!reader) return reader.error();
    part = {.file = std::move(*reader)};
    return part.file.get();
}

std::vector<std::string> PartWriter::finish() {
    open_.clear();
    std::sort(names_.begin(), names_.end());
    return names_;
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
