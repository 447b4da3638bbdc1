#include "archive/block_file.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/crc32c.h"

namespace earshot::archive {
namespace {

constexpr std::string_view kMagic{"EARSHOT\0", 8};
constexpr std::string_view kBlockMagic = "EBLK";
constexpr std::uint16_t kVersion = 2;
constexpr std::uint16_t kChainedVersion = 1;
constexpr std::size_t kCrcOffset = kBlockHeaderBytes - 4;
// Of 256 KiB of G.711 speech level 1 takes 630 ns a packet and leaves 67 to 80 %, level -5 takes
// 150 and leaves 70 to 85 %, and its output is unpacked five times as fast.
constexpr int kZstdLevel = -5;

base::Error malformed(std::string_view what, std::uint64_t offset) {
    return {base::Errc::Malformed, what, static_cast<std::size_t>(offset)};
}

std::uint32_t block_crc(base::ByteView header, base::ByteView stored) {
    return base::crc32c(stored, base::crc32c(header.first(kCrcOffset)));
}

}  // namespace

void BlockWriter::FreeCompressor::operator()(ZSTD_CCtx* compressor) const {
    ZSTD_freeCCtx(compressor);
}

BlockWriter::BlockWriter(io::File& file, BlockFileKind kind, const base::Uuid& recording)
    : file_(file) {
    base::append(header_, base::as_bytes(kMagic));
    base::append_le(header_, kVersion);
    base::append_le(header_, static_cast<std::uint16_t>(kind));
    base::append_le<std::uint32_t>(header_, 0);
    base::append(header_, recording.bytes);
}

base::Result<base::Done> BlockWriter::begin() {
    if (size_ != 0) return base::Done{};
    auto written = file_.write_at(0, header_);
    if (!written) return written;
    size_ = header_.size();
    return base::Done{};
}

base::Result<RecordPlace> BlockWriter::append(const journal::RecordHeader& header,
                                              base::ByteView payload) {
    if (payload.size() + kRecordHeaderBytes > kMaxBlockRawBytes - kBlockTargetBytes) {
        return base::Error{base::Errc::TooLarge, "record larger than a block", payload.size()};
    }
    if (raw_.size() >= kBlockTargetBytes) {
        const auto flushed = flush();
        if (!flushed) return flushed.error();
    }
    if (records_ == 0) first_arrival_ns_ = header.arrival_ns;
    const RecordPlace place{.block = static_cast<std::uint32_t>(offsets_.size()),
                            .offset = static_cast<std::uint32_t>(raw_.size())};
    std::array<std::uint8_t, kRecordHeaderBytes> head{};
    base::store_le(head, 0, static_cast<std::uint64_t>(header.arrival_ns));
    head[8] = static_cast<std::uint8_t>(header.type);
    head[9] = header.flags;
    base::store_le(head, 10, header.stream);
    base::store_le(head, 12, static_cast<std::uint32_t>(payload.size()));
    base::append(raw_, head);
    base::append(raw_, payload);
    ++records_;
    return place;
}

base::Result<base::Done> BlockWriter::flush() {
    auto begun = begin();
    if (!begun || records_ == 0) return begun;
    const base::ByteView packed = pack();
    const bool pays = !packed.empty();
    const base::ByteView stored = pays ? packed : base::ByteView(raw_);

    base::Bytes header;
    base::append(header, base::as_bytes(kBlockMagic));
    header.push_back(pays ? 1 : 0);
    header.resize(8, 0);
    base::append_le(header, std::uint64_t{offsets_.size()});
    base::append_le(header, static_cast<std::uint64_t>(first_arrival_ns_));
    base::append_le(header, records_);
    base::append_le(header, static_cast<std::uint32_t>(raw_.size()));
    base::append_le(header, static_cast<std::uint32_t>(stored.size()));
    header.resize(kCrcOffset, 0);
    base::append_le(header, block_crc(header, stored));

    auto wrote_header = file_.write_at(size_, header);
    if (!wrote_header) return wrote_header;
    auto wrote = file_.write_at(size_ + header.size(), stored);
    if (!wrote) return wrote;
    offsets_.push_back(size_);
    size_ += header.size() + stored.size();
    if (kept_bytes_ + raw_.size() <= kKeptBlocksBytes && kept_.size() + 1 == offsets_.size()) {
        kept_bytes_ += raw_.size();
        kept_.push_back(std::exchange(raw_, {}));
        raw_.reserve(kBlockTargetBytes + kBlockTargetBytes / 16);
    }
    raw_.clear();
    records_ = 0;
    return base::Done{};
}

// The block packed; empty where that wins less than an eighth: readers are better off without then.
// A piece from its middle is tried first, as voice hardly ever shrinks.
base::ByteView BlockWriter::pack() {
    const base::ByteView raw = raw_;
    if (!compressor_) compressor_.reset(ZSTD_createCCtx());
    packed_.resize(std::max(packed_.size(), ZSTD_compressBound(raw.size())));
    const auto pack = [this](base::ByteView bytes) {
        const std::size_t size =
            ZSTD_compressCCtx(compressor_.get(), packed_.data(), packed_.size(), bytes.data(),
                              bytes.size(), kZstdLevel);
        const bool pays = ZSTD_isError(size) == 0 && size < bytes.size() - bytes.size() / 8;
        return base::ByteView(packed_).first(pays ? size : 0);
    };
    constexpr std::size_t kSampleBytes = 16ULL * 1024;
    if (raw.size() > 2 * kSampleBytes && pack(raw.subspan(raw.size() / 2, kSampleBytes)).empty())
        return {};
    return pack(raw);
}

base::Result<base::Done> BlockWriter::finish() { return flush(); }

base::Result<FileHeader> parse_file_header(base::ByteView bytes) {
    if (bytes.size() < kFileHeaderBytes) return malformed("file header is cut", bytes.size());
    if (base::as_text(bytes.first(8)) != kMagic) return malformed("no file of Earshot's", 0);
    const auto version = base::load_le<std::uint16_t>(bytes, 8);
    if (version != kVersion && version != kChainedVersion) {
        return base::Error{base::Errc::Unsupported, "version of the file is not known", 8};
    }
    const auto kind = base::load_le<std::uint16_t>(bytes, 10);
    if (kind < 1 || kind > 3) return malformed("kind of the file is not known", 10);
    if (base::load_le<std::uint32_t>(bytes, 12) != 0)
        return malformed("reserved bytes are set", 12);
    FileHeader header{.kind = static_cast<BlockFileKind>(kind),
                      .recording = {},
                      .hash = {},
                      .has_chain = version == kChainedVersion};
    std::copy_n(bytes.begin() + 16, 16, header.recording.bytes.begin());
    if (header.has_chain) header.hash = sha256(bytes.first(kFileHeaderBytes));
    return header;
}

base::Result<BlockHeader> parse_block_header(base::ByteView bytes) {
    if (bytes.size() < kBlockHeaderBytes) return malformed("block header is cut", bytes.size());
    base::LeReader reader(bytes.first(kBlockHeaderBytes));
    const base::ByteView magic = reader.read_bytes(4);
    if (base::as_text(magic) != kBlockMagic) return malformed("no block begins here", 0);
    BlockHeader header;
    header.compression = reader.read<std::uint8_t>();
    const base::ByteView zero = reader.read_bytes(3);
    header.number = reader.read<std::uint64_t>();
    header.first_arrival_ns = static_cast<std::int64_t>(reader.read<std::uint64_t>());
    header.records = reader.read<std::uint32_t>();
    header.raw_size = reader.read<std::uint32_t>();
    header.stored_size = reader.read<std::uint32_t>();
    const base::ByteView previous = reader.read_bytes(header.previous.size());
    std::copy(previous.begin(), previous.end(), header.previous.begin());
    const base::ByteView more_zero = reader.read_bytes(12);
    header.crc = reader.read<std::uint32_t>();
    const auto is_set = [](std::uint8_t byte) { return byte != 0; };
    if (std::any_of(zero.begin(), zero.end(), is_set) ||
        std::any_of(more_zero.begin(), more_zero.end(), is_set) || header.compression > 1) {
        return malformed("block header has unknown values", 4);
    }
    if (header.raw_size > kMaxBlockRawBytes || header.stored_size > kMaxBlockRawBytes ||
        (header.compression == 0 && header.raw_size != header.stored_size)) {
        return base::Error{base::Errc::TooLarge, "block header has impossible sizes", 28};
    }
    return header;
}

base::Result<bool> BlockRecords::next(journal::Record& record) {
    if (at_ == raw_.size()) return false;
    if (at_ > raw_.size() || raw_.size() - at_ < kRecordHeaderBytes) {
        return malformed("record header is cut", at_);
    }
    record.header.arrival_ns = static_cast<std::int64_t>(base::load_le<std::uint64_t>(raw_, at_));
    record.header.type = static_cast<journal::RecordType>(raw_[at_ + 8]);
    record.header.flags = raw_[at_ + 9];
    record.header.stream = base::load_le<std::uint16_t>(raw_, at_ + 10);
    const std::size_t size = base::load_le<std::uint32_t>(raw_, at_ + 12);
    if (raw_.size() - at_ - kRecordHeaderBytes < size) return malformed("record is cut", at_);
    record.payload = raw_.subspan(at_ + kRecordHeaderBytes, size);
    at_ += kRecordHeaderBytes + size;
    return true;
}

base::Result<base::Bytes> BlockReader::read(std::uint64_t offset, std::size_t size) {
    base::Bytes bytes(size);
    const auto count = file_.read_at(offset, bytes);
    if (!count) return count.error();
    bytes.resize(*count);
    return bytes;
}

base::Result<FileHeader> BlockReader::open() {
    const auto bytes = read(0, kFileHeaderBytes);
    if (!bytes) return bytes.error();
    auto header = parse_file_header(*bytes);
    if (header) last_hash_ = header->hash;
    offset_ = kFileHeaderBytes;
    return header;
}

base::Result<std::optional<Block>> BlockReader::next(bool with_hash) {
    can_go_on_ = false;
    const std::uint64_t at = offset_;
    const auto head = read(at, kBlockHeaderBytes);
    if (!head) return head.error();
    if (head->empty()) return std::optional<Block>{};
    const auto header = parse_block_header(*head);
    if (!header) {
        return base::Error{header.error().code, header.error().what, static_cast<std::size_t>(at)};
    }
    auto stored = read(at + kBlockHeaderBytes, header->stored_size);
    if (!stored) return stored.error();
    if (stored->size() < header->stored_size) return malformed("block is cut", at);
    offset_ = at + kBlockHeaderBytes + header->stored_size;
    can_go_on_ = true;
    last_previous_ = header->previous;
    if (with_hash) {
        Sha256Stream hash;
        hash.add(*head);
        hash.add(*stored);
        last_hash_ = hash.finish();
    }
    if (block_crc(*head, *stored) != header->crc) return malformed("block fails its checksum", at);

    Block block{.header = *header, .offset = at, .hash = last_hash_, .raw = {}};
    if (header->compression == 0) {
        block.raw = std::move(*stored);
        return std::optional<Block>(std::move(block));
    }
    block.raw.resize(header->raw_size);
    const std::size_t size =
        ZSTD_decompress(block.raw.data(), block.raw.size(), stored->data(), stored->size());
    if (ZSTD_isError(size) != 0 || size != block.raw.size()) {
        return malformed("block cannot be unpacked", at);
    }
    return std::optional<Block>(std::move(block));
}

}  // namespace earshot::archive
