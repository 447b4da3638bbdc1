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
constexpr std::uint64_t kTrailerChunk = ~std::uint64_t{0};
constexpr std::size_t kNumberAt = 12;
constexpr std::size_t kRecordingAt = 16;
// Beyond it the place of a chunk in the file does not fit into 63 bits.
constexpr std::uint64_t kMaxPlainBytes = std::uint64_t{1} << 62U;

constexpr Error kReadOnly{Errc::Unsupported, "a sealed part is only read"};

crypto::Nonce nonce_of(std::uint32_t part, std::uint64_t chunk) {
    crypto::Nonce nonce{};
    base::store_le<std::uint32_t>(nonce, 0, part);
    base::store_le<std::uint64_t>(nonce, 4, chunk);
    return nonce;
}

Bytes make_header(const PartId& id) {
    Bytes header;
    base::append(header, base::as_bytes(kMagic));
    base::append_le(header, kVersion);
    base::append_le<std::uint16_t>(header, 0);
    base::append_le(header, id.number);
    base::append(header, id.recording.bytes);
    return header;
}

// What the trailer's tag is over.
Bytes context_of(ByteView header, std::uint64_t size, std::string_view name) {
    Bytes context(header.begin(), header.end());
    base::append_le(context, size);
    base::append(context, base::as_bytes(name));
    return context;
}

std::uint64_t chunks_in(std::uint64_t size) {
    return (size + kSealedChunkBytes - 1) / kSealedChunkBytes;
}

Error altered(std::string_view what, std::uint64_t at) {
    return {Errc::Malformed, what, static_cast<std::size_t>(at)};
}

}  // namespace

SealedWriter::SealedWriter(std::unique_ptr<io::File> file, const crypto::SecretKey& key, PartId id)
    : file_(std::move(file)), aead_(key), id_(std::move(id)), sealed_(make_header(id_)) {}

// After a failed write nothing more is sealed: what would be tried again need not be the same
// bytes, and the nonce would be.
Result<Done> SealedWriter::flush() {
    if (is_broken_) return Error{Errc::Io, "a write before this one failed"};
    auto written = file_->write_at(stored_, sealed_);
    is_broken_ = !written;
    stored_ += sealed_.size();
    sealed_.clear();
    return written;
}

Result<Done> SealedWriter::seal(ByteView bytes) {
    const std::size_t begin = sealed_.size();
    sealed_.resize(begin + bytes.size() + crypto::kTagBytes);
    const crypto::Tag tag = aead_.seal(nonce_of(id_.number, chunks_++), {}, bytes,
                                       std::span(sealed_).subspan(begin, bytes.size()));
    std::copy(tag.begin(), tag.end(), sealed_.end() - crypto::kTagBytes);
    return bytes.size() < kSealedChunkBytes ? Done{}
                                            : flush();  // the last one goes with the trailer
}

// What is left out is zeros, and stored as such: a hole in the file would tell when nobody spoke.
Result<Done> SealedWriter::pad_to(std::uint64_t size) {
    static const Bytes zeros(kSealedChunkBytes, 0);
    while (size_ < size) {
        const auto count =
            static_cast<std::size_t>(std::min<std::uint64_t>(size - size_, zeros.size()));
        if (auto put = write_at(size_, ByteView(zeros).first(count)); !put) return put;
    }
    return Done{};
}

Result<Done> SealedWriter::write_at(std::uint64_t offset, ByteView bytes) {
    if (bytes.empty()) return Done{};  // as of any file: it does not become longer
    if (offset > kMaxPlainBytes - bytes.size())
        return Error{Errc::TooLarge, "a sealed part of this size cannot be"};
    if (offset < size_)
        return Error{Errc::Unsupported, "a sealed part is written from front to back"};
    if (auto padded = pad_to(offset); !padded) return padded;
    while (!bytes.empty()) {
        const ByteView here =
            bytes.first(std::min(bytes.size(), kSealedChunkBytes - present_.size()));
        bytes = bytes.subspan(here.size());
        size_ += here.size();
        if (here.size() == kSealedChunkBytes) {  // whole, so it is not copied
            if (auto sealed = seal(here); !sealed) return sealed;
            continue;
        }
        base::append(present_, here);
        if (present_.size() < kSealedChunkBytes) break;
        if (auto sealed = seal(present_); !sealed) return sealed;
        present_.clear();
    }
    return Done{};
}

