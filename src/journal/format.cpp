#include "journal/format.h"

#include <algorithm>

#include "base/crc32c.h"

namespace earshot::journal {

using base::ByteView;
using base::crc32c;
using base::Done;
using base::Errc;
using base::Error;
using base::load_le;
using base::Result;
using base::store_le;

namespace {

constexpr std::string_view kSegmentMagic = "EARSHSEG";
constexpr std::string_view kFrameMagic = "EARSHFRM";
constexpr std::size_t kSegmentCrcAt = 4092;
constexpr std::size_t kFrameCrcAt = 76;
constexpr std::size_t kRecordCrcAt = 12;

bool begins_with(ByteView bytes, std::string_view magic) {
    return bytes.size() >= magic.size() && base::as_text(bytes.first(magic.size())) == magic;
}

void put(std::span<std::uint8_t> out, std::size_t at, ByteView bytes) {
    std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
}

template <class Array>
void take(ByteView bytes, std::size_t at, Array& out) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), out.size(), out.begin());
}

std::uint32_t frame_crc(ByteView header_and_table) {
    const std::uint32_t crc = crc32c(header_and_table.first(kFrameCrcAt));
    return crc32c(header_and_table.subspan(kFrameCrcAt + 4), crc);
}

// The UUID first: a record is good only as part of its own recording.
std::uint32_t record_crc(ByteView record, const base::Uuid& recording) {
    std::uint32_t crc = crc32c(recording.bytes);
    crc = crc32c(record.first(kRecordCrcAt), crc);
    return crc32c(record.subspan(kRecordCrcAt + 4), crc);
}

bool has_plausible_table(const FrameHeader& header) {
    std::size_t at = header.payload_offset();
    std::uint64_t records = 0;
    for (const TableEntry& entry : header.table) {
        if (entry.offset != at || entry.length % kRecordAlignment != 0) return false;
        if (entry.records == 0 || entry.length / kRecordHeaderSize < entry.records) return false;
        at += entry.length;
        records += entry.records;
        if (at > kMaxFrameBytes) return false;
    }
    return at == header.size() && records == header.records;
}

}  // namespace

std::array<std::uint8_t, kSegmentHeaderSize> write_segment_header(const SegmentHeader& header) {
    std::array<std::uint8_t, kSegmentHeaderSize> out{};
    put(out, 0, base::as_bytes(kSegmentMagic));
    store_le<std::uint16_t>(out, 8, kFormatVersion);
    store_le<std::uint16_t>(out, 10, header.worker);
    store_le<std::uint32_t>(out, 12, header.segment);
    store_le<std::int64_t>(out, 16, header.created_ns);
    store_le<std::uint64_t>(out, 24, header.run_id);
    put(out, 32, header.boot_id);
    store_le<std::uint64_t>(out, 112, header.first_frame);
    if (header.key) {
        store_le<std::uint16_t>(out, 48, static_cast<std::uint16_t>(Cipher::Aes256Gcm));
        store_le<std::uint16_t>(out, 50, static_cast<std::uint16_t>(header.key->bytes.size()));
        put(out, 56, header.key->wrapped_by.bytes);
        put(out, 72, header.key->bytes);
    }
    store_le<std::uint32_t>(out, kSegmentCrcAt, crc32c(ByteView(out).first(kSegmentCrcAt)));
    return out;
}

