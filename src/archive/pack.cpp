#include "archive/pack.h"

#include <algorithm>
#include <array>

#include "archive/limits.h"
#include "base/crc32c.h"

namespace earshot::archive {

using base::Bytes;
using base::ByteView;
using base::Done;
using base::Errc;
using base::Error;
using base::Result;

namespace {

constexpr std::string_view kMagic = "EARSPACK";
constexpr std::string_view kEndMagic = "EARSPEND";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kTrailerBytes = 32;
constexpr std::size_t kPieceEntryBytes = 16;
// What is smaller waits for more of the same part, so that it lies in few pieces.
constexpr std::size_t kPieceBytes = 64ULL * 1024;
constexpr std::size_t kWrittenThroughBytes = 16ULL * 1024;

Error malformed(std::string_view what, std::uint64_t at) {
    return {Errc::Malformed, what, static_cast<std::size_t>(at)};
}

Bytes make_header(const base::Uuid& recording) {
    Bytes header;
    base::append(header, base::as_bytes(kMagic));
    base::append_le(header, kVersion);
    header.resize(kHeaderBytes - recording.bytes.size(), 0);
    base::append(header, recording.bytes);
    return header;
}

// Reads `out` from the place `offset` in the parts that the pieces make up.
Result<std::size_t> read_pieces(io::File& file, const std::vector<PackPiece>& pieces,
                                std::uint64_t offset, std::span<std::uint8_t> out) {
    std::size_t done = 0;
    std::uint64_t begin = 0;  // of the piece, in the part
    for (const PackPiece& piece : pieces) {
        const std::uint64_t at = offset + done;
        if (done == out.size()) break;
        if (at < begin + piece.size) {
            const std::uint64_t within = at - begin;
            const auto count = static_cast<std::size_t>(
                std::min<std::uint64_t>(out.size() - done, piece.size - within));
            const auto read = file.read_at(piece.offset + within, out.subspan(done, count));
            if (!read) return read.error();
            if (*read < count) return malformed("the pack is cut", piece.offset + within + *read);
            done += count;
        }
        begin += piece.size;
    }
    return done;
}

}  // namespace

class PackWriter::Part : public io::File {
public:
    explicit Part(PackWriter& pack) : pack_(pack) {}

    Result<Done> write_at(std::uint64_t offset, ByteView bytes) override {
        if (offset != size_)
            return Error{Errc::Unsupported, "a part of a pack is written from front to back"};
        size_ += bytes.size();
        if (bytes.size() >= kWrittenThroughBytes) {
            if (auto flushed = flush(); !flushed) return flushed;
            return append(bytes);
        }
        base::append(waiting_, bytes);
        return waiting_.size() < kPieceBytes ? Done{} : flush();
    }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
        const auto stored = read_pieces(pack_.file_, pieces_, offset, out);
        const std::uint64_t begin = size_ - waiting_.size();
        if (!stored || *stored == out.size() || offset + *stored < begin) return stored;
        const auto within =
            static_cast<std::size_t>(std::min<std::uint64_t>(offset + *stored, size_) - begin);
        const std::size_t count = std::min(out.size() - *stored, waiting_.size() - within);
        std::copy_n(waiting_.begin() + static_cast<std::ptrdiff_t>(within), count,
                    out.begin() + static_cast<std::ptrdiff_t>(*stored));
        return *stored + count;
    }

    Result<Done> flush() {
        auto appended = append(waiting_);
        waiting_.clear();
        return appended;
    }
    Result<Done> close() {
        auto flushed = flush();
        waiting_.shrink_to_fit();
        return flushed;
    }
    const std::vector<PackPiece>& pieces() const { return pieces_; }

    Result<std::uint64_t> size() override { return size_; }
    Result<Done> reserve(std::uint64_t /*size*/) override { return Done{}; }
    Result<Done> truncate(std::uint64_t size) override {
        if (size == size_) return Done{};
        return Error{Errc::Unsupported, "a part of a pack keeps its size"};
    }
    Result<Done> sync_data() override {
        return Error{Errc::Unsupported, "a pack is synced as a whole"};
    }

private:
    Result<Done> append(ByteView bytes) {
        if (bytes.empty()) return Done{};
        const std::uint64_t at = pack_.size_;
        if (auto appended = pack_.append(bytes); !appended) return appended;
        if (!pieces_.empty() && pieces_.back().offset + pieces_.back().size == at)
            pieces_.back().size += bytes.size();
        else
            pieces_.push_back({.offset = at, .size = bytes.size()});
        return Done{};
    }

    PackWriter& pack_;
    std::uint64_t size_ = 0;
    std::vector<PackPiece> pieces_;
    Bytes waiting_;
};

PackWriter::PackWriter(io::File& file, const base::Uuid& recording)
    : file_(file), header_(make_header(recording)), size_(header_.size()) {}
PackWriter::~PackWriter() = default;

Result<Done> PackWriter::append(ByteView bytes) {
    if (!header_.empty()) {
        if (auto written = file_.write_at(0, header_); !written) return written;
        header_.clear();
    }
    auto written = file_.write_at(size_, bytes);
    size_ += bytes.size();
    return written;
}

io::File& PackWriter::create(const std::string& name) {
    auto& part = parts_[name];
    part = std::make_unique<Part>(*this);
    return *part;
}

Result<Done> PackWriter::close(const std::string& name) { return parts_.at(name)->close(); }

