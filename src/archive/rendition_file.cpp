#include "archive/rendition_file.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "archive/data_key.h"
#include "rendition/limits.h"

namespace earshot::archive {
namespace {

using base::Reason;
using rendition::kMaxHeadBytes;

constexpr const char* kHead = "head";
constexpr const char* kBody = "body";
constexpr const char* kReport = "report";
constexpr std::uint32_t kHeadNumber = 1;
constexpr std::uint32_t kBodyNumber = 2;
constexpr std::uint32_t kReportNumber = 3;
constexpr std::size_t kMaxReportPart = 4UL * 1024 * 1024;

Reason cache_reason(const base::Error& error) {
    if (error.code == base::Errc::Io && error.detail == ENOSPC)
        return {"storage_full", "The disk of the cache is full."};
    return part_reason(error, "of the rendition");
}

// The recording's data key as one that wraps others.
crypto::KeyRing ring_of(const base::Uuid& recording, crypto::SecretKey key) {
    return {recording, std::move(key)};
}

// By the recording's own word: a key that is gone or cannot be read makes no recording plain.
base::Result<bool, Reason> is_encrypted(io::FileSystem& files, const std::string& recording) {
    const auto key = files.open_for_reading(io::join_path(recording, kKeyName));
    if (key) return true;
    if (key.error().code != base::Errc::NotFound)
        return Reason{"key_missing", "The recording's key cannot be read."};
    return false;
}

base::Result<std::unique_ptr<io::File>, Reason> open_part(
    io::FileSystem& files, const RenditionPlace& place, const std::string& name,
    const std::optional<crypto::SecretKey>& key) {
    const Reason gone{"not_found", "There is no such rendition."};
    auto file = files.open_for_reading(io::join_path(place.folder, name));
    if (!file) return gone;
    if (!key) return std::move(*file);
    auto reader = SealedReader::open(std::move(*file), *key, place.id, name);
    if (!reader) return gone;
    return std::unique_ptr<io::File>(std::move(*reader));
}

base::Result<base::Bytes, Reason> read_part(io::File& file, std::size_t limit) {
    const auto size = file.size();
    if (!size) return cache_reason(size.error());
    if (*size > limit) return Reason{"not_found", "There is no such rendition."};
    base::Bytes bytes(static_cast<std::size_t>(*size));
    const auto count = file.read_at(0, bytes);
    if (!count) return cache_reason(count.error());
    bytes.resize(*count);
    return bytes;
}

// The key of a rendition; nullopt: it is not encrypted.
base::Result<std::optional<crypto::SecretKey>, Reason> load_key(io::FileSystem& files,
                                                                const RenditionPlace& place,
                                                                const crypto::KeyWrapper* keys) {
    const auto bytes = files.read_file(io::join_path(place.folder, kKeyName), kKeyPartBytes);
    if (!bytes && bytes.error().code == base::Errc::NotFound)
        return std::optional<crypto::SecretKey>{};
    const Reason gone{"not_found", "There is no such rendition."};
    const auto part = bytes ? parse_key_part(*bytes) : base::Result<KeyPart>(bytes.error());
    if (!part || part->recording != place.id) return gone;
    auto data_key = load_data_key(files, place.recording, place.id, keys);
    if (!data_key) return data_key.error();
    auto key = ring_of(place.id, std::move(*data_key)).unwrap(part->key);
    if (!key) return gone;
    return std::optional<crypto::SecretKey>(std::move(*key));
}

}  // namespace

base::Result<std::shared_ptr<GrowingRendition>, Reason> GrowingRendition::create(
    io::FileSystem& files, RenditionPlace place, const crypto::KeyWrapper* keys,
    base::Random& random) {
    std::shared_ptr<GrowingRendition> made(new GrowingRendition(files, std::move(place)));
    made->made_in_ = made->place_.folder + ".part";
    static_cast<void>(files.remove_tree(made->made_in_));  // of a crash
    if (const auto done = files.make_directories(made->made_in_); !done)
        return cache_reason(done.error());
    const auto encrypted = is_encrypted(files, made->place_.recording);
    if (!encrypted) return encrypted.error();
    if (*encrypted) {
        auto data_key = load_data_key(files, made->place_.recording, made->place_.id, keys);
        if (!data_key) return data_key.error();
        made->key_ = crypto::SecretKey::generate(random);
        const base::Bytes part = make_key_part(
            {.recording = made->place_.id,
             .key = ring_of(made->place_.id, std::move(*data_key)).wrap(*made->key_)});
        auto file = files.create(io::join_path(made->made_in_, kKeyName));
        if (!file) return cache_reason(file.error());
        if (const auto done = (*file)->write_at(0, part); !done) return cache_reason(done.error());
    }
    auto body = made->create_part(kBody, kBodyNumber);
    if (!body) return cache_reason(body.error());
    made->body_ = std::move(*body);
    return made;
}

base::Result<std::unique_ptr<io::File>> GrowingRendition::create_part(const std::string& name,
                                                                      std::uint32_t number) {
    auto file = files_.create(io::join_path(made_in_, name));
    if (!file || !key_) return file;
    return std::unique_ptr<io::File>(std::make_unique<SealedWriter>(
        std::move(*file), *key_, PartId{.recording = place_.id, .number = number, .name = name}));
}

base::Result<base::Done, Reason> GrowingRendition::write(std::uint64_t offset,
                                                         base::ByteView bytes) {
    const std::lock_guard lock(mutex_);
    const std::uint64_t size = size_;
    // What lies in the body is sealed: it cannot be written again.
    if (offset > size || (offset < size && offset + bytes.size() > kMaxHeadBytes))
        return Reason{"media_malformed", "What it wrote is out of place."};
    if (offset < kMaxHeadBytes) {
        const auto at = static_cast<std::size_t>(offset);
        const std::size_t count = std::min(bytes.size(), kMaxHeadBytes - at);
        head_.resize(std::max(head_.size(), at + count));
        std::copy_n(bytes.begin(), count, head_.begin() + static_cast<std::ptrdiff_t>(at));
        bytes = bytes.subspan(count);
        offset += count;
    }
    if (!bytes.empty()) {
        const auto done = body_->write_at(offset - kMaxHeadBytes, bytes);
        if (!done) return cache_reason(done.error());
    }
    size_ = std::max(size, offset + bytes.size());
    return base::Done{};
}

base::Result<std::size_t, Reason> GrowingRendition::read(std::uint64_t offset,
                                                         std::span<std::uint8_t> out) {
    const std::lock_guard lock(mutex_);
    if (offset < head_.size()) {
        const auto at = static_cast<std::size_t>(offset);
        const std::size_t count = std::min(out.size(), head_.size() - at);
        std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
        return count;
    }
    if (offset >= size_ || !body_) return std::size_t{0};
    const auto count = body_->read_at(
        offset - kMaxHeadBytes,
        out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset))));
    if (!count) return cache_reason(count.error());
    return *count;
}