Result<SegmentHeader> parse_segment_header(ByteView bytes) {
    if (bytes.size() < kSegmentHeaderSize) return Error{Errc::Malformed, "segment: short"};
    if (!begins_with(bytes, kSegmentMagic)) return Error{Errc::Malformed, "segment: magic"};
    if (load_le<std::uint32_t>(bytes, kSegmentCrcAt) != crc32c(bytes.first(kSegmentCrcAt))) {
        return Error{Errc::Malformed, "segment: checksum", kSegmentCrcAt};
    }
    const auto version = load_le<std::uint16_t>(bytes, 8);
    if (version == 0 || version > kFormatVersion) {
        return Error{Errc::Unsupported, "segment: version", 8};
    }
    const auto cipher = static_cast<Cipher>(load_le<std::uint16_t>(bytes, 48));
    const bool is_sealed = cipher == Cipher::Aes256Gcm;
    if (cipher != Cipher::None && !is_sealed) {
        return Error{Errc::Unsupported, "segment: cipher", 48};
    }
    if (is_sealed && load_le<std::uint16_t>(bytes, 50) != crypto::kWrappedKeyBytes) {
        return Error{Errc::Unsupported, "segment: length of the key", 50};
    }
    SegmentHeader header{.version = version,
                         .worker = load_le<std::uint16_t>(bytes, 10),
                         .segment = load_le<std::uint32_t>(bytes, 12),
                         .created_ns = load_le<std::int64_t>(bytes, 16),
                         .run_id = load_le<std::uint64_t>(bytes, 24)};
    take(bytes, 32, header.boot_id);
    if (version != 1) header.first_frame = load_le<std::uint64_t>(bytes, 112);
    if (is_sealed) {
        crypto::WrappedKey& key = header.key.emplace();
        take(bytes, 56, key.wrapped_by.bytes);
        take(bytes, 72, key.bytes);
    }
    return header;
}

Result<SegmentHeader> parse_segment_headers(ByteView front) {
    auto header = parse_segment_header(front);
    if (header || header.error().code == Errc::Unsupported || front.size() < kFirstFrameAt)
        return header;
    auto copy = parse_segment_header(front.subspan(kSegmentHeaderSize));
    const bool is_better = copy || copy.error().code == Errc::Unsupported;
    return is_better ? std::move(copy) : std::move(header);
}

void write_frame_header(const FrameHeader& header, std::span<std::uint8_t> frame) {
    const std::span<std::uint8_t> out = frame.first(header.payload_offset());
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    put(out, 0, base::as_bytes(kFrameMagic));
    store_le<std::uint64_t>(out, 8, header.run_id);
    store_le<std::uint64_t>(out, 16, header.number);
    store_le<std::uint32_t>(out, 24, header.segment);
    store_le<std::uint32_t>(out, 28, static_cast<std::uint32_t>(header.table.size()));
    store_le<std::uint32_t>(out, 32, header.records);
    store_le<std::uint32_t>(out, 36, header.payload_length);
    store_le<std::int64_t>(out, 40, header.monotonic_ns);
    store_le<std::int64_t>(out, 48, header.realtime_ns);
    put(out, 56, header.boot_id);
    store_le<std::uint32_t>(out, 72, header.payload_crc);
    std::size_t at = kFrameHeaderSize;
    for (const TableEntry& entry : header.table) {
        put(out, at, entry.recording.bytes);
        store_le<std::uint32_t>(out, at + 16, entry.offset);
        store_le<std::uint32_t>(out, at + 20, entry.length);
        store_le<std::uint32_t>(out, at + 24, entry.records);
        at += kTableEntrySize;
    }
    store_le<std::uint32_t>(out, kFrameCrcAt, frame_crc(out));
}

bool has_frame_magic(ByteView bytes) { return begins_with(bytes, kFrameMagic); }

