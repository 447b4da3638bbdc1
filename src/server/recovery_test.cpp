// A start over the journals that earlier runs left on a disk in memory.
#include "server/recovery.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>

#include "base/text.h"
#include "catalog/memory_catalog.h"
#include "io/faulty_file.h"
#include "journal/committer.h"
#include "objects/directory_store.h"

namespace earshot::server {
namespace {

class RecoveryTest : public testing::Test {
protected:
    static base::Uuid uuid_of(std::uint8_t number) {
        base::Uuid uuid = *base::parse_uuid("01a20000-0000-7000-8000-000000000000");
        uuid.bytes[15] = number;
        return uuid;
    }
    // A row that says that it runs.
    void add_row(std::uint8_t number) {
        catalog::Change change;
        change.recordings.push_back(
            {.id = base::to_string(uuid_of(number)), .state = catalog::State::Recording});
        ASSERT_FALSE(catalog::submit_and_wait(catalogue, std::move(change)));
    }
    // What a worker of an earlier run left: the recording in its journal, not closed.
    void leave(std::uint16_t worker, std::uint8_t number) {
        add_row(number);
        const journal::Options options{.directories = {"journal/" + std::to_string(worker)},
                                       .worker = worker,
                                       .segment_bytes = 64 * 1024,
                                       .run_id = 1,
                                       .boot_id = {}};
        struct NoListener : journal::Listener {
            void on_durable(std::uint64_t) override {}
            void on_closed(journal::ClosedRecording) override {}
        } listener;
        const auto found = journal::recover(disk, options.directories);
        journal::Journal journal(disk, options, found, listener);
        const auto handle = journal.writer().open(uuid_of(number));
        const std::string_view event = R"({"type":"recording_started","call_id":"c"})";
        ASSERT_TRUE(journal.writer().append(handle, {.type = journal::RecordType::Event},
                                            base::as_bytes(event)));
        journal.writer().commit(clock.now());
        journal.committer().step(clock.now());
    }
    // A start with that many workers; `meanwhile` comes before anything is stored.
    void start(std::size_t workers, const std::function<void()>& meanwhile = {}) {
        capture::EngineOptions options;
        options.workers = workers;
        options.journals = "journal";
        options.run_id = 2;
        capture::CaptureEngine engine(options, disk, clock, log);
        Archiver archiver({.files = disk,
                           .objects = store,
                           .catalogue = catalogue,
                           .key = key,
                           .clock = clock,
                           .log = log,
                           .on_stored = [](const catalog::Recording&) {}});
        recover_recordings(engine.take_found(), catalogue, archiver, log);
        if (meanwhile) meanwhile();
        archiver.start();
        archiver.stop();
    }
    void erase(std::uint8_t number) {
        catalog::Change change;
        change.recordings.push_back(*catalogue.find_piece(base::to_string(uuid_of(number))));
        change.recordings.back().reason = base::Reason{"erased", "By ada."};
        EXPECT_FALSE(catalog::submit_and_wait(catalogue, std::move(change)));
    }
    std::string reason_of(std::uint8_t number) {
        const auto row = catalogue.find_piece(base::to_string(uuid_of(number)));
        return row && row->reason ? row->reason->code : "";
    }
    bool is_stored(std::uint8_t number) {
        const auto row = catalogue.find_piece(base::to_string(uuid_of(number)));
        return row && row->state != catalog::State::Recording && !row->directory.empty();
    }

    io::FaultyFileSystem disk;
    io::ManualClock clock;
    base::NullLog log;
    catalog::MemoryCatalog catalogue;
    objects::DirectoryStore store{disk, "recordings"};
    archive::SigningKey key{archive::Ed25519Bytes{1, 2, 3}};
};

TEST_F(RecoveryTest, StoresWhatLiesInJournalsOfMoreWorkersThanNow) {
    for (std::uint16_t worker = 0; worker < 4; ++worker)
        leave(worker, static_cast<std::uint8_t>(worker + 1));
    start(1);
    for (std::uint8_t number = 1; number <= 4; ++number) EXPECT_TRUE(is_stored(number)) << +number;
}

// The disk of the journal was not mounted at one start.
TEST_F(RecoveryTest, StoresAtTheNextStartWhatOneFoundNoJournalOf) {
    leave(0, 1);
    ASSERT_TRUE(disk.rename("journal", "elsewhere"));
    start(1);
    EXPECT_EQ(reason_of(1), "interrupted");
    ASSERT_TRUE(disk.remove_tree("journal"));
    ASSERT_TRUE(disk.rename("elsewhere", "journal"));
    start(1);
    EXPECT_TRUE(is_stored(1));
}

TEST_F(RecoveryTest, FailsTheRowsOfWhichNoJournalKnowsAnything) {
    leave(0, 1);
    add_row(9);
    start(2);
    EXPECT_TRUE(is_stored(1));
    EXPECT_EQ(reason_of(9), "interrupted");
}

TEST_F(RecoveryTest, StoresNothingOfWhatWasErasedWhileItsJournalCouldNotBeRead) {
    leave(0, 1);
    disk.fail_reads(EACCES);
    start(1);
    disk.fail_reads(0);
    EXPECT_EQ(reason_of(1), kJournalUnread);
    erase(1);
    start(1);
    EXPECT_FALSE(is_stored(1));
    EXPECT_EQ(reason_of(1), "erased");
    EXPECT_TRUE(store.list()->empty());
}

TEST_F(RecoveryTest, StoresNothingOfWhatIsErasedWhileItWaitsToBeStored) {
    leave(0, 1);
    disk.fail_reads(EACCES);
    start(1);
    disk.fail_reads(0);
    start(1, [this] { erase(1); });
    EXPECT_FALSE(is_stored(1));
    EXPECT_EQ(reason_of(1), "erased");
    EXPECT_TRUE(store.list()->empty());
}

TEST_F(RecoveryTest, CallsNothingLostThatAJournalMayHoldWhichCannotBeReadNow) {
    leave(1, 1);
    disk.fail_reads(EACCES);
    start(1);
    EXPECT_EQ(reason_of(1), kJournalUnread);
    EXPECT_FALSE(is_stored(1));
    disk.fail_reads(0);
    start(1);
    EXPECT_TRUE(is_stored(1));
    EXPECT_NE(reason_of(1), kJournalUnread);
}

}  // namespace
}  // namespace earshot::server