Result<Done> PackWriter::finish() {
    Bytes index;
    for (const auto& [name, part] : parts_) {
        if (auto closed = part->close(); !closed) return closed;
        base::append_le(index, static_cast<std::uint8_t>(name.size()));
        base::append(index, base::as_bytes(name));
        base::append_le(index, static_cast<std::uint32_t>(part->pieces().size()));
        for (const PackPiece& piece : part->pieces()) {
            base::append_le(index, piece.offset);
            base::append_le(index, piece.size);
        }
    }
    const std::uint32_t crc = base::crc32c(index);
    base::append_le(index, size_);
    base::append_le(index, static_cast<std::uint32_t>(parts_.size()));
    base::append_le(index, crc);
    base::append_le(index, std::uint64_t{0});
    base::append(index, base::as_bytes(kEndMagic));
    parts_.clear();
    return append(index);
}

namespace {

// A part on its own; it owns the pack's file.
class PackedPart : public io::File {
public:
    PackedPart(std::unique_ptr<io::File> file, std::vector<PackPiece> pieces)
        : file_(std::move(file)), pieces_(std::move(pieces)) {
        for (const PackPiece& piece : pieces_) size_ += piece.size;
    }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
        return read_pieces(*file_, pieces_, offset, out);
    }
    Result<std::uint64_t> size() override { return size_; }
    void drop_cache() override { file_->drop_cache(); }

    Result<Done> write_at(std::uint64_t /*offset*/, ByteView /*bytes*/) override {
        return kReadOnly;
    }
    Result<Done> sync_data() override { return kReadOnly; }
    Result<Done> reserve(std::uint64_t /*size*/) override { return kReadOnly; }
    Result<Done> truncate(std::uint64_t /*size*/) override { return kReadOnly; }

private:
    static constexpr Error kReadOnly{Errc::Unsupported, "a stored part is only read"};

    std::unique_ptr<io::File> file_;
    std::vector<PackPiece> pieces_;
    std::uint64_t size_ = 0;
};

// Takes a part off the index; false where it is cut or names a place that is none of the pack's.
bool take_part(base::LeReader& reader, std::uint64_t end,
               std::map<std::string, std::vector<PackPiece>>& parts) {
    const auto name_size = reader.read<std::uint8_t>();
    const std::string name(base::as_text(reader.read_bytes(name_size)));
    const auto count = reader.read<std::uint32_t>();
    if (!reader.ok() || name.empty() || parts.contains(name) ||
        count > reader.rest().size() / kPieceEntryBytes)
        return false;
    std::vector<PackPiece>& pieces = parts[name];
    pieces.reserve(count);
    std::uint64_t size = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto offset = reader.read<std::uint64_t>();
        const PackPiece piece{.offset = offset, .size = reader.read<std::uint64_t>()};
        size += piece.size;
        if (piece.offset < kHeaderBytes || piece.offset > end || piece.size > end - piece.offset ||
            size > end)
            return false;
        pieces.push_back(piece);
    }
    return true;
}

}  // namespace

Result<PackReader> PackReader::open(std::unique_ptr<io::File> file) {
    Bytes header(kHeaderBytes);
    const auto count = file->read_at(0, header);
    if (!count) return count.error();
    if (*count < header.size()) return malformed("the pack's header is cut", *count);
    if (base::as_text(ByteView(header).first(kMagic.size())) != kMagic)
        return malformed("no pack of parts begins here", 0);
    if (base::load_le<std::uint16_t>(header, kMagic.size()) != kVersion)
        return Error{Errc::Unsupported, "version of the pack is not known", kMagic.size()};
    PackReader reader(std::move(file));
    std::copy_n(header.end() - 16, reader.recording_.bytes.size(), reader.recording_.bytes.begin());
    if (header != make_header(reader.recording_)) return malformed("reserved bytes are set", 10);
    if (auto index = reader.read_index(); !index) return index.error();
    return reader;
}

Result<Done> PackReader::read_index() {
    const auto size = file_->size();
    if (!size) return size.error();
    if (*size < kHeaderBytes + kTrailerBytes) return malformed("the pack is cut", *size);
    const std::uint64_t trailer_at = *size - kTrailerBytes;
    Bytes trailer(kTrailerBytes);
    const auto count = file_->read_at(trailer_at, trailer);
    if (!count) return count.error();
    if (*count < trailer.size() || base::as_text(ByteView(trailer).subspan(24)) != kEndMagic ||
        base::load_le<std::uint64_t>(trailer, 16) != 0)
        return malformed("the pack is cut", trailer_at);
    const auto begin = base::load_le<std::uint64_t>(trailer, 0);
    if (begin < kHeaderBytes || begin > trailer_at || trailer_at - begin > kMaxPackIndexBytes)
        return malformed("the pack's index is nowhere", trailer_at);
    Bytes index(static_cast<std::size_t>(trailer_at - begin));
    const auto read = file_->read_at(begin, index);
    if (!read) return read.error();
    if (*read < index.size() || base::crc32c(index) != base::load_le<std::uint32_t>(trailer, 12))
        return malformed("the pack's index fails its checksum", begin);
    base::LeReader reader(index);
    const auto parts = base::load_le<std::uint32_t>(trailer, 8);
    for (std::uint32_t i = 0; i < parts; ++i)
        if (!take_part(reader, begin, parts_)) return malformed("the pack's index is wrong", begin);
    if (reader.rest().size() != 0) return malformed("the pack's index is wrong", begin);
    return Done{};
}

std::vector<std::string> PackReader::names() const {
    std::vector<std::string> names;
    names.reserve(parts_.size());
    for (const auto& [name, pieces] : parts_) names.push_back(name);
    return names;
}

Result<std::unique_ptr<io::File>> PackReader::take(const std::string& name) && {
    const auto found = parts_.find(name);
    if (found == parts_.end()) return Error{Errc::NotFound, "pack: no such part"};
    return std::unique_ptr<io::File>(std::make_unique<PackedPart>(std::move(file_), found->second));
}

}  // namespace earshot::archive
