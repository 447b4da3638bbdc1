#include "journal/journal.h"

#include <cerrno>
#include <thread>

#include "journal/channel.h"
#include "journal/format.h"
#include "journal/journal_test_rig.h"

namespace earshot::journal {
namespace {

using base::as_bytes;
using base::as_text;
using base::Bytes;
using base::Errc;

TEST(Journal, GivesBackWhatWasAppendedByRecordingAndInOrder) {
    io::FaultyFileSystem files;
    Rig rig(files);
    const auto a = rig.journal.writer().open(test_uuid(1));
    const auto b = rig.journal.writer().open(test_uuid(2));
    for (std::uint32_t i = 0; i < 200; ++i) {
        ASSERT_TRUE(rig.append(a, test_payload(1, i)));
        ASSERT_TRUE(rig.append(b, test_payload(2, i)));
        if (i % 10 == 9) rig.commit();
    }
    rig.journal.writer().close(a, 5);
    rig.journal.writer().close(b, 5);
    rig.commit();
    ASSERT_EQ(rig.listener.closed.size(), 2U);
    for (const ClosedRecording& closed : rig.listener.closed) {
        Damage damage;
        const auto payloads = read_payloads(files, closed.recording, closed.extents, &damage);
        ASSERT_EQ(payloads.size(), 200U);
        for (std::uint32_t i = 0; i < 200; ++i) {
            EXPECT_EQ(payloads[i], test_payload(closed.recording.bytes[0], i));
        }
        EXPECT_FALSE(damage.any());
        EXPECT_EQ(closed.clocks.size(), 1U);
        EXPECT_EQ(closed.extents.size(), 21U);
    }
    EXPECT_GT(rig.listener.closed[0].extents.segments().size(), 3U);  // it has rotated
}

TEST(Journal, KeepsEveryFieldOfARecord) {
    io::FaultyFileSystem files;
    Rig rig(files);
    const auto handle = rig.journal.writer().open(test_uuid(1));
    const std::array<base::ByteView, 3> pieces{as_bytes("one "), {}, as_bytes("two")};
    ASSERT_TRUE(rig.journal.writer().append(
        handle, {.type = RecordType::SipMessage, .flags = 3, .stream = 65534, .arrival_ns = -77},
        pieces));
    rig.journal.writer().close(handle, 99);
    rig.commit();
    RecordReader reader(files, rig.journal.directories(), test_uuid(1),
                        rig.listener.closed.at(0).extents, &test_keys());
    auto record = reader.next();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->header.type, RecordType::SipMessage);
    EXPECT_EQ(record->header.flags, 3);
    EXPECT_EQ(record->header.stream, 65534);
    EXPECT_EQ(record->header.arrival_ns, -77);
    EXPECT_EQ(as_text(record->payload), "one two");
    record = reader.next();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->header.type, RecordType::Close);
    EXPECT_EQ(record->header.arrival_ns, 99);
    EXPECT_EQ(record->header.stream, kNoStream);
    EXPECT_FALSE(reader.next());
}

TEST(Journal, TellsWhoWaitsWhenHisRecordIsDurable) {
    io::FaultyFileSystem files;
    Rig rig(files);
    const auto handle = rig.journal.writer().open(test_uuid(1));
    ASSERT_TRUE(rig.append(handle, as_bytes("{}"), RecordType::Attempt));
    ASSERT_TRUE(rig.journal.writer().notify_when_durable(42));
    rig.journal.committer().step(rig.now());
    EXPECT_TRUE(rig.listener.durable.empty());
    rig.commit();
    EXPECT_TRUE(rig.listener.durable.contains(42));
    // Also when nothing was appended since.
    ASSERT_TRUE(rig.journal.writer().notify_when_durable(43));
    rig.commit();
    EXPECT_TRUE(rig.listener.durable.contains(43));
    EXPECT_EQ(files.paths().size(), 1U);
}

TEST(Journal, RefusesAHandleThatWasClosed) {
    io::FaultyFileSystem files;
    Rig rig(files);
    Writer& writer = rig.journal.writer();
    const auto first = writer.open(test_uuid(1));
    EXPECT_EQ(writer.open(test_uuid(1)), first);
    writer.close(first, 0);
    writer.close(first, 0);
    const auto other = writer.open(test_uuid(2));  // gets the same slot
    EXPECT_EQ(writer.append(first, {}, as_bytes("x")).error().code, Errc::NotFound);
    EXPECT_EQ(writer.append({}, {}, as_bytes("x")).error().code, Errc::NotFound);
    EXPECT_TRUE(writer.append(other, {}, as_bytes("x")));
    rig.commit();
    EXPECT_EQ(rig.listener.closed.size(), 1U);
}