// From the chunks that are in the file, and from the one that is not full yet.
Result<std::size_t> SealedWriter::read_at(std::uint64_t offset, std::span<std::uint8_t> out) {
    std::size_t done = 0;
    while (done < out.size() && offset + done < size_) {
        const std::uint64_t at = offset + done;
        const std::uint64_t chunk = at / kSealedChunkBytes;
        ByteView bytes = present_;
        if (chunk < chunks_) {
            const auto opened =
                read_back_.find(*file_, aead_, id_.number, chunk, kSealedChunkBytes);
            if (!opened) return opened.error();
            bytes = *opened;
        }
        const ByteView here = bytes.subspan(static_cast<std::size_t>(at % kSealedChunkBytes));
        const std::size_t count = std::min(here.size(), out.size() - done);
        std::copy_n(here.begin(), count, out.begin() + static_cast<std::ptrdiff_t>(done));
        done += count;
    }
    return done;
}

Result<Done> SealedWriter::truncate(std::uint64_t size) {
    if (size < size_ || size > kMaxPlainBytes)
        return Error{Errc::Unsupported, "a sealed part does not shrink"};
    return pad_to(size);
}

Result<std::unique_ptr<io::File>> SealedWriter::finish() {
    if (!present_.empty()) {
        if (auto sealed = seal(present_); !sealed) return sealed.error();
    }
    const Bytes context = context_of(make_header(id_), size_, id_.name);
    const crypto::Tag tag = aead_.seal(nonce_of(id_.number, kTrailerChunk), context, {}, {});
    base::append_le(sealed_, size_);
    base::append(sealed_, tag);
    if (auto written = flush(); !written) return written.error();
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
    if (auto trailer = reader->read_trailer(header, name); !trailer) return trailer.error();
    return reader;
}

Result<Done> SealedReader::read_trailer(ByteView header, std::string_view name) {
    const auto stored = file_->size();
    if (!stored) return stored.error();
    if (*stored < kSealedHeaderBytes + kSealedTrailerBytes)
        return altered("the sealed part is cut", *stored);
    std::array<std::uint8_t, kSealedTrailerBytes> trailer{};
    const auto count = file_->read_at(*stored - trailer.size(), trailer);
    if (!count) return count.error();
    if (*count < trailer.size()) return altered("the sealed part is cut", *stored);
    size_ = base::load_le<std::uint64_t>(trailer, 0);
    if (size_ > kMaxPlainBytes) return altered("the sealed part is impossibly large", 0);
    crypto::Tag tag{};
    std::copy_n(trailer.begin() + 8, tag.size(), tag.begin());
    if (!aead_.open(nonce_of(number_, kTrailerChunk), context_of(header, size_, name), {}, {}, tag))
        return altered("the end of the sealed part fails its check", size_);
    const std::uint64_t whole =
        kSealedHeaderBytes + size_ + crypto::kTagBytes * chunks_in(size_) + kSealedTrailerBytes;
    if (*stored != whole) return altered("the sealed part has another size than it says", size_);
    return Done{};
}

std::size_t SealedReader::bytes_of(std::uint64_t chunk) const {
    return static_cast<std::size_t>(
        std::min<std::uint64_t>(kSealedChunkBytes, size_ - chunk * kSealedChunkBytes));
}

Result<Done> SealedChunks::read(io::File& file, crypto::Aead& aead, std::uint32_t part,
                                std::uint64_t chunk, std::span<std::uint8_t> out) {
    sealed_.resize(out.size() + crypto::kTagBytes);
    const auto count = file.read_at(kSealedHeaderBytes + chunk * kSealedStride, sealed_);
    if (!count) return count.error();
    const std::uint64_t at = chunk * kSealedChunkBytes;
    if (*count < sealed_.size()) return altered("the sealed part is cut", at);
    crypto::Tag tag{};
    std::copy(sealed_.end() - crypto::kTagBytes, sealed_.end(), tag.begin());
    if (!aead.open(nonce_of(part, chunk), {}, ByteView(sealed_).first(out.size()), out, tag))
        return altered("a sealed chunk fails its check", at);
    return Done{};
}

Result<ByteView> SealedChunks::find(io::File& file, crypto::Aead& aead, std::uint32_t part,
                                    std::uint64_t chunk, std::size_t size) {
    if (number_ == chunk) return ByteView(kept_);
    kept_.resize(size);
    number_ = kTrailerChunk;  // none, until it is known to be good
    if (auto opened = read(file, aead, part, chunk, kept_); !opened) return opened.error();
    number_ = chunk;
    return ByteView(kept_);
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
        if (here == size && !chunks_.has(chunk)) {
            auto opened = chunks_.read(*file_, aead_, number_, chunk, out.subspan(done, here));
            if (!opened) return opened.error();
        } else {
            const auto opened = chunks_.find(*file_, aead_, number_, chunk, size);
            if (!opened) return opened.error();
            std::copy_n(opened->begin() + static_cast<std::ptrdiff_t>(within), here,
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
