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
// Seven frames: recording 3 is in the first, 1 in all others, 2 in the fourth.
void write_calls(io::FaultyFileSystem& files, std::uint64_t segment_bytes = 256 * 1024) {
    Options options = Rig::small_options();
    options.segment_bytes = segment_bytes;
    Rig rig(files, options);
    const auto record = [&](std::uint8_t id, bool begins, bool ends) {
        const auto handle = rig.journal.writer().open(test_uuid(id));
        if (begins) {
            EXPECT_TRUE(rig.append(handle, base::as_bytes("{}"), RecordType::Attempt));
        }
        EXPECT_TRUE(rig.append(handle, test_payload(id, 1)));
        if (ends) rig.journal.writer().close(handle, 1000);
    };
    for (int frame = 0; frame < 7; ++frame) {
        if (frame >= 1) record(1, frame == 1, frame == 6);
        if (frame == 3) record(2, true, true);
        if (frame == 0) record(3, true, true);
        rig.commit();
    }
}

RecoveredRecording recover_one(io::FaultyFileSystem& files, std::uint8_t id,
                               const crypto::KeyWrapper* keys = &test_keys()) {
    const Recovery recovery = recover(files, {Rig::kDirectory}, keys);
    const RecoveredRecording* const found = find_recovered(recovery, test_uuid(id));
    EXPECT_NE(found, nullptr);
    return found == nullptr ? RecoveredRecording{} : *found;
}

TEST(Recovery, MissesNothingWhereNothingIsMissing) {
    io::FaultyFileSystem files;
    write_calls(files);
    for (const int number : {1, 2, 3}) {
        const auto id = static_cast<std::uint8_t>(number);
        const RecoveredRecording found = recover_one(files, id);
        EXPECT_TRUE(found.has_beginning && found.was_closed);
        EXPECT_FALSE(found.lacks_frames || found.may_be_unread);
    }
}

// The disk lost the write of a frame, or its header rotted: nothing of it is there, not even a
// hint.
TEST(Recovery, MissesAFrameThatIsNotThere) {
    for (const bool is_blank : {true, false}) {
        io::FaultyFileSystem files;
        write_calls(files);
        Bytes segment = files.content(kFirst);
        // The fifth frame; each of these takes one block.
        const auto frame = segment.begin() + kFirstFrameAt + 4 * kBlockBytes;
        ASSERT_TRUE(has_frame_magic({&*frame, kBlockBytes}));
        if (is_blank) {
            std::fill(frame, frame + kBlockBytes, std::uint8_t{0});
        } else {
            frame[20] ^= 1;
        }
        files.put(kFirst, segment);
        EXPECT_TRUE(recover_one(files, 1).lacks_frames);
        EXPECT_FALSE(recover_one(files, 2).lacks_frames);  // over by then
        EXPECT_TRUE(recover(files, {Rig::kDirectory}, &test_keys()).damage.any());
    }
}

TEST(Recovery, MissesTheBeginning) {
    io::FaultyFileSystem files;
    write_calls(files);
    Bytes segment = files.content(kFirst);
    const auto frames = segment.begin() + kFirstFrameAt;
    std::fill(frames, frames + 2 * kBlockBytes, std::uint8_t{0});
    files.put(kFirst, segment);
    const RecoveredRecording found = recover_one(files, 1);
    EXPECT_FALSE(found.has_beginning);
    EXPECT_TRUE(recover_one(files, 2).has_beginning);
    EXPECT_TRUE(recover(files, {Rig::kDirectory}, &test_keys()).damage.any());
}

// Each frame in a segment of its own; one is unreadable now, as its key is away or the disk fails.
TEST(Recovery, TellsWhichRecordingsAnUnreadSegmentMayBelongTo) {
    struct Case {
        std::uint32_t segment;
        bool first_is_unread;
        bool second_is_unread;
    };
    // The first recording has segments 2 to 7, the other the fourth.
    for (const Case& c : {Case{1, false, false}, Case{5, true, false}, Case{7, true, false}}) {
        io::FaultyFileSystem files;
        write_calls(files, 3 * kBlockBytes);
        ASSERT_GE(files.paths().size(), 7U);
        const std::string path = io::join_path(Rig::kDirectory, segment_name(c.segment));
        Bytes segment = files.content(path);
        for (std::size_t copy = 0; copy < kSegmentHeaderCopies; ++copy)
            segment[copy * kSegmentHeaderSize + 100] ^= 1;  // in the wrapped key
        files.put(path, segment);
        EXPECT_EQ(recover_one(files, 1).may_be_unread, c.first_is_unread) << c.segment;
        EXPECT_EQ(recover_one(files, 2).may_be_unread, c.second_is_unread) << c.segment;
        // Both copies of its header are damaged: it is kept, whatever becomes of the others.
        const Recovery recovery = recover(files, {Rig::kDirectory}, &test_keys());
        EXPECT_FALSE(recovery.segments.at(c.segment - 1).readable);
    }
}

TEST(Recovery, KeepsARunWithoutAGoodRecordForItsReader) {
    io::FaultyFileSystem files;
    write_calls(files);
    const RecoveredRecording before = recover_one(files, 1);
    const Extent run = before.extents.to_vector().at(4);
    files.corrupt(kFirst, run.offset + 20, 1);  // its nonce
    const RecoveredRecording after = recover_one(files, 1);
    EXPECT_EQ(after.extents.to_vector(), before.extents.to_vector());
    Damage damage;
    static_cast<void>(read_payloads(files, test_uuid(1), after.extents, &damage));
    EXPECT_TRUE(damage.any());
}

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
