// The parts `packets`, `signalling` and `messages`: records in blocks, each with its checksum, so
// that damage is found and bounded. All numbers little-endian (docs/recording-format.md).
//
//   file header, 32 bytes        block header, 84 bytes, then `stored size` bytes
//   | "EARSHOT\0"        8 |     | "EBLK"                    4 |
//   | version = 2        2 |     | compression 0, 1 = zstd   1 |
//   | kind               2 |     | zero                      3 |
//   | zero               4 |     | block number              8 |
//   | recording's id    16 |     | first arrival, ns         8 |
//                                | records                   4 |
//   record                       | raw size                  4 |
//   | arrival, ns        8 |     | stored size               4 |
//   | type (journal's)   1 |     | zero                     44 |
//   | flags              1 |     | CRC32C                    4 |
//   | stream             2 |
//   | payload size       4 |
//   | payload              |
//
// The CRC is over the 80 bytes before it and the stored bytes. Version 1, no longer written, had in
// the first 32 of the 44 bytes the hash of the block before: SHA-256 over its header and stored
// bytes; before the first block SHA-256 of the file header.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "archive/limits.h"
#include "archive/sha256.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"
#include "io/file.h"
#include "journal/record.h"

struct ZSTD_CCtx_s;

namespace earshot::archive {

// Stored on disk: do not renumber.
enum class BlockFileKind : std::uint16_t { Packets = 1, Signalling = 2, Messages = 3 };
static_assert(static_cast<int>(BlockFileKind::Packets) == 1);
static_assert(static_cast<int>(BlockFileKind::Signalling) == 2);
static_assert(static_cast<int>(BlockFileKind::Messages) == 3);

inline constexpr std::size_t kFileHeaderBytes = 32;
inline constexpr std::size_t kBlockHeaderBytes = 84;
inline constexpr std::size_t kRecordHeaderBytes = 16;

// Where a record lies.
struct RecordPlace {
    std::uint32_t block = 0;
    std::uint32_t offset = 0;  // in the block's raw bytes
};

// Writes one part. Borrows the file. After an error the part is of no use.
class BlockWriter {
public:
    BlockWriter(io::File& file, BlockFileKind kind, const base::Uuid& recording);

    base::Result<RecordPlace> append(const journal::RecordHeader& header, base::ByteView payload);
    base::Result<base::Done> finish();  // the last block, and the header of an empty part

    std::uint64_t size() const { return size_; }
    std::uint64_t blocks() const { return offsets_.size(); }
    const std::vector<std::uint64_t>& block_offsets() const { return offsets_; }
    // The records of a block as they were before they were packed, while they are in memory: the
    // first kKeptBlocksBytes. Otherwise empty.
    base::ByteView kept_block(std::uint32_t number) const {
        return number < kept_.size() ? base::ByteView(kept_[number]) : base::ByteView{};
    }

private:
    base::Result<base::Done> begin();
    base::Result<base::Done> flush();
    base::ByteView pack();

    struct FreeCompressor {
        void operator()(ZSTD_CCtx_s* compressor) const;
    };
    io::File& file_;
    std::unique_ptr<ZSTD_CCtx_s, FreeCompressor> compressor_;
    base::Bytes header_;
    std::uint64_t size_ = 0;
    std::vector<std::uint64_t> offsets_;
    base::Bytes raw_;
    base::Bytes packed_;
    std::vector<base::Bytes> kept_;
    std::size_t kept_bytes_ = 0;
    std::uint32_t records_ = 0;
    std::int64_t first_arrival_ns_ = 0;
};

struct FileHeader {
    BlockFileKind kind = BlockFileKind::Packets;
    base::Uuid recording;
    Sha256 hash{};           // in version 1
    bool has_chain = false;  // version 1
};
base::Result<FileHeader> parse_file_header(base::ByteView bytes);

struct BlockHeader {
    std::uint8_t compression = 0;
    std::uint64_t number = 0;
    std::int64_t first_arrival_ns = 0;
    std::uint32_t records = 0;
    std::uint32_t raw_size = 0;
    std::uint32_t stored_size = 0;
    Sha256 previous{};  // in version 1
    std::uint32_t crc = 0;
};
base::Result<BlockHeader> parse_block_header(base::ByteView bytes);

// A block taken off a file. `error` tells what is wrong with its content; the header was right
// then, and the walk can go on behind it.
struct Block {
    BlockHeader header;
    std::uint64_t offset = 0;  // in the file
    Sha256 hash{};             // only when asked for
    base::Bytes raw;           // its records
};

// Takes the records off a block one by one; false at the end, an error where one is cut.
class BlockRecords {
public:
    explicit BlockRecords(base::ByteView raw) : raw_(raw) {}
    BlockRecords(base::ByteView raw, std::size_t at) : raw_(raw), at_(at) {}
    base::Result<bool> next(journal::Record& record);

private:
    base::ByteView raw_;
    std::size_t at_ = 0;
};

// Reads a part, one block at a time. Hostile input: any bytes are survived, all allocation is
// bounded by kMaxBlockRawBytes. An error's detail is the offset in the file.
class BlockReader {
public:
    explicit BlockReader(io::File& file) : file_(file) {}

    base::Result<FileHeader> open();
    // The next block; nullopt at the end of the file. After Malformed with can_go_on() the next
    // call reads the block behind it.
    base::Result<std::optional<Block>> next(bool with_hash = false);
    bool can_go_on() const { return can_go_on_; }
    std::uint64_t offset() const { return offset_; }
    void seek(std::uint64_t offset) { offset_ = offset; }
    // Of the block that next() just returned, or failed on with can_go_on().
    const Sha256& last_hash() const { return last_hash_; }
    const Sha256& last_previous() const { return last_previous_; }

private:
    base::Result<base::Bytes> read(std::uint64_t offset, std::size_t size);

    io::File& file_;
    std::uint64_t offset_ = kFileHeaderBytes;
    bool can_go_on_ = false;
    Sha256 last_hash_{};
    Sha256 last_previous_{};
};

}  // namespace earshot::archive