TEST(Journal, AFurtherPieceHasItsOwnSerialAndExtents) {
    io::FaultyFileSystem files;
    Rig rig(files);
    for (std::uint32_t i = 0; i < 2; ++i) {
        const auto handle = rig.journal.writer().open(test_uuid(1));
        rig.append(handle, test_payload(1, i));
        rig.journal.writer().close(handle, 0);
    }
    rig.commit();
    ASSERT_EQ(rig.listener.closed.size(), 2U);
    EXPECT_NE(rig.listener.closed[0].serial, rig.listener.closed[1].serial);
    for (std::uint32_t i = 0; i < 2; ++i) {
        const auto payloads = read_payloads(files, test_uuid(1), rig.listener.closed[i].extents);
        ASSERT_EQ(payloads.size(), 1U);
        EXPECT_EQ(payloads[0], test_payload(1, i));
    }
}

TEST(Journal, TakesPayloadsUpToTheirLimitAndNotOneByteMore) {
    io::FaultyFileSystem files;
    Rig rig(files);
    const auto handle = rig.journal.writer().open(test_uuid(1));
    const Bytes largest(kMaxRecordPayloadBytes, 5);
    const Bytes too_large(kMaxRecordPayloadBytes + 1, 5);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(rig.append(handle, largest));
    EXPECT_EQ(rig.journal.writer().append(handle, {}, too_large).error().code, Errc::TooLarge);
    rig.journal.writer().close(handle, 0);
    rig.commit_late();
    const auto payloads = read_payloads(files, test_uuid(1), rig.listener.closed.at(0).extents);
    EXPECT_EQ(payloads, std::vector<Bytes>(3, largest));
}

TEST(Journal, SealsAFrameThatHoldsAsManyRecordingsAsItMay) {
    io::FaultyFileSystem files;
    Rig rig(files);
    std::vector<RecordingHandle> handles;
    for (std::uint32_t i = 0; i <= kMaxRecordingsPerFrame; ++i) {
        base::Uuid id;
        base::store_le<std::uint32_t>(id.bytes, 0, i);
        handles.push_back(rig.journal.writer().open(id));
        ASSERT_TRUE(rig.append(handles.back(), test_payload(0, i)));
    }
    for (const auto& handle : handles) rig.journal.writer().close(handle, 0);
    rig.commit_late();
    ASSERT_EQ(rig.listener.closed.size(), handles.size());
    for (const ClosedRecording& closed : rig.listener.closed) {
        const auto number = base::load_le<std::uint32_t>(closed.recording.bytes, 0);
        const auto payloads = read_payloads(files, closed.recording, closed.extents);
        ASSERT_EQ(payloads.size(), 1U);
        EXPECT_EQ(payloads[0], test_payload(0, number));
    }
}

TEST(Journal, ASmallCommitCostsOneBlock) {
    io::FaultyFileSystem files;
    Rig rig(files, [] {
        Options options = Rig::small_options();
        options.segment_bytes = 1 << 20;
        return options;
    }());
    const auto handle = rig.journal.writer().open(test_uuid(1));
    for (std::uint32_t i = 0; i < 10; ++i) {
        rig.append(handle, as_bytes("packet"));
        rig.commit();
    }
    rig.journal.writer().close(handle, 0);
    rig.commit();
    const auto extents = rig.listener.closed.at(0).extents.to_vector();
    ASSERT_EQ(extents.size(), 11U);
    for (std::size_t i = 1; i < extents.size(); ++i) {
        EXPECT_EQ(extents[i].offset, extents[i - 1].offset + kBlockBytes);
    }
}

TEST(Journal, NeverWritesABlockTwice) {
    io::FaultyFileSystem files;
    Rig rig(files);
    const std::string path = io::join_path(Rig::kDirectory, segment_name(1));
    const auto handle = rig.journal.writer().open(test_uuid(1));
    Bytes before;
    for (std::uint32_t i = 0; i < 6; ++i) {
        rig.append(handle, test_payload(1, i));
        rig.commit();
        const Bytes after = files.content(path);
        for (std::size_t at = 0; at < before.size(); ++at) {
            if (before[at] == 0) continue;
            ASSERT_EQ(before[at], after[at]) << at;
        }
        before = after;
    }
}

