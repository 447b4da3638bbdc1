// The bytes of docs/journal-format.md: one struct, one parser and one writer for each header. Pure;
// safe on any bytes. All numbers are little-endian on the disk.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"
#include "crypto/key_wrap.h"
#include "journal/limits.h"
#include "journal/record.h"

namespace earshot::journal {

// Stored on disk: do not renumber, do not resize.
inline constexpr std::uint16_t kFormatVersion = 2;  // 1: one header block, no cipher
inline constexpr std::size_t kSegmentHeaderSize = 4096;
// The header comes twice: with it the segment's key would be lost, and all that was heard in it.
inline constexpr std::size_t kSegmentHeaderCopies = 2;
inline constexpr std::size_t kFirstFrameAt = kSegmentHeaderCopies * kSegmentHeaderSize;
inline constexpr std::size_t kFrameHeaderSize = 96;
inline constexpr std::size_t kTableEntrySize = 32;
inline constexpr std::size_t kRecordHeaderSize = 24;
inline constexpr std::size_t kRecordAlignment = 8;
inline constexpr std::size_t kRunSealSize = 32;  // before the records of an encrypted run
enum class Cipher : std::uint16_t { None = 0, Aes256Gcm = 1 };
static_assert(static_cast<int>(Cipher::Aes256Gcm) == 1);
static_assert(kSegmentHeaderSize == kBlockBytes && kFrameHeaderSize % kRecordAlignment == 0 &&
              kTableEntrySize % kRecordAlignment == 0);
static_assert(kRunSealSize % kRecordAlignment == 0);
static_assert(kFrameHeaderSize + kTableEntrySize + kRunSealSize + kRecordHeaderSize +
                  kMaxRecordPayloadBytes <=
              kMaxFrameBytes);

using BootId = std::array<std::uint8_t, 16>;

struct SegmentHeader {
    std::uint16_t version = kFormatVersion;
    std::uint16_t worker = 0;
    std::uint32_t segment = 0;
    std::int64_t created_ns = 0;
    std::uint64_t run_id = 0;
    BootId boot_id{};
    std::uint64_t first_frame = 0;  // its number: what is missing before the first that is found
    // The key of the segment's runs; none: they are not encrypted.
    std::optional<crypto::WrappedKey> key{};
};
std::array<std::uint8_t, kSegmentHeaderSize> write_segment_header(const SegmentHeader& header);
// Malformed: the checksum or magic is wrong. Unsupported: it is right, but the version or cipher is
// not ours.
base::Result<SegmentHeader> parse_segment_header(base::ByteView bytes);
// The better of the copies at the front of a segment, which may be cut.
base::Result<SegmentHeader> parse_segment_headers(base::ByteView front);

struct TableEntry {
    base::Uuid recording{};
    std::uint32_t offset = 0;  // from the start of the frame
    std::uint32_t length = 0;
    std::uint32_t records = 0;
};

struct FrameHeader {
    std::uint64_t run_id = 0;
    std::uint64_t number = 0;
    std::uint32_t segment = 0;
    std::uint32_t records = 0;
    std::uint32_t payload_length = 0;
    std::int64_t monotonic_ns = 0;
    std::int64_t realtime_ns = 0;
    BootId boot_id{};
    std::uint32_t payload_crc = 0;
    std::vector<TableEntry> table{};

    std::size_t payload_offset() const { return kFrameHeaderSize + kTableEntrySize * table.size(); }
    std::size_t size() const { return payload_offset() + payload_length; }  // without padding
};
// Writes header and table at the front of `frame`, which has room for them.
void write_frame_header(const FrameHeader& header, std::span<std::uint8_t> frame);
bool has_frame_magic(base::ByteView bytes);
// `bytes` begins at a frame and need not hold more than header and table. A success means: checksum
// right, within all limits, runs aligned, in order and without a hole. `header` is reused.
base::Result<base::Done> parse_frame_header(base::ByteView bytes, FrameHeader& header);

constexpr std::size_t record_size(std::size_t payload_bytes) {
    constexpr std::size_t kMask = kRecordAlignment - 1;
    return (kRecordHeaderSize + payload_bytes + kMask) & ~kMask;
}
constexpr std::size_t padded_to_block(std::size_t bytes) {
    return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

// All but the checksum, which seal_record() puts in: the former on the capture thread, the latter
// on the committer's.
void write_record_header(const RecordHeader& header, std::uint16_t index, std::uint32_t length,
                         std::span<std::uint8_t> out);
std::uint16_t record_index(base::ByteView record);
std::uint32_t record_length(base::ByteView record);  // of the payload
// `record` is header and payload without padding.
void seal_record(std::span<std::uint8_t> record, const base::Uuid& recording);

struct FoundRecord {
    Record record;          // its payload points into the run
    std::size_t begin = 0;  // in the run
    std::size_t end = 0;    // where the next record begins
};
// The first good record of `recording` at or after `at`, which is a multiple of 8. Only bytes up to
// `budget` are checksummed in the search and taken off it, as hostile lengths would make it
// quadratic; a record right at `at` costs nothing.
std::optional<FoundRecord> find_record(base::ByteView run, std::size_t at,
                                       const base::Uuid& recording, std::size_t& budget);
inline constexpr std::size_t kSearchBudgetBytes = 16 * kMaxFrameBytes;  // for one run

}  // namespace earshot::journal
