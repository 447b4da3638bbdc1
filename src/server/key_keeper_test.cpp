#include "server/key_keeper.h"

#include <gtest/gtest.h>

#include "archive/data_key.h"
#include "catalog/memory_catalog.h"
#include "io/faulty_file.h"
#include "journal/format.h"
#include "objects/directory_store.h"

namespace earshot::server {
namespace {

using base::Uuid;

constexpr const char* kSegment = "data/journal/0/00000001.seg";

class KeyKeeperTest : public testing::Test {
protected:
    KeyKeeperTest() { restart(); }

    void restart() {
        keeper_.reset();
        auto keys =
            keys::KeyStore::open(files_, "data/keys/kek", nullptr, clock_.now().wall, random_);
        ASSERT_TRUE(keys);
        keys_ = std::move(*keys);
        keeper_.emplace(KeyKeeper::Dependencies{.keys = *keys_,
                                                .objects = objects_,
                                                .catalogue = catalogue_,
                                                .files = files_,
                                                .clock = clock_,
                                                .log = log_,
                                                .journals = "data/journal"});
    }
    // A recording of which nothing but its key matters.
    std::string store_recording(bool has_row = true) {
        const Uuid id = base::make_uuid_v7(clock_.now().wall, random_);
        const archive::KeyPart part{.recording = id,
                                    .key = keys_->wrap(crypto::SecretKey::generate(random_))};
        const std::string folder = objects_.location({id, clock_.now().wall});
        files_.put(folder + "/key", archive::make_key_part(part));
        if (has_row) {
            catalog::Change change;
            change.recordings.push_back(
                {.id = base::to_string(id),
                 .state = catalog::State::Complete,
                 .directory = folder.substr(std::string("data/recordings/").size())});
            EXPECT_FALSE(catalog::submit_and_wait(catalogue_, std::move(change)));
        }
        return folder;
    }
    // Its header, twice.
    void store_segment(bool is_encrypted) {
        journal::SegmentHeader header{.segment = 1};
        if (is_encrypted) header.key = keys_->wrap(crypto::SecretKey::generate(random_));
        const auto block = journal::write_segment_header(header);
        base::Bytes twice(block.begin(), block.end());
        base::append(twice, block);
        files_.put(kSegment, twice);
    }
    std::string missing_key() {
        const auto known = keys::KeyStore::find_ids(files_, "data/keys/kek");
        EXPECT_TRUE(known);
        const auto missing = find_missing_key(files_, objects_, "data/journal", *known);
        return missing ? missing->text : "";
    }
    api::KeyRotationJob::Progress rotate() {
        auto job = keeper_->rotate();
        EXPECT_TRUE(job) << job.error().text;
        api::KeyRotationJob::Progress last;
        while (auto progress = (*job)->step()) last = *progress;
        return last;
    }
    api::KeyView key(std::size_t index) {
        const auto list = keeper_->list();
        EXPECT_TRUE(list);
        return list->keys.at(index);
    }
    std::string refusal_of(const std::string& id) {
        const auto refused = keeper_->remove(id);
        return refused ? refused->text : "";
    }

