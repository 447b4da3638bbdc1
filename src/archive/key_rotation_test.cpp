#include "archive/key_rotation.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>

#include "archive/archive_test_rig.h"
#include "archive/data_key.h"
#include "archive/limits.h"
#include "archive/stored_recording.h"

namespace earshot::archive {
namespace {

base::Uuid numbered(std::uint8_t n) {
    base::Uuid id = test_id();
    id.bytes.back() = n;
    return id;
}

class KeyRotationTest : public ArchiveTest {
protected:
    // A recording on that disk; true when it is stored.
    bool store(objects::ObjectStore& objects, std::uint8_t number, bool is_encrypted = true) {
        records_.clear();
        records_.started();
        records_.stream_added(5, 0, "1");
        Sender a{.records = records_};
        a.packets(3);
        records_.ended(200);
        std::optional<Encryption> encryption;
        if (is_encrypted) encryption.emplace(Encryption{keys_, random_});
        auto built = build_recording({.recording = numbered(number),
                                      .records = records_,
                                      .objects = objects,
                                      .key = key_,
                                      .now = base::wall_from_ns(kStartNs),
                                      .failure = std::nullopt,
                                      .encryption = encryption});
        EXPECT_TRUE(built);
        return built && objects.commit({&built->object, 1}).front();
    }
    static std::string folder_of(objects::ObjectStore& objects, std::uint8_t number) {
        return objects.location({numbered(number), base::wall_from_ns(kStartNs)});
    }
    bool can_be_read(io::FileSystem& files, objects::ObjectStore& objects, std::uint8_t number) {
        const std::string folder = folder_of(objects, number);
        return StoredRecording(files, folder, &keys_).summary().has_value() &&
               verify_recording(files, folder, std::nullopt, &keys_).is_ok();
    }
    KeyRotation::Progress rotate() {
        auto rotation = KeyRotation::begin(store_, keys_);
        EXPECT_TRUE(rotation);
        while (rotation->step()) continue;
        return rotation->progress();
    }
    const base::Uuid first_key_ = keys_.current();
    const base::Uuid next_key_ = numbered(0xee);
    void make_next_key() { keys_.add(next_key_, crypto::SecretKey::generate(random_)); }
};

TEST_F(KeyRotationTest, BringsEachRecordingUnderTheNewKey) {
    for (const std::uint8_t n : base::Bytes{1, 2, 3}) ASSERT_TRUE(store(store_, n));
    ASSERT_TRUE(store(store_, 4, false));
    ASSERT_TRUE(store_.remove_part({numbered(3), base::wall_from_ns(kStartNs)}, kKeyName));
    EXPECT_EQ(find_key_uses(store_)->recordings,
              (std::map<base::Uuid, std::uint64_t>{{first_key_, 2}}));
    const base::Bytes content = files_.content(folder_of(store_, 1) + "/content");

    make_next_key();
    const auto progress = rotate();
    EXPECT_EQ(progress.done, 4U);
    EXPECT_EQ(progress.total, 4U);
    EXPECT_EQ(progress.wrapped, 2U);
    EXPECT_EQ(progress.failed, 0U) << progress.failure;
    const auto uses = find_key_uses(store_);
    EXPECT_EQ(uses->recordings, (std::map<base::Uuid, std::uint64_t>{{next_key_, 2}}));
    EXPECT_EQ(uses->found.size(), 4U);
    EXPECT_EQ(uses->unreadable, 0U);

    keys_.remove(first_key_);  // nothing needs it
    for (const std::uint8_t n : base::Bytes{1, 2, 4}) EXPECT_TRUE(can_be_read(files_, store_, n));
    EXPECT_EQ(files_.content(folder_of(store_, 1) + "/content"), content);
    EXPECT_EQ(rotate().wrapped, 0U);
}

TEST_F(KeyRotationTest, TellsOfKeysThatItCannotRead) {
    for (const std::uint8_t n : base::Bytes{1, 2}) ASSERT_TRUE(store(store_, n));
    files_.corrupt(folder_of(store_, 1) + "/" + kKeyName, 50, 1);
    make_next_key();
    const auto progress = rotate();
    EXPECT_EQ(progress.wrapped, 1U);
    EXPECT_EQ(progress.failed, 1U);
    EXPECT_NE(progress.failure.find(base::to_string(numbered(1))), std::string::npos);
    EXPECT_EQ(find_key_uses(store_)->unreadable, 1U);
    files_.corrupt(folder_of(store_, 1) + "/" + kKeyName, 50, 1);
    EXPECT_EQ(rotate().failed, 0U);
}

// Whichever call fails, or is the last before the power is lost: all can be read with the two keys,
// and another run brings what is left under the new one.
TEST_F(KeyRotationTest, MayBeInterruptedAnywhere) {
    const std::size_t others = 2;
    for (const bool power_loss : {false, true}) {
        for (std::uint64_t n = 1; n <= 14; ++n) {
            SCOPED_TRACE(testing::Message() << "call " << n << ", power loss " << power_loss);
            io::FaultyFileSystem files(n);
            objects::DirectoryStore objects(files, "data/recordings");
            for (const std::uint8_t r : base::Bytes{1, 2}) ASSERT_TRUE(store(objects, r));
            const base::Uuid next = base::make_uuid_v7(base::wall_from_ns(kStartNs), random_);
            keys_.add(next, crypto::SecretKey::generate(random_));
            files.fail_call(n, EIO, power_loss ? ~std::uint64_t{0} : 1);
            auto rotation = KeyRotation::begin(objects, keys_);
            while (rotation && rotation->step()) continue;
            if (power_loss) files.power_loss();
            files.fail_call(1, 0, 0);
            ASSERT_TRUE(objects.tidy());
            for (const std::uint8_t r : base::Bytes{1, 2})
                EXPECT_TRUE(can_be_read(files, objects, r));

            auto again = KeyRotation::begin(objects, keys_);
            while (again->step()) continue;
            EXPECT_EQ(again->progress().failed, 0U) << again->progress().failure;
            EXPECT_EQ(find_key_uses(objects)->recordings,
                      (std::map<base::Uuid, std::uint64_t>{{next, others}}));
        }
    }
}

// A store whose disk is slow: something else happens before a batch of changes is made.
class BusyStore : public objects::DirectoryStore {
public:
    using DirectoryStore::DirectoryStore;
    std::vector<base::Result<base::Done>> replace_parts(
        std::span<const objects::PartChange> batch) override {
        if (meanwhile) meanwhile();
        return DirectoryStore::replace_parts(batch);
    }
    std::function<void()> meanwhile;
};

TEST_F(KeyRotationTest, WhatIsErasedMeanwhileStaysErased) {
    BusyStore objects(files_, "data/recordings");
    for (const std::uint8_t n : base::Bytes{1, 2}) ASSERT_TRUE(store(objects, n));
    make_next_key();
    objects.meanwhile = [&] {
        ASSERT_TRUE(objects.remove_part({numbered(1), base::wall_from_ns(kStartNs)}, kKeyName));
    };
    auto rotation = KeyRotation::begin(objects, keys_);
    while (rotation->step()) continue;
    EXPECT_EQ(rotation->progress().wrapped, 1U);
    EXPECT_EQ(rotation->progress().failed, 0U) << rotation->progress().failure;
    EXPECT_EQ(StoredRecording(files_, folder_of(objects, 1), &keys_).summary().error().code,
              "erased");
}

// The archiver stores it again, with another data key that the old key-encryption key wraps.
TEST_F(KeyRotationTest, LooksAgainAtWhatIsStoredAnewMeanwhile) {
    BusyStore objects(files_, "data/recordings");
    ASSERT_TRUE(store(objects, 1));
    const auto old_keys = keys_.copy();
    crypto::WrappedKey newest;
    std::size_t times = 1;
    objects.meanwhile = [&] {
        if (times == 0) return;
        --times;
        newest = old_keys->wrap(crypto::SecretKey::generate(random_));
        files_.put(folder_of(objects, 1) + "/" + kKeyName,
                   make_key_part({.recording = numbered(1), .key = newest}));
    };
    const auto data_key = [&] {
        const auto part = find_newest_key(objects);
        EXPECT_TRUE(part);
        return hash_of_key(part->recording, *keys_.unwrap(part->key));
    };
    make_next_key();
    auto rotation = KeyRotation::begin(objects, keys_);
    while (rotation->step()) continue;
    EXPECT_EQ(rotation->progress().wrapped, 1U);
    EXPECT_EQ(rotation->progress().failed, 0U) << rotation->progress().failure;
    EXPECT_EQ(data_key(), hash_of_key(numbered(1), *keys_.unwrap(newest)));
    EXPECT_EQ(find_key_uses(objects)->recordings,
              (std::map<base::Uuid, std::uint64_t>{{next_key_, 1}}));

    keys_.add(numbered(0xef), crypto::SecretKey::generate(random_));
    times = kMaxRotationLooks;
    auto again = KeyRotation::begin(objects, keys_);
    while (again->step()) continue;
    EXPECT_EQ(again->progress().wrapped, 0U);
    EXPECT_EQ(again->progress().failed, 1U);
    EXPECT_EQ(data_key(), hash_of_key(numbered(1), *keys_.unwrap(newest)));
}

TEST_F(KeyRotationTest, WorksInBatches) {
    for (std::size_t i = 0; i < kRotationBatch + 1; ++i) {
        KeyPart key{.recording = base::make_uuid_v4(random_),
                    .key = keys_.wrap(crypto::SecretKey::generate(random_))};
        files_.put(store_.location({key.recording, base::wall_from_ns(kStartNs)}) + "/key",
                   make_key_part(key));
    }
    make_next_key();
    auto rotation = KeyRotation::begin(store_, keys_);
    ASSERT_TRUE(rotation->step());
    EXPECT_EQ(rotation->progress().wrapped, kRotationBatch);
    ASSERT_TRUE(rotation->step());
    EXPECT_EQ(rotation->progress().wrapped, kRotationBatch + 1);
    EXPECT_FALSE(rotation->step());
}

}  // namespace
}  // namespace earshot::archive