TEST(Journal, FreesASegmentWhenNobodyNeedsItAnyMore) {
    io::FaultyFileSystem files;
    Rig rig(files);
    const auto a = rig.journal.writer().open(test_uuid(1));
    const auto b = rig.journal.writer().open(test_uuid(2));
    rig.append(b, test_payload(2, 0));  // in the first segment only
    for (std::uint32_t i = 0; i < 100; ++i) {
        rig.append(a, test_payload(1, i));
        rig.commit();
    }
    rig.journal.writer().close(a, 0);
    rig.commit();
    const std::size_t all = files.paths().size();
    EXPECT_GT(all, 5U);
    EXPECT_TRUE(rig.journal.release(rig.listener.closed.at(0).serial));
    EXPECT_TRUE(rig.journal.release(rig.listener.closed.at(0).serial));  // twice: no harm
    EXPECT_TRUE(rig.journal.release(999));
    rig.commit();
    // What is left: the first, for the other recording, and the one being written.
    EXPECT_EQ(files.paths().size(), 2U);
    EXPECT_EQ(files.paths()[0], io::join_path(Rig::kDirectory, segment_name(1)));
    rig.journal.writer().close(b, 0);
    rig.commit();
    EXPECT_EQ(read_payloads(files, test_uuid(2), rig.listener.closed.at(1).extents).size(), 1U);
    EXPECT_TRUE(rig.journal.release(rig.listener.closed.at(1).serial));
    rig.commit();
    EXPECT_EQ(files.paths().size(), 1U);
}

TEST(Journal, IsFullWhenTheDiskStandsStillAndGoesOnAfterwards) {
    io::FaultyFileSystem files;
    Rig rig(files);
    files.fail_below("data", EIO);
    const auto handle = rig.journal.writer().open(test_uuid(1));
    std::vector<Bytes> taken;
    std::uint32_t count = 0;
    while (rig.append(handle, test_payload(1, count))) {
        taken.push_back(test_payload(1, count++));
        if (count % 50 == 0) rig.commit();
    }
    // Small frames were filled further while the committer was behind: nearly all memory is used.
    std::size_t bytes = 0;
    for (const Bytes& payload : taken) bytes += payload.size();
    EXPECT_GT(bytes, 6 * kMaxFrameBytes);
    EXPECT_EQ(rig.journal.writer().append(handle, {}, as_bytes("x")).error().code, Errc::Full);
    EXPECT_EQ(rig.journal.writer().notify_when_durable(1).error().code, Errc::Full);
    const Health health = rig.journal.health();
    EXPECT_FALSE(health.ok);
    EXPECT_EQ(health.reason.code, "storage_error");
    EXPECT_NE(health.reason.text.find(Rig::kDirectory), std::string::npos);
    EXPECT_EQ(health.frames_waiting, health.frames_allowed);

    rig.journal.writer().close(handle, 0);  // has no room, and is not forgotten
    files.fail_below("", 0);
    rig.commit_late();
    rig.commit_late();
    EXPECT_TRUE(rig.journal.health().ok);
    ASSERT_EQ(rig.listener.closed.size(), 1U);
    EXPECT_EQ(read_payloads(files, test_uuid(1), rig.listener.closed[0].extents), taken);
}