    io::FaultyFileSystem files_;
    io::ManualClock clock_;
    base::NullLog log_;
    base::SeededRandom random_{1};
    objects::DirectoryStore objects_{files_, "data/recordings"};
    catalog::MemoryCatalog catalogue_;
    std::unique_ptr<keys::KeyStore> keys_;
    std::optional<KeyKeeper> keeper_;
};

TEST_F(KeyKeeperTest, TellsWhatNeedsEachKey) {
    store_recording();
    store_recording();
    store_segment(true);
    EXPECT_EQ(key(0).recordings, 2U);
    EXPECT_EQ(key(0).segments, 1U);
    EXPECT_TRUE(key(0).is_current);
    files_.corrupt(kSegment, 60, 1);  // the second header counts then
    EXPECT_EQ(key(0).segments, 1U);
    EXPECT_EQ(keeper_->list()->unreadable, 0U);
    files_.corrupt(kSegment, 4096 + 60, 1);
    EXPECT_EQ(key(0).segments, 0U);
    EXPECT_EQ(keeper_->list()->unreadable, 1U);
    store_segment(false);  // not encrypted
    EXPECT_EQ(key(0).segments, 0U);
    EXPECT_EQ(keeper_->list()->unreadable, 0U);
    files_.put(kSegment, base::Bytes(65536, 0));  // reserved
    EXPECT_EQ(keeper_->list()->unreadable, 0U);
}

TEST_F(KeyKeeperTest, NoNewKeyIsMadeWhereOldOnesAreMissing) {
    EXPECT_EQ(missing_key(), "");
    store_recording();
    store_segment(true);
    EXPECT_EQ(missing_key(), "");
    ASSERT_TRUE(files_.remove("data/keys/kek/" + key(0).id + ".key"));
    EXPECT_NE(missing_key().find("segments of the journal"), std::string::npos);
    ASSERT_TRUE(files_.remove(kSegment));
    EXPECT_NE(missing_key().find("recording"), std::string::npos);
    EXPECT_NE(missing_key().find(key(0).id), std::string::npos);
}

TEST_F(KeyKeeperTest, RotatesAndThenRemovesTheOldKey) {
    store_recording();
    store_segment(true);
    const std::string old = key(0).id;
    EXPECT_NE(refusal_of(old).find("need this key"), std::string::npos);
    const auto progress = rotate();
    EXPECT_EQ(progress.wrapped, 1U);
    EXPECT_EQ(progress.done, progress.total);
    EXPECT_EQ(key(0).recordings, 0U);
    EXPECT_EQ(key(1).recordings, 1U);
    EXPECT_EQ(key(1).id, progress.key);

    EXPECT_NE(refusal_of(old).find("1 segments"), std::string::npos);
    ASSERT_TRUE(files_.remove(kSegment));
    EXPECT_NE(refusal_of(old).find("after the next start"), std::string::npos);
    restart();
    EXPECT_EQ(refusal_of(old), "");
    EXPECT_EQ(keeper_->list()->keys.size(), 1U);
    EXPECT_NE(refusal_of(old), "");
    EXPECT_NE(refusal_of("x"), "");
    EXPECT_NE(refusal_of(progress.key).find("need this key"), std::string::npos);
}

// A disk that is not mounted must not cost its recordings.
TEST_F(KeyKeeperTest, KeepsAKeyThatWhatIsNotHereMayNeed) {
    const std::string folder = store_recording();
    const std::string old = key(0).id;
    rotate();
    restart();
    ASSERT_TRUE(files_.rename(folder, "elsewhere"));
    EXPECT_NE(refusal_of(old).find("not in their folders"), std::string::npos);
    ASSERT_TRUE(files_.rename("elsewhere", folder));
    files_.corrupt(folder + "/key", 60, 1);
    EXPECT_NE(refusal_of(old).find("cannot be read"), std::string::npos);
    files_.corrupt(folder + "/key", 60, 1);
    files_.put(kSegment, base::Bytes(10, 1));
    EXPECT_NE(refusal_of(old).find("cannot be read"), std::string::npos);
    ASSERT_TRUE(files_.remove(kSegment));
    EXPECT_EQ(refusal_of(old), "");
}

TEST_F(KeyKeeperTest, OneRotationAtATime) {
    store_recording();
    auto job = keeper_->rotate();
    ASSERT_TRUE(job);
    EXPECT_EQ(keeper_->rotate().error().code, "rotation_running");
    EXPECT_EQ(keeper_->remove(key(0).id)->code, "rotation_running");
    *job = nullptr;  // its client went away
    EXPECT_EQ(rotate().wrapped, 1U);
}

}  // namespace
}  // namespace earshot::server
