// The archive thread over a journal and a store on a disk in memory.
#include "server/archiver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>

#include "base/text.h"
#include "journal/journal_test_rig.h"
#include "objects/directory_store.h"

namespace earshot::server {
namespace {

class MemoryCatalog : public catalog::Catalog {
public:
    bool submit(catalog::Change change, catalog::Committed committed) override {
        {
            const std::lock_guard lock(mutex_);
            ++changes_;
            for (catalog::Recording& row : change.recordings) rows_[row.id] = std::move(row);
        }
        committed(std::nullopt);
        return true;
    }
    base::Result<std::vector<catalog::Recording>, base::Reason> list(
        const catalog::RecordingQuery&) override {
        return std::vector<catalog::Recording>{};
    }
    base::Result<std::vector<catalog::Attempt>, base::Reason> list_attempts(
        const catalog::AttemptQuery&) override {
        return std::vector<catalog::Attempt>{};
    }
    base::Result<catalog::Recording, catalog::FindError> find(std::string_view id) override {
        return find_piece(id);
    }
    base::Result<catalog::Recording, catalog::FindError> find_piece(std::string_view id) override {
        const std::lock_guard lock(mutex_);
        const auto found = rows_.find(std::string(id));
        if (found == rows_.end())
            return catalog::FindError{.kind = catalog::FindError::Kind::NotFound};
        return found->second;
    }
    base::Result<std::vector<catalog::PeerCount>, base::Reason> count_by_peer(
        base::WallTime) override {
        return std::vector<catalog::PeerCount>{};
    }
    base::Result<std::vector<catalog::Recording>, base::Reason> list_unfinished() override {
        return std::vector<catalog::Recording>{};
    }
    catalog::Health health() const override { return {}; }

    std::size_t finished() const {  // rows of recordings that run no more
        const std::lock_guard lock(mutex_);
        return static_cast<std::size_t>(std::count_if(
            rows_.begin(), rows_.end(),
            [](const auto& entry) { return entry.second.state != catalog::State::Recording; }));
    }
    int changes() const {
        const std::lock_guard lock(mutex_);
        return changes_;
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, catalog::Recording> rows_;
    int changes_ = 0;
};

class SilentLog : public base::Log {
public:
    void write(base::LogLevel, std::string_view, std::initializer_list<base::LogField>) override {}
};

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
    MemoryCatalog catalogue_;
    archive::SigningKey key_{archive::Ed25519Bytes{1, 2, 3}};
    io::ManualClock clock_;
    SilentLog log_;
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