Result<Done> parse_frame_header(ByteView bytes, FrameHeader& header) {
    if (bytes.size() < kFrameHeaderSize) return Error{Errc::Malformed, "frame: short"};
    if (!has_frame_magic(bytes)) return Error{Errc::Malformed, "frame: magic"};
    const std::size_t entries = load_le<std::uint32_t>(bytes, 28);
    if (entries > kMaxRecordingsPerFrame) return Error{Errc::TooLarge, "frame: table", 28};
    const std::size_t table_end = kFrameHeaderSize + kTableEntrySize * entries;
    if (bytes.size() < table_end) return Error{Errc::Malformed, "frame: table cut", 28};
    if (load_le<std::uint32_t>(bytes, kFrameCrcAt) != frame_crc(bytes.first(table_end))) {
        return Error{Errc::Malformed, "frame: header checksum", kFrameCrcAt};
    }
    header.run_id = load_le<std::uint64_t>(bytes, 8);
    header.number = load_le<std::uint64_t>(bytes, 16);
    header.segment = load_le<std::uint32_t>(bytes, 24);
    header.records = load_le<std::uint32_t>(bytes, 32);
    header.payload_length = load_le<std::uint32_t>(bytes, 36);
    header.monotonic_ns = load_le<std::int64_t>(bytes, 40);
    header.realtime_ns = load_le<std::int64_t>(bytes, 48);
    take(bytes, 56, header.boot_id);
    header.payload_crc = load_le<std::uint32_t>(bytes, 72);
    header.table.clear();
    for (std::size_t at = kFrameHeaderSize; at < table_end; at += kTableEntrySize) {
        TableEntry entry{.offset = load_le<std::uint32_t>(bytes, at + 16),
                         .length = load_le<std::uint32_t>(bytes, at + 20),
                         .records = load_le<std::uint32_t>(bytes, at + 24)};
        take(bytes, at, entry.recording.bytes);
        header.table.push_back(entry);
    }
    if (header.size() > kMaxFrameBytes) return Error{Errc::TooLarge, "frame: length", 36};
    if (!has_plausible_table(header)) return Error{Errc::Malformed, "frame: table"};
    return Done{};
}

void write_record_header(const RecordHeader& header, std::uint16_t index, std::uint32_t length,
                         std::span<std::uint8_t> out) {
    out[0] = static_cast<std::uint8_t>(header.type);
    out[1] = header.flags;
    store_le<std::uint16_t>(out, 2, index);
    store_le<std::uint16_t>(out, 4, header.stream);
    store_le<std::uint16_t>(out, 6, 0);
    store_le<std::uint32_t>(out, 8, length);
    store_le<std::uint32_t>(out, kRecordCrcAt, 0);
    store_le<std::int64_t>(out, 16, header.arrival_ns);
}

std::uint16_t record_index(ByteView record) { return load_le<std::uint16_t>(record, 2); }
std::uint32_t record_length(ByteView record) { return load_le<std::uint32_t>(record, 8); }

void seal_record(std::span<std::uint8_t> record, const base::Uuid& recording) {
    store_le<std::uint32_t>(record, kRecordCrcAt, record_crc(record, recording));
}

std::optional<FoundRecord> find_record(ByteView run, std::size_t at, const base::Uuid& recording,
                                       std::size_t& budget) {
    for (const std::size_t first = at; at + kRecordHeaderSize <= run.size();
         at += kRecordAlignment) {
        const ByteView rest = run.subspan(at);
        const std::size_t length = record_length(rest);
        const bool plausible = rest[0] >= static_cast<std::uint8_t>(RecordType::SipMessage) &&
                               rest[0] <= static_cast<std::uint8_t>(kLastRecordType) &&
                               load_le<std::uint16_t>(rest, 6) == 0 &&
                               length <= kMaxRecordPayloadBytes &&
                               record_size(length) <= rest.size();
        if (!plausible) continue;
        const ByteView bytes = rest.first(kRecordHeaderSize + length);
        if (at != first) {
            if (budget < bytes.size()) return std::nullopt;
            budget -= bytes.size();
        }
        if (load_le<std::uint32_t>(bytes, kRecordCrcAt) != record_crc(bytes, recording)) continue;
        return FoundRecord{.record = {.header = {.type = static_cast<RecordType>(bytes[0]),
                                                 .flags = bytes[1],
                                                 .stream = load_le<std::uint16_t>(bytes, 4),
                                                 .arrival_ns = load_le<std::int64_t>(bytes, 16)},
                                      .payload = bytes.subspan(kRecordHeaderSize)},
                           .begin = at,
                           .end = at + record_size(length)};
    }
    return std::nullopt;
}

}  // namespace earshot::journal
