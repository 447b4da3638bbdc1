// The archive thread over a journal and a store on a disk in memory.
#include "server/archiver.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/text.h"
#include "catalog/memory_catalog.h"
#include "journal/journal_test_rig.h"
#include "objects/directory_store.h"
#include "server/attempt_record.h"

namespace earshot::server {
namespace {

class ArchiverTest : public testing::Test {
protected:
    static catalog::Attempt attempt_of(std::size_t number) {
        return {
            .id = "attempt " + std::to_string(number),
            .recording_id = base::to_string(journal::test_uuid(static_cast<std::uint8_t>(number))),
            .is_ours = true};
    }
    catalog::Attempt stored_attempt(std::size_t number) {
        const auto found = catalogue_.list_attempts({.id = attempt_of(number).id});
        return found->empty() ? catalog::Attempt{} : found->front();
    }
    // Journals that many calls that began and ended, and submits them. After `reads` in vain they
    // have a part in a segment that is not there.
    void record(Archiver& archiver, std::uint8_t count, int reads = 0) {
        auto& writer = rig_.journal.writer();
        for (std::uint8_t n = 1; n <= count; ++n) {
            const journal::RecordingHandle handle = writer.open(journal::test_uuid(n));
            for (const char* event :
                 {R"({"type":"recording_started","call_id":"c","from":"sip:a@x","to":"sip:r@y"})",
                  R"({"type":"call_ended","by":"peer","code":"bye","text":""})"})
                ASSERT_TRUE(rig_.append(handle, base::as_bytes(event), journal::RecordType::Event));
            const std::string attempt = to_record(attempt_of(n));
            ASSERT_TRUE(rig_.append(handle, base::as_bytes(attempt), journal::RecordType::Attempt));
            rig_.commit();
            writer.close(handle, 1'000'000'000);
            rig_.commit();
        }
        ASSERT_EQ(rig_.listener.closed.size(), count);
        for (journal::ClosedRecording& closed : rig_.listener.closed) {
            if (reads > 0) closed.extents.append({99, 8192, 100});
            archiver.submit({.journal = &rig_.journal,
                             .serial = closed.serial,
                             .recording = closed.recording,
                             .extents = std::move(closed.extents),
                             .clocks = std::move(closed.clocks),
                             .was_closed = true,
                             .failure = std::nullopt,
                             .reads = reads});
        }
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

TEST_F(ArchiverTest, TellsOfAnAttemptWithoutAnOutcomeThatItWasRecordedAndOfNoOther) {
    Archiver archiver(dependencies());
    record(archiver, 6);
    catalog::Change known;
    for (const char* outcome : {"asked", "recording", "challenged", "cancelled", "failed"}) {
        // As it was before the call had a recording.
        known.attempts.push_back(attempt_of(known.attempts.size() + 1));
        known.attempts.back().recording_id.reset();
        known.attempts.back().outcome = outcome;
        if (std::string_view(outcome) == "failed")  // by the start after a crash
            known.attempts.back().reason = base::Reason{"interrupted", "."};
    }
    ASSERT_FALSE(catalog::submit_and_wait(catalogue_, std::move(known)));
    archiver.start();
    archiver.stop();
    for (const std::size_t number : {1U, 2U, 3U, 5U, 6U}) {
        EXPECT_EQ(stored_attempt(number).outcome, "recorded") << number;
        EXPECT_EQ(stored_attempt(number).recording_id, attempt_of(number).recording_id);
        EXPECT_TRUE(stored_attempt(number).is_ours);
    }
    EXPECT_EQ(stored_attempt(4).outcome, "cancelled");
}

TEST_F(ArchiverTest, LeavesToTheNextStartWhatAStopHasNoTimeFor) {
    Archiver archiver(dependencies());
    record(archiver, 3);
    archiver.stop(std::chrono::milliseconds{0});
    archiver.start();
    archiver.stop(std::chrono::milliseconds{0});
    EXPECT_TRUE(store_.list()->empty());
    EXPECT_EQ(archiver.backlog(), 3U);
    const auto recovery =
        journal::recover(disk_, {journal::Rig::kDirectory}, &journal::test_keys());
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
    EXPECT_EQ(journal::recover(disk_, {journal::Rig::kDirectory}, &journal::test_keys())
                  .recordings.size(),
              2U);
}

TEST_F(ArchiverTest, StoresWhatItHasOfAJournalThatStaysUnreadAndKeepsTheJournal) {
    Archiver archiver(dependencies());
    record(archiver, 2, 1000);
    archiver.start();
    archiver.stop();
    EXPECT_EQ(store_.list()->size(), 2U);
    EXPECT_EQ(archiver.failures(), 0U);
    EXPECT_EQ(archiver.backlog(), 0U);
    const auto row = catalogue_.find_piece(base::to_string(journal::test_uuid(1)));
    ASSERT_TRUE(row && row->reason);
    EXPECT_EQ(row->reason->code, kJournalUnread);
    rig_.commit();
    EXPECT_EQ(journal::recover(disk_, {journal::Rig::kDirectory}, &journal::test_keys())
                  .recordings.size(),
              2U);
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
    EXPECT_EQ(journal::recover(disk_, {journal::Rig::kDirectory}, &journal::test_keys())
                  .recordings.size(),
              2U);
}

}  // namespace
}  // namespace earshot::server
