#include <cerrno>

#include "base/crc32c.h"
#include "journal/format.h"
#include "journal/journal_test_rig.h"

namespace earshot::journal {
namespace {

using base::Bytes;

const std::string kFirst = io::join_path(Rig::kDirectory, segment_name(1));

// One recording with `frames` frames of four records each in the first segment.
void write_frames(io::FaultyFileSystem& files, std::uint32_t frames, bool close = false,
                  const crypto::KeyWrapper* keys = &test_keys()) {
    Options options = Rig::small_options();
    options.keys = keys;
    options.segment_bytes = 256 * 1024;
    Rig rig(files, options);
    const auto handle = rig.journal.writer().open(test_uuid(1));
    for (std::uint32_t i = 0; i < frames * 4; ++i) {
        ASSERT_TRUE(rig.append(handle, test_payload(1, i)));
        if (i % 4 == 3) rig.commit();
    }
    if (close) rig.journal.writer().close(handle, 1000);
    rig.commit();
}

std::vector<Bytes> recovered_payloads(io::FaultyFileSystem& files, const Recovery& recovery) {
    const RecoveredRecording* const found = find_recovered(recovery, test_uuid(1));
    if (found == nullptr) return {};
    return read_payloads(files, test_uuid(1), found->extents);
}

TEST(Recovery, OfNothingIsNothing) {
    io::FaultyFileSystem files;
    const Recovery recovery = recover(files, {"no/such/directory"}, &test_keys());
    EXPECT_TRUE(recovery.recordings.empty());
    EXPECT_FALSE(recovery.damage.any());
}

TEST(Recovery, TellsWhetherARecordingWasClosed) {
    for (const bool close : {false, true}) {
        io::FaultyFileSystem files;
        write_frames(files, 3, close);
        const Recovery recovery = recover(files, {Rig::kDirectory}, &test_keys());
        ASSERT_EQ(recovery.recordings.size(), 1U);
        const RecoveredRecording& found = recovery.recordings[0];
        EXPECT_EQ(found.was_closed, close);
        EXPECT_EQ(found.record_count, close ? 13U : 12U);
        EXPECT_EQ(found.first_arrival_ns, 1);
        EXPECT_EQ(found.last_arrival_ns, close ? 1000 : 12);
        EXPECT_EQ(found.clocks.size(), 1U);
        EXPECT_FALSE(recovery.damage.any());
        EXPECT_TRUE(recovery.segments.at(0).readable);
    }
}

TEST(Recovery, KeepsAllRecordsAroundAFlippedByte) {
    io::FaultyFileSystem clean;
    write_frames(clean, 3);
    const Bytes segment = clean.content(kFirst);
    const auto intact = recovered_payloads(clean, recover(clean, {Rig::kDirectory}, &test_keys()));
    ASSERT_EQ(intact.size(), 12U);
    // Each 31st byte of the three frames, headers and padding included.
    for (std::size_t at = kFirstFrameAt; at < kFirstFrameAt + 5 * kBlockBytes; at += 31) {
        io::FaultyFileSystem files;
        files.put(kFirst, segment);
        files.corrupt(kFirst, at, 0x10);
        const Recovery recovery = recover(files, {Rig::kDirectory}, &test_keys());
        const auto payloads = recovered_payloads(files, recovery);
        const bool lost = payloads != intact;
        if (lost) {
            EXPECT_TRUE(recovery.damage.any()) << at;
            EXPECT_FALSE(recovery.damage.notes.empty());
        }
        // A rotten header costs its frame, anything else one record.
        EXPECT_GE(payloads.size(), 8U) << at;
        for (const Bytes& payload : payloads) {
            EXPECT_NE(std::find(intact.begin(), intact.end(), payload), intact.end());
        }
        EXPECT_TRUE(payloads.size() == 8U || payloads.size() >= 11U) << at;
    }
}

TEST(Recovery, ReadsFramesThoughTheSegmentHeaderIsRotten) {
    io::FaultyFileSystem files;
    write_frames(files, 3, false, nullptr);
    files.corrupt(kFirst, 20, 1);
    files.corrupt(kFirst, kSegmentHeaderSize + 20, 1);
    EXPECT_EQ(recovered_payloads(files, recover(files, {Rig::kDirectory}, &test_keys())).size(),
              12U);
}

TEST(Recovery, FindsTheKeyInEitherCopyOfTheSegmentHeader) {
    for (std::size_t copy = 0; copy < kSegmentHeaderCopies; ++copy) {
        io::FaultyFileSystem files;
        write_frames(files, 3);
        files.corrupt(kFirst, copy * kSegmentHeaderSize + 80, 1);
        const Recovery recovery = recover(files, {Rig::kDirectory}, &test_keys());
        EXPECT_EQ(recovered_payloads(files, recovery).size(), 12U);
        EXPECT_FALSE(recovery.damage.any());
    }
}

// What version 1 was: one block of header, no cipher.
TEST(Recovery, ReadsVersion1) {
    io::FaultyFileSystem files;
    write_frames(files, 3, true, nullptr);
    Bytes segment = files.content(kFirst);
    segment.erase(segment.begin() + kSegmentHeaderSize, segment.begin() + kFirstFrameAt);
    base::store_le<std::uint16_t>(segment, 8, 1);
    base::store_le<std::uint32_t>(segment, 4092, base::crc32c(base::ByteView(segment).first(4092)));
    files.put(kFirst, segment);
    const Recovery recovery = recover(files, {Rig::kDirectory});
    EXPECT_FALSE(recovery.damage.any());
    EXPECT_EQ(recovered_payloads(files, recovery).size(), 12U);
}

TEST(Recovery, SurvivesACutAtEveryPlace) {
    io::FaultyFileSystem clean;
    write_frames(clean, 2);
    const Bytes segment = clean.content(kFirst);
    std::size_t before = 0;
    for (std::size_t size = 0; size < kFirstFrameAt + 4 * kBlockBytes; size += 61) {
        io::FaultyFileSystem files;
        files.put(kFirst, base::ByteView(segment).first(size));
        const auto payloads =
            recovered_payloads(files, recover(files, {Rig::kDirectory}, &test_keys()));
        EXPECT_GE(payloads.size(), before);
        before = payloads.size();
    }
    EXPECT_EQ(before, 8U);
}

TEST(Recovery, LeavesAnUnknownVersionAlone) {
    io::FaultyFileSystem files;
    write_frames(files, 1);
    Bytes segment = files.content(kFirst);
    base::store_le<std::uint16_t>(segment, 8, kFormatVersion + 1);
    base::store_le<std::uint32_t>(segment, 4092, base::crc32c(base::ByteView(segment).first(4092)));
    files.put(kFirst, segment);
    Rig rig(files);
    EXPECT_TRUE(rig.recovery.recordings.empty());
    EXPECT_FALSE(rig.recovery.segments.at(0).readable);
    EXPECT_TRUE(rig.recovery.damage.any());
    rig.commit();
    EXPECT_EQ(files.paths().size(), 1U);
}

TEST(Recovery, KeepsASegmentThatTheDiskDoesNotGiveNow) {
    io::FaultyFileSystem files;
    write_frames(files, 1);
    files.fail_reads(EIO);
    const Recovery unlisted = recover(files, {Rig::kDirectory}, &test_keys());
    EXPECT_EQ(unlisted.damage.last_errno, EIO);
    files.fail_reads(0);
    EXPECT_EQ(recover(files, {Rig::kDirectory}, &test_keys()).recordings.size(), 1U);
}

TEST(Recovery, FreesASegmentInWhichNothingIs) {
    io::FaultyFileSystem files;
    files.put(kFirst, Bytes(10 * kBlockBytes));
    files.put(io::join_path(Rig::kDirectory, "notes.txt"), base::as_bytes("not ours"));
    files.put(io::join_path(Rig::kDirectory, "1.seg"), base::as_bytes("not ours"));
    Rig rig(files);
    rig.commit();
    EXPECT_EQ(files.paths().size(), 2U);
}

// Somebody who knows the format puts a frame into a packet: it must not become a recording.
TEST(Recovery, DoesNotTakeAFrameInsideAPayloadForOne) {
    io::FaultyFileSystem inner;
    write_frames(inner, 1, false, nullptr);
    const Bytes segment = inner.content(kFirst);
    Bytes payload(kBlockBytes - kFrameHeaderSize - kTableEntrySize - kRecordHeaderSize);
    base::append(payload, base::ByteView(segment).subspan(kFirstFrameAt, kBlockBytes));

    io::FaultyFileSystem files;
    Options options = Rig::small_options();
    options.keys = nullptr;  // encrypted, no payload could do it
    Rig rig(files, options);
    const auto handle = rig.journal.writer().open(test_uuid(5));
    ASSERT_TRUE(rig.append(handle, payload));
    rig.commit();
    const std::size_t inner_at = kFirstFrameAt + kBlockBytes;
    ASSERT_TRUE(has_frame_magic(base::ByteView(files.content(kFirst)).subspan(inner_at)));
    const Recovery recovery = recover(files, {Rig::kDirectory}, &test_keys());
    EXPECT_EQ(recovery.recordings.size(), 1U);
    EXPECT_EQ(find_recovered(recovery, test_uuid(1)), nullptr);
}

TEST(Recovery, IgnoresFramesOfAnotherRunInTheSameFile) {
    io::FaultyFileSystem files;
    write_frames(files, 2);
    Bytes segment = files.content(kFirst);
    SegmentHeader header = *parse_segment_header(segment);
    header.run_id += 1;
    const auto replaced = write_segment_header(header);
    std::copy(replaced.begin(), replaced.end(), segment.begin());
    files.put(kFirst, segment);
    const Recovery recovery = recover(files, {Rig::kDirectory}, &test_keys());
    EXPECT_TRUE(recovery.recordings.empty());
    EXPECT_TRUE(recovery.damage.any());
}

TEST(RecordReader, ReportsWhatItCannotRead) {
    io::FaultyFileSystem files;
    write_frames(files, 1);
    ExtentList extents;
    extents.append({7, 4096, 100});
    extents.append({1, 1 << 30, 100});
    Damage damage;
    EXPECT_TRUE(read_payloads(files, test_uuid(1), extents, &damage).empty());
    EXPECT_EQ(damage.read_errors, 2U);
    EXPECT_EQ(damage.lost_bytes, 200U);
    EXPECT_EQ(damage.notes.size(), 2U);
}

TEST(RecordReader, GivesNoRecordOfAnotherRecordingByAWrongExtent) {
    io::FaultyFileSystem files;
    write_frames(files, 2);
    const Recovery recovery = recover(files, {Rig::kDirectory}, &test_keys());
    Damage damage;
    EXPECT_TRUE(
        read_payloads(files, test_uuid(2), recovery.recordings.at(0).extents, &damage).empty());
    EXPECT_TRUE(damage.any());
}

}  // namespace
}  // namespace earshot::journal
