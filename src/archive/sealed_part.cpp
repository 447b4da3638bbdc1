#include "archive/sealed_part.h"

#include <algorithm>

namespace earshot::archive {

using base::Bytes;
using base::ByteView;
using base::Done;
using base::Errc;
using base::Error;
using base::Result;

namespace {

constexpr std::string_view kMagic = "EARSHENC";
constexpr std::uint16_t kVersion = 1;
constexpr std::uint64_t kHeaderChunk = ~std::uint64_t{0};
constexpr std::size_t kNumberAt = 12;
constexpr std::size_t kSizeAt = 16;
constexpr std::size_t kRecordingAt = 24;
constexpr std::size_t kTagAt = kSealedHeaderBytes - crypto::kTagBytes;
// Beyond it the place of a chunk in the file does not fit into 63 bits.
constexpr std::uint64_t kMaxPlainBytes = std::uint64_t{1} << 62U;

constexpr Error kReadOnly{Errc::Unsupported, "a sealed part is only read"};

crypto::Nonce nonce_of(std::uint32_t part, std::uint64_t chunk) {
    crypto::Nonce nonce{};
    base::store_le<std::uint32_t>(nonce, 0, part);
    base::store_le<std::uint64_t>(nonce, 4, chunk);
    return nonce;
}

Bytes make_header(const PartId& id, std::uint64_t size) {
    Bytes header;
    base::append(header, base::as_bytes(kMagic));
    base::append_le(header, kVersion);
    base::append_le<std::uint16_t>(header, 0);
    base::append_le(header, id.number);
    base::append_le(header, size);
    base::append(header, id.recording.bytes);
    header.resize(kTagAt, 0);
    return header;
}

// What the header's tag is over.
Bytes context_of(ByteView header, std::string_view name) {
    Bytes context(header.begin(), header.begin() + kTagAt);
    base::append(context, base::as_bytes(name));
    return context;
}

Error altered(std::string_view what, std::uint64_t at) {
    return {Errc::Malformed, what, static_cast<std::size_t>(at)};
}

}  // namespace

SealedWriter::SealedWriter(std::unique_ptr<io::File> file, const crypto::SecretKey& key, PartId id)
    : file_(std::move(file)), aead_(key), id_(std::move(id)) {}

// After a failed write nothing more is sealed: what would be tried again need not be the same
// bytes, and the nonce would be.
Result<Done> SealedWriter::seal(std::uint64_t chunk, ByteView bytes) {
    if (is_broken_) return Error{Errc::Io, "a write before this one failed"};
    sealed_.resize(bytes.size() + crypto::kTagBytes);
    const crypto::Tag tag =
        aead_.seal(nonce_of(id_.number, chunk), {}, bytes, std::span(sealed_).first(bytes.size()));
    std::copy(tag.begin(), tag.end(), sealed_.end() - crypto::kTagBytes);
    auto written = file_->write_at(kSealedHeaderBytes + chunk * kSealedStride, sealed_);
    is_broken_ = !written;
    return written;
}

// Makes `chunk`, which is not 0, the present one. What is left out is zeros, and stored as such: a
// hole in the file would tell when nobody spoke.
Result<Done> SealedWriter::go_to(std::uint64_t chunk) {
    if (chunk < present_number_)
        return Error{Errc::Unsupported, "a sealed part is written from front to back"};
    while (present_number_ < chunk) {
        present_.resize(kSealedChunkBytes, 0);
        if (auto sealed = seal(present_number_, present_); !sealed) return sealed;
        present_.clear();
        ++present_number_;
    }
    return Done{};
}

Result<Done> SealedWriter::write_at(std::uint64_t offset, ByteView bytes) {
    if (bytes.empty()) return Done{};
    if (offset > kMaxPlainBytes - bytes.size())
        return Error{Errc::TooLarge, "a sealed part of this size cannot be"};
    size_ = std::max(size_, offset + bytes.size());
    while (!bytes.empty()) {
        const auto within = static_cast<std::size_t>(offset % kSealedChunkBytes);
        const ByteView here = bytes.first(std::min(bytes.size(), kSealedChunkBytes - within));
        if (auto put = put_in_chunk(offset / kSealedChunkBytes, within, here); !put) return put;
        offset += here.size();
        bytes = bytes.subspan(here.size());
    }
    return Done{};
}

Result<Done> SealedWriter::put_in_chunk(std::uint64_t chunk, std::size_t within, ByteView bytes) {
    if (chunk != 0) {
        if (auto there = go_to(chunk); !there) return there;
        if (bytes.size() == kSealedChunkBytes) {  // whole, so it is not copied
            present_.clear();
            ++present_number_;
            return seal(chunk, bytes);
        }
    }
    Bytes& buffer = chunk == 0 ? first_ : present_;
    if (buffer.size() < within + bytes.size()) buffer.resize(within + bytes.size(), 0);
    std::copy(bytes.begin(), bytes.end(), buffer.begin() + static_cast<std::ptrdiff_t>(within));
    return Done{};
}

Result<std::size_t> SealedWriter::read_at(std::uint64_t /*offset*/,
                                          std::span<std::uint8_t> /*out*/) {
    return Error{Errc::Unsupported, "a sealed part is read when it is finished"};
}

Result<Done> SealedWriter::truncate(std::uint64_t size) {
    if (size < size_ || size > kMaxPlainBytes)
        return Error{Errc::Unsupported, "a sealed part does not shrink"};
    size_ = size;
    return Done{};
}

Result<std::unique_ptr<io::File>> SealedWriter::finish() {
    const std::uint64_t chunks = (size_ + kSealedChunkBytes - 1) / kSealedChunkBytes;
    const auto last_bytes =
        static_cast<std::size_t>(size_ - (chunks == 0 ? 0 : (chunks - 1) * kSealedChunkBytes));
    if (chunks > present_number_) {
        if (auto there = go_to(chunks - 1); !there) return there.error();
    }
    if (chunks > 1 && present_number_ == chunks - 1) {
        present_.resize(last_bytes, 0);
        if (auto sealed = seal(present_number_, present_); !sealed) return sealed.error();
    }
    if (chunks > 0) {
        first_.resize(chunks == 1 ? last_bytes : kSealedChunkBytes, 0);
        if (auto sealed = seal(0, first_); !sealed) return sealed.error();
    }
    Bytes header = make_header(id_, size_);
    const crypto::Tag tag =
        aead_.seal(nonce_of(id_.number, kHeaderChunk), context_of(header, id_.name), {}, {});
    base::append(header, tag);
    if (auto written = file_->write_at(0, header); !written) return written.error();
    return std::move(file_);
}

std::optional<base::Uuid> find_sealed_recording(ByteView first_bytes) {
    if (first_bytes.size() < kSealedHeaderBytes ||
        base::as_text(first_bytes.first(kMagic.size())) != kMagic)
        return std::nullopt;
    base::Uuid recording;
    std::copy_n(first_bytes.begin() + kRecordingAt, recording.bytes.size(),
                recording.bytes.begin());
    return recording;
}

Result<std::unique_ptr<SealedReader>> SealedReader::open(std::unique_ptr<io::File> file,
                                                         const crypto::SecretKey& key,
                                                         const base::Uuid& recording,
                                                         const std::string& name) {
    Bytes header(kSealedHeaderBytes);
    const auto count = file->read_at(0, header);
    if (!count) return count.error();
    if (*count < header.size()) return altered("the sealed header is cut", *count);
    if (find_sealed_recording(header) != recording)
        return altered("no sealed part of this recording", 0);
    if (base::load_le<std::uint16_t>(header, kMagic.size()) != kVersion)
        return Error{Errc::Unsupported, "version of the sealed part is not known", kMagic.size()};
    std::unique_ptr<SealedReader> reader(new SealedReader(std::move(file), key));
    reader->number_ = base::load_le<std::uint32_t>(header, kNumberAt);
    reader->size_ = base::load_le<std::uint64_t>(header, kSizeAt);
    crypto::Tag tag{};
    std::copy_n(header.begin() + kTagAt, tag.size(), tag.begin());
    if (!reader->aead_.open(nonce_of(reader->number_, kHeaderChunk), context_of(header, name), {},
                            {}, tag))
        return altered("the sealed header fails its check", 0);
    if (reader->size_ > kMaxPlainBytes) return altered("the sealed part is impossibly large", 0);
    return reader;
}

std::size_t SealedReader::bytes_of(std::uint64_t chunk) const {
    return static_cast<std::size_t>(
        std::min<std::uint64_t>(kSealedChunkBytes, size_ - chunk * kSealedChunkBytes));
}

// `out` has the chunk's size.
Result<Done> SealedReader::open_chunk(std::uint64_t chunk, std::span<std::uint8_t> out) {
    sealed_.resize(out.size() + crypto::kTagBytes);
    const auto count = file_->read_at(kSealedHeaderBytes + chunk * kSealedStride, sealed_);
    if (!count) return count.error();
    const std::uint64_t at = chunk * kSealedChunkBytes;
    if (*count < sealed_.size()) return altered("the sealed part is cut", at);
    crypto::Tag tag{};
    std::copy(sealed_.end() - crypto::kTagBytes, sealed_.end(), tag.begin());
    if (!aead_.open(nonce_of(number_, chunk), {}, ByteView(sealed_).first(out.size()), out, tag))
        return altered("a sealed chunk fails its check", at);
    return Done{};
}

Result<std::size_t> SealedReader::read_at(std::uint64_t offset, std::span<std::uint8_t> out) {
    if (offset >= size_) return std::size_t{0};
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset));
    std::size_t done = 0;
    while (done < wanted) {
        const std::uint64_t chunk = (offset + done) / kSealedChunkBytes;
        const auto within = static_cast<std::size_t>((offset + done) % kSealedChunkBytes);
        const std::size_t size = bytes_of(chunk);
        const std::size_t here = std::min(wanted - done, size - within);
        if (here == size && chunk != cached_number_) {
            if (auto opened = open_chunk(chunk, out.subspan(done, here)); !opened)
                return opened.error();
        } else {
            if (chunk != cached_number_) {
                cached_.resize(size);
                cached_number_ = kHeaderChunk;  // none, until it is known to be good
                if (auto opened = open_chunk(chunk, cached_); !opened) return opened.error();
                cached_number_ = chunk;
            }
            std::copy_n(cached_.begin() + static_cast<std::ptrdiff_t>(within), here,
                        out.begin() + static_cast<std::ptrdiff_t>(done));
        }
        done += here;
    }
    return done;
}

Result<Done> SealedReader::write_at(std::uint64_t /*offset*/, ByteView /*bytes*/) {
    return kReadOnly;
}
Result<Done> SealedReader::sync_data() { return kReadOnly; }
Result<Done> SealedReader::reserve(std::uint64_t /*size*/) { return kReadOnly; }
Result<Done> SealedReader::truncate(std::uint64_t /*size*/) { return kReadOnly; }

}  // namespace earshot::archive