base::Result<base::Done> GrowingRendition::store(const std::string& name, std::uint32_t number,
                                                 base::ByteView bytes) {
    auto file = create_part(name, number);
    if (!file) return file.error();
    if (auto done = (*file)->write_at(0, bytes); !done) return done;
    if (!key_) return base::Done{};
    const auto finished = static_cast<SealedWriter&>(**file).finish();
    if (!finished) return finished.error();
    return base::Done{};
}

base::Result<base::Done> GrowingRendition::store_all(const rendition::Report& report) {
    if (auto done = store(kHead, kHeadNumber, head_); !done) return done;
    if (auto done = store(kReport, kReportNumber, base::as_bytes(rendition::to_json(report)));
        !done)
        return done;
    if (key_) {
        auto stored = static_cast<SealedWriter&>(*body_).finish();
        if (!stored) return stored.error();
        auto reader = SealedReader::open(*std::move(stored), *key_, place_.id, kBody);
        if (!reader) return reader.error();
        body_ = *std::move(reader);  // who reads what grew reads on
    }
    static_cast<void>(files_.remove_tree(place_.folder));
    return files_.rename(made_in_, place_.folder);
}

base::Result<base::Done, Reason> GrowingRendition::finish(const rendition::Report& report) {
    const std::lock_guard lock(mutex_);
    const auto done = store_all(report);
    if (!done) return cache_reason(done.error());
    return base::Done{};
}

void GrowingRendition::discard() { static_cast<void>(files_.remove_tree(made_in_)); }

base::Result<std::unique_ptr<StoredRendition>, Reason> StoredRendition::open(
    io::FileSystem& files, const RenditionPlace& place, const crypto::KeyWrapper* keys) {
    const auto key = load_key(files, place, keys);
    if (!key) return key.error();
    auto head = open_part(files, place, kHead, *key);
    if (!head) return head.error();
    auto body = open_part(files, place, kBody, *key);
    if (!body) return body.error();
    const auto report_part = open_part(files, place, kReport, *key);
    if (!report_part) return report_part.error();
    std::unique_ptr<StoredRendition> made(new StoredRendition);
    auto bytes = read_part(**head, kMaxHeadBytes);
    if (!bytes) return bytes.error();
    made->head_ = std::move(*bytes);
    const auto text = read_part(**report_part, kMaxReportPart);
    if (!text) return text.error();
    auto report = rendition::parse_report(base::as_text(*text));
    const auto size = (*body)->size();
    if (!report || !size) return Reason{"not_found", "There is no such rendition."};
    made->report_ = std::move(*report);
    made->body_ = std::move(*body);
    made->body_size_ = *size;
    return made;
}

base::Result<std::size_t, Reason> StoredRendition::read(std::uint64_t offset,
                                                        std::span<std::uint8_t> out) {
    if (offset < head_.size()) {
        const auto at = static_cast<std::size_t>(offset);
        const std::size_t count = std::min(out.size(), head_.size() - at);
        std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
        return count;
    }
    if (offset >= size()) return std::size_t{0};
    const auto count = body_->read_at(offset - head_.size(), out);
    if (!count) return cache_reason(count.error());
    return *count;
}

}  // namespace earshot::archive