TEST(Journal, SaysThatTheDiskIsFull) {
    io::FaultyFileSystem files;
    Rig rig(files);
    files.set_capacity(20 * 1024);
    const auto handle = rig.journal.writer().open(test_uuid(1));
    rig.append(handle, test_payload(1, 0));
    rig.commit();  // too little for a whole segment, enough for this
    EXPECT_TRUE(rig.journal.health().ok);
    const Bytes large(30'000, 1);
    rig.append(handle, large);
    rig.commit_late();
    EXPECT_FALSE(rig.journal.health().ok);
    EXPECT_EQ(rig.journal.health().reason.code, "storage_full");
    EXPECT_EQ(files.paths().size(), 1U);  // failed attempts leave nothing behind
    files.set_capacity(1 << 20);
    rig.journal.writer().close(handle, 0);
    rig.commit_late();
    EXPECT_TRUE(rig.journal.health().ok);
    EXPECT_GT(rig.journal.health().free_bytes, 0U);
    EXPECT_EQ(read_payloads(files, test_uuid(1), rig.listener.closed.at(0).extents).size(), 2U);
}

TEST(Journal, LeavesASegmentThatSomebodyRemoved) {
    io::FaultyFileSystem files;
    Rig rig(files);
    const auto handle = rig.journal.writer().open(test_uuid(1));
    rig.append(handle, test_payload(1, 0));
    rig.commit();
    ASSERT_EQ(files.paths().size(), 1U);
    const std::string first = files.paths()[0];
    ASSERT_TRUE(files.remove(first));
    rig.commit_late();
    EXPECT_EQ(rig.journal.health().poisoned_segments, 1U);
    EXPECT_TRUE(rig.journal.health().ok);
    const Bytes second = test_payload(1, 1);
    rig.append(handle, second);
    rig.journal.writer().close(handle, 0);
    rig.commit();
    ASSERT_EQ(files.paths().size(), 1U);
    EXPECT_NE(files.paths()[0], first);
    const Recovery recovery = recover(files, {Rig::kDirectory}, &test_keys());
    ASSERT_EQ(recovery.recordings.size(), 1U);
    EXPECT_EQ(read_payloads(files, test_uuid(1), recovery.recordings[0].extents),
              std::vector<Bytes>{second});
}

TEST(Journal, GoesToTheNextDirectoryWhenOneFails) {
    io::FaultyFileSystem files;
    Options options = Rig::small_options();
    options.directories.emplace_back("spare/journal/0");
    Rig rig(files, options);
    const auto handle = rig.journal.writer().open(test_uuid(1));
    rig.append(handle, test_payload(1, 0));
    rig.commit();
    files.fail_below("data", EROFS);
    rig.append(handle, test_payload(1, 1));
    rig.journal.writer().close(handle, 0);
    rig.commit();
    EXPECT_TRUE(rig.journal.health().ok);
    EXPECT_EQ(rig.journal.health().poisoned_segments, 1U);
    ASSERT_EQ(rig.listener.closed.size(), 1U);
    const auto& extents = rig.listener.closed[0].extents;
    EXPECT_EQ(read_payloads(files, test_uuid(1), extents, nullptr, options.directories).size(), 2U);
    const Recovery recovery = recover(files, options.directories, &test_keys());
    ASSERT_EQ(recovery.recordings.size(), 1U);
    EXPECT_TRUE(recovery.recordings[0].was_closed);
    EXPECT_EQ(recovery.recordings[0].record_count, 3U);
}

TEST(Journal, SurvivesTwoThreads) {
    io::FaultyFileSystem files;
    Rig rig(files);
    std::jthread committer([&](const std::stop_token& stop) {
        rig.journal.committer().run(stop, [] {
            return base::Now{std::chrono::steady_clock::now(), std::chrono::system_clock::now()};
        });
    });
    files.fail_call(30, EIO);
    constexpr std::uint32_t kCount = 3000;
    const auto handle = rig.journal.writer().open(test_uuid(1));
    for (std::uint32_t i = 0; i < kCount;) {
        if (rig.append(handle, test_payload(1, i))) ++i;
        if (i % 20 == 0) rig.journal.writer().commit(rig.now());
        (void)rig.journal.health();
        (void)rig.journal.release(999);
    }
    rig.journal.writer().close(handle, 0);
    // Behind a slow committer a commit may leave the frame open: again until it is taken.
    while (rig.journal.health().frames_waiting != 0) std::this_thread::yield();
    rig.journal.writer().commit(rig.now());
    while (rig.journal.health().frames_waiting != 0) std::this_thread::yield();
    committer.request_stop();
    committer.join();
    ASSERT_EQ(rig.listener.closed.size(), 1U);
    const auto payloads = read_payloads(files, test_uuid(1), rig.listener.closed[0].extents);
    ASSERT_EQ(payloads.size(), kCount);
    for (std::uint32_t i = 0; i < kCount; ++i) ASSERT_EQ(payloads[i], test_payload(1, i));
}

TEST(Delays, GiveTheTimeThat99Of100DidNotPass) {
    Delays delays;
    EXPECT_EQ(delays.p99().count(), 0);
    for (int i = 0; i < 99; ++i) delays.add(std::chrono::milliseconds{215});
    EXPECT_EQ(delays.p99().count(), 220);
    delays.add(std::chrono::seconds{3});  // one of a hundred
    EXPECT_EQ(delays.p99().count(), 220);
    delays.add(std::chrono::hours{1});  // the second of 101
    EXPECT_EQ(delays.p99().count(), 3010);
    Delays early;
    early.add(std::chrono::milliseconds{-5});  // the clock was set back
    EXPECT_EQ(early.p99().count(), 10);
}

}  // namespace
}  // namespace earshot::journal
