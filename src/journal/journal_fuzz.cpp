// Bytes -> a segment file -> recover() -> read every recording: no crash, no hang, and the two ways
// to read agree. The first byte says what the rest is: a segment's frames (the checksums of frame
// headers and records are made right, so that the fuzzer gets behind them), or a file as it is.
#include <cstdint>
#include <cstdlib>

#include "io/faulty_file.h"
#include "journal/format.h"
#include "journal/reader.h"

using namespace earshot::journal;  // NOLINT(google-build-using-namespace): the target is one file
namespace base = earshot::base;
namespace crypto = earshot::crypto;
namespace io = earshot::io;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

const crypto::KeyRing& fuzz_keys() {
    static const crypto::KeyRing keys({}, crypto::SecretKey::from(base::Bytes(crypto::kKeyBytes)));
    return keys;
}

// Takes tables and records from the input and lays them out as the committer does, then damages.
base::Bytes make_segment(base::LeReader in, bool is_encrypted) {
    SegmentHeader segment_header{.segment = 1, .run_id = 5};
    std::optional<RunCipher> cipher;
    if (is_encrypted) {
        const auto key = crypto::SecretKey::from(base::Bytes(crypto::kKeyBytes, 1));
        segment_header.key = fuzz_keys().wrap(key);
        cipher.emplace(key);
    }
    const auto header = write_segment_header(segment_header);
    base::Bytes segment(header.begin(), header.end());
    base::append(segment, header);
    std::uint64_t number = 0;
    while (!in.rest().empty() && segment.size() < 8 * kMaxFrameBytes) {
        FrameHeader frame{.run_id = 5, .number = ++number, .segment = 1};
        const std::size_t entries = in.read<std::uint8_t>() % 8;
        base::Bytes records;
        const std::size_t payload_offset = kFrameHeaderSize + kTableEntrySize * entries;
        for (std::size_t i = 0; i < entries; ++i) {
            const std::size_t run_begin = records.size();
            TableEntry entry{.offset = static_cast<std::uint32_t>(payload_offset + run_begin)};
            entry.recording.bytes.fill(static_cast<std::uint8_t>(in.read<std::uint8_t>() % 4));
            base::Bytes run;
            const std::size_t count = 1 + in.read<std::uint8_t>() % 4;
            for (std::size_t r = 0; r < count; ++r) {
                const std::size_t length = in.read<std::uint8_t>();
                base::Bytes record(record_size(length));
                write_record_header({.type = static_cast<RecordType>(in.read<std::uint8_t>() % 9),
                                     .arrival_ns = in.read<std::int8_t>()},
                                    static_cast<std::uint16_t>(i),
                                    static_cast<std::uint32_t>(length), record);
                seal_record(std::span(record).first(kRecordHeaderSize + length), entry.recording);
                base::append(run, record);
            }
            if (cipher) {
                base::Bytes sealed(run.size() + kRunSealSize);
                cipher->seal(entry.recording, frame.number, static_cast<std::uint32_t>(i), run,
                             sealed);
                run.swap(sealed);
            }
            base::append(records, run);
            entry.length = static_cast<std::uint32_t>(records.size() - run_begin);
            entry.records = static_cast<std::uint32_t>(count);
            frame.records += entry.records;
            frame.table.push_back(entry);
        }
        frame.payload_length = static_cast<std::uint32_t>(records.size());
        if (in.read<std::uint8_t>() % 4 == 0) frame.number = in.read<std::uint8_t>();
        const std::size_t begin = segment.size();
        segment.resize(begin + padded_to_block(frame.size()));
        write_frame_header(frame, std::span(segment).subspan(begin));
        std::copy(records.begin(), records.end(),
                  segment.begin() + static_cast<std::ptrdiff_t>(begin + frame.payload_offset()));
        for (std::size_t flips = in.read<std::uint8_t>() % 4; flips != 0; --flips) {
            segment[begin + in.read<std::uint16_t>() % (segment.size() - begin)] ^=
                in.read<std::uint8_t>();
        }
    }
    return segment;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size == 0) return 0;
    const base::ByteView input(bytes + 1, size - 1);
    io::FaultyFileSystem files;
    const unsigned kind = bytes[0] % 3;
    const base::Bytes segment = kind == 2 ? base::Bytes(input.begin(), input.end())
                                          : make_segment(base::LeReader(input), kind == 1);
    files.put("j/" + segment_name(1), segment);
    const Recovery recovery = recover(files, {"j"}, &fuzz_keys());
    check(recovery.segments.size() == 1);
    for (const RecoveredRecording& found : recovery.recordings) {
        check(found.record_count != 0 && found.first_arrival_ns <= found.last_arrival_ns);
        check(found.extents.total_bytes() <= segment.size());
        RecordReader reader(files, {"j"}, found.recording, found.extents, &fuzz_keys());
        std::uint64_t count = 0;
        bool was_closed = false;
        while (const auto record = reader.next()) {
            check(record->payload.size() <= kMaxRecordPayloadBytes);
            was_closed = record->header.type == RecordType::Close;
            ++count;
        }
        check(count == found.record_count);
        check(was_closed == found.was_closed);
    }
    return 0;
}
