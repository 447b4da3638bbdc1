// The archive thread over a journal and a store on a disk in memory.
#include "server/archiver.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/text.h"
#include "catalog/memory_catalog.h"
#include "journal/journal_test_rig.h"
#include "objects/directory_store.h"

namespace earshot::server {
namespace {

class ArchiverTest : public testing::Test {
protected:
    // Journals that many calls that began and ended, and submits them.
    void record(Archiver& archiver, std::uint8_t count) {
        auto& writer = rig_.journal.writer();
        for (std::uint8_t n = 1; n <= count; ++n) {
            const journal::RecordingHandle handle = writer.open(journal::test_uuid(n));
            for (const char* event :
                 {R"({"type":"recording_started","call_id":"c","from":"sip:a@x","to":"sip:r@y"})",
                  R"({"type":"call_ended","by":"peer","code":"bye","text":""})"})
                ASSERT_TRUE(rig_.append(handle, base::as_bytes(event), journal::RecordType::Event));
            rig_.commit();
            writer.close(handle, 1'000'000'000);
            rig_.commit();
        }
        ASSERT_EQ(rig_.listener.closed.size(), count);
        for (journal::ClosedRecording& closed : rig_.listener.closed)
            archiver.submit({.journal = &rig_.journal,
                             .serial = closed.serial,
                             .recording = closed.recording,
                             .extents = std::move(closed.extents),
                             .clocks = std::move(closed.clocks),
                             .was_closed = true,
                             .failure = std::nullopt});
    }
    Archiver::Dependencies dependencies() {
        return {.files = disk_,
                .objects = store_,
                .catalogue = catalogue_,
                .key = key_,
                .clock = clock_,
                .log = log_,
                .on_stored = [this](const catalog::Recording&) { ++stored_; }};
    }

    io::FaultyFileSystem disk_;
    journal::Rig rig_{disk_};
    objects::DirectoryStore store_{disk_, "data/recordings"};
    catalog::MemoryCatalog catalogue_;
    archive::SigningKey key_{archive::Ed25519Bytes{1, 2, 3}};
    io::ManualClock clock_;
    base::NullLog log_;
    int stored_ = 0;
};

TEST_F(ArchiverTest, StoresWhatWaitsTogetherInOneCommit) {
    Archiver archiver(dependencies());
    record(archiver, 20);
    archiver.start();
    archiver.stop();
    EXPECT_EQ(store_.list()->size(), 20U);
    EXPECT_EQ(catalogue_.finished(), 20U);
    EXPECT_EQ(catalogue_.changes(), 1);
    EXPECT_EQ(stored_, 20);
    EXPECT_EQ(archiver.backlog(), 0U);
}

TEST_F(ArchiverTest, LeavesToTheNextStartWhatAStopHasNoTimeFor) {
    Archiver archiver(dependencies());
    record(archiver, 3);
    archiver.stop(std::chrono::milliseconds{0});
    archiver.start();
    archiver.stop(std::chrono::milliseconds{0});
    EXPECT_TRUE(store_.list()->empty());
    EXPECT_EQ(archiver.backlog(), 3U);
    const auto recovery = journal::recover(disk_, {journal::Rig::kDirectory});
    ASSERT_EQ(recovery.recordings.size(), 3U);
    for (const auto& left : recovery.recordings) EXPECT_TRUE(left.was_closed);
}

TEST_F(ArchiverTest, WaitsForAJournalThatCannotBeRead) {
    Archiver archiver(dependencies());
    record(archiver, 2);
    disk_.fail_reads(EMFILE);
    archiver.start();
    archiver.stop();
    disk_.fail_reads(0);
    EXPECT_EQ(catalogue_.finished(), 0U);
    EXPECT_EQ(archiver.backlog(), 2U);
    EXPECT_EQ(journal::recover(disk_, {journal::Rig::kDirectory}).recordings.size(), 2U);
}

TEST_F(ArchiverTest, KeepsInTheJournalWhatTheStoreRefuses) {
    Archiver archiver(dependencies());
    record(archiver, 2);
    disk_.fail_below("data/recordings", EIO);
    archiver.start();
    archiver.stop();
    disk_.fail_below("", 0);
    EXPECT_TRUE(store_.list()->empty());
    EXPECT_EQ(archiver.failures(), 2U);
    EXPECT_EQ(archiver.backlog(), 2U);
    EXPECT_EQ(journal::recover(disk_, {journal::Rig::kDirectory}).recordings.size(), 2U);
}

}  // namespace
}  // namespace earshot::server
