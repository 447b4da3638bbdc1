#include "objects/directory_store.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <utility>

#include "base/text.h"
#include "io/faulty_file.h"

namespace earshot::objects {
namespace {

using base::as_bytes;
using base::as_text;
using base::Errc;

ObjectKey test_key(std::uint8_t n = 1) {
    ObjectKey key{.recording = {}, .start = base::wall_from_ns(1'772'442'900'000'000'000)};
    key.recording.bytes.fill(n);
    return key;
}

constexpr std::string_view kPath =
    "data/recordings/2026/03/02/01010101-0101-0101-0101-010101010101";

std::string read_part(ObjectStore& store, const ObjectKey& key, const std::string& name) {
    const auto file = store.open_part(key, name);
    if (!file) return "";
    base::Bytes bytes(100);
    bytes.resize(*(*file)->read_at(0, bytes));
    return std::string(as_text(bytes));
}

// A manifest and one track, as the archive does it.
base::Result<base::Done> put(ObjectStore& store, const ObjectKey& key, std::string_view text) {
    auto writer = store.begin(key);
    if (!writer) return writer.error();
    std::vector<PartInfo> expected;
    for (const std::string name : {"manifest.json", "tracks/1.wav"}) {
        const auto file = (*writer)->create_part(name);
        if (!file) return file.error();
        if (auto written = (*file)->append(as_bytes(text)); !written) return written;
        const auto digest = (*writer)->digest(name);
        if (!digest) return digest.error();
        expected.push_back(*digest);
    }
    const WrittenObject object{.writer = std::move(*writer), .expected = std::move(expected)};
    return store.commit({&object, 1}).front();
}

TEST(DirectoryStore, KeepsAnObjectUnderItsDayAndId) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "data/recordings");
    ASSERT_TRUE(put(store, test_key(), "abc"));
    EXPECT_EQ(store.location(test_key()), kPath);
    EXPECT_EQ(read_part(store, test_key(), "tracks/1.wav"), "abc");
    const auto parts = store.list_parts(test_key());
    ASSERT_TRUE(parts);
    ASSERT_EQ(parts->size(), 2U);
    EXPECT_EQ((*parts)[0].name, "manifest.json");
    EXPECT_EQ((*parts)[1].name, "tracks/1.wav");
    EXPECT_EQ((*parts)[1].size, 3U);
    const auto listed = store.list();
    ASSERT_EQ(listed->size(), 1U);
    EXPECT_EQ(listed->front().recording, test_key().recording);
    EXPECT_EQ(store.open_part(test_key(), "none").error().code, Errc::NotFound);
    EXPECT_EQ(store.open_part(test_key(2), "manifest.json").error().code, Errc::NotFound);
    EXPECT_EQ(store.list_parts(test_key(2)).error().code, Errc::NotFound);
}

TEST(DirectoryStore, HashesAsFips180Says) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    auto writer = store.begin(test_key());
    ASSERT_TRUE((*(*writer)->create_part("p"))->append(as_bytes("abc")));
    const auto digest = (*writer)->digest("p");
    ASSERT_TRUE(digest);
    EXPECT_EQ(base::to_hex(digest->sha256),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(digest->size, 3U);
}

// However a part is written, its digest is that of the file.
TEST(DirectoryStore, HashesWhatPassesByAsWhatIsThere) {
    struct Case {
        const char* name;
        void (*write)(io::File&);
    };
    const std::array cases{
        Case{"nothing", [](io::File&) {}},
        Case{"in_order",
             [](io::File& f) {
                 (void)f.append(as_bytes("ab"));
                 (void)f.append(as_bytes("c"));
             }},
        Case{"gap",
             [](io::File& f) {
                 (void)f.write_at(0, as_bytes("header"));
                 (void)f.write_at(10'000, as_bytes("sound"));
                 (void)f.truncate(20'001);
             }},
        Case{"header_last",
             [](io::File& f) {
                 (void)f.write_at(6, as_bytes("sound"));
                 (void)f.write_at(0, as_bytes("header"));
             }},
        Case{"cut",
             [](io::File& f) {
                 (void)f.append(as_bytes("sound"));
                 (void)f.truncate(2);
             }},
        Case{"reserved",
             [](io::File& f) {
                 (void)f.reserve(100);
                 (void)f.append(as_bytes("sound"));
             }},
    };
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    auto writer = store.begin(test_key());
    for (const Case& c : cases) {
        c.write(**(*writer)->create_part(c.name));
        const auto digest = (*writer)->digest(c.name);
        ASSERT_TRUE(digest);
        const auto file =
            files.open_for_reading(io::join_path(store.location(test_key()) + ".part", c.name));
        ASSERT_TRUE(file);
        const auto read = digest_file(**file, c.name);
        EXPECT_EQ(digest->size, read->size) << c.name;
        EXPECT_EQ(digest->sha256, read->sha256) << c.name;
        EXPECT_EQ(digest->crc32c, read->crc32c) << c.name;
        EXPECT_TRUE(*is_as_written(**file, *digest)) << c.name;
    }
}

TEST(DirectoryStore, HashesFilesLongerThanItsBuffer) {
    io::FaultyFileSystem files;
    for (const std::size_t size : {262'143U, 262'144U, 262'145U, 524'288U}) {
        files.put("x", base::Bytes(size, 'a'));
        EXPECT_EQ(digest_file(**files.open_for_reading("x"), "x")->size, size);
    }
}

TEST(DirectoryStore, RefusesNamesThatLeadElsewhere) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    auto writer = store.begin(test_key());
    ASSERT_TRUE(writer);
    for (const char* name : {"", ".", "..", "../x", "a/../b", "/x", "a/", "a/b/c", "a b", ".x",
                             "a\\b", "tracks/.wav", "\xc3\xa4"}) {
        EXPECT_EQ((*writer)->create_part(name).error().code, Errc::Malformed) << name;
        EXPECT_EQ((*writer)->digest(name).error().code, Errc::Malformed) << name;
        EXPECT_EQ(store.open_part(test_key(), name).error().code, Errc::Malformed) << name;
    }
    EXPECT_TRUE((*writer)->create_part(std::string(200, 'a')));
    EXPECT_FALSE((*writer)->create_part(std::string(201, 'a')));
}

TEST(DirectoryStore, ShowsNothingBeforeTheCommitAndLeavesNothingWithoutIt) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    {
        auto writer = store.begin(test_key());
        ASSERT_TRUE((*writer)->create_part("p"));
        EXPECT_FALSE(store.open_part(test_key(), "p"));
        EXPECT_TRUE(store.list()->empty());
    }
    EXPECT_TRUE(files.paths().empty());
}

TEST(DirectoryStore, DoesNotCommitWhatItReadsBackDifferently) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    auto writer = store.begin(test_key());
    ASSERT_TRUE((*(*writer)->create_part("p"))->append(as_bytes("abc")));
    const PartInfo part = *(*writer)->digest("p");
    files.corrupt(files.paths().at(0), 1, 1);
    const WrittenObject object{.writer = std::move(*writer), .expected = {part}};
    EXPECT_FALSE(store.commit({&object, 1}).front());
    EXPECT_TRUE(store.list()->empty());
}

TEST(DirectoryStore, CommitsTheGoodOnesOfABatch) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    std::vector<WrittenObject> batch;
    for (const std::uint8_t n : base::Bytes{1, 2, 3}) {
        auto writer = store.begin(test_key(n));
        ASSERT_TRUE((*(*writer)->create_part("p"))->append(as_bytes("abc")));
        const PartInfo part = *(*writer)->digest("p");
        batch.push_back({.writer = std::move(*writer), .expected = {part}});
    }
    batch[1].expected[0].crc32c ^= 1;
    const auto results = store.commit(batch);
    ASSERT_EQ(results.size(), 3U);
    EXPECT_TRUE(results[0]);
    EXPECT_FALSE(results[1]);
    EXPECT_TRUE(results[2]);
    batch.clear();
    EXPECT_EQ(store.list()->size(), 2U);
    files.power_loss();  // may bring back the name of what was not stored
    ASSERT_TRUE(store.tidy());
    EXPECT_EQ(read_part(store, test_key(1), "p"), "abc");
    EXPECT_EQ(read_part(store, test_key(3), "p"), "abc");
    EXPECT_EQ(files.paths().size(), 2U);
}

TEST(DirectoryStore, AFailedSyncIsAFailureOfTheWholeBatch) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    std::vector<WrittenObject> batch;
    for (const std::uint8_t n : base::Bytes{1, 2}) {
        auto writer = store.begin(test_key(n));
        ASSERT_TRUE((*(*writer)->create_part("p"))->append(as_bytes("abc")));
        const PartInfo part = *(*writer)->digest("p");
        batch.push_back({.writer = std::move(*writer), .expected = {part}});
    }
    files.fail_call(1, EIO);
    for (const auto& result : store.commit(batch)) EXPECT_FALSE(result);
    EXPECT_TRUE(store.list()->empty());
}

TEST(DirectoryStore, ReplacesAndRemoves) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    ASSERT_TRUE(put(store, test_key(), "one"));
    ASSERT_TRUE(put(store, test_key(), "two"));
    EXPECT_EQ(read_part(store, test_key(), "manifest.json"), "two");
    EXPECT_EQ(files.paths().size(), 2U);
    EXPECT_TRUE(store.remove(test_key()));
    EXPECT_TRUE(store.remove(test_key()));
    EXPECT_TRUE(files.paths().empty());
    EXPECT_TRUE(store.list()->empty());
}

TEST(DirectoryStore, AnEmptyRootIsTidy) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    EXPECT_TRUE(store.tidy());
    EXPECT_TRUE(store.list()->empty());
    EXPECT_TRUE(store.remove(test_key()));
}

// Whichever call fails or is the last before the power is lost: the old or the new revision is
// there whole, and the new one if put() said so.
TEST(DirectoryStore, IsAtomicAtEachFailureAndPowerLoss) {
    for (const bool power_loss : {false, true}) {
        for (std::uint64_t n = 1; n <= 40; ++n) {
            SCOPED_TRACE(testing::Message() << "call " << n << ", power loss " << power_loss);
            io::FaultyFileSystem files(n);
            DirectoryStore store(files, "data/recordings");
            ASSERT_TRUE(put(store, test_key(), "old"));
            files.fail_call(n, EIO, power_loss ? ~std::uint64_t{0} : 1);
            const bool is_stored = put(store, test_key(), "new").has_value();
            if (power_loss) files.power_loss();
            files.fail_call(1, 0, 0);
            ASSERT_TRUE(store.tidy());
            const std::string manifest = read_part(store, test_key(), "manifest.json");
            EXPECT_TRUE(manifest == "new" || (manifest == "old" && !is_stored)) << manifest;
            EXPECT_EQ(read_part(store, test_key(), "tracks/1.wav"), manifest);
            EXPECT_EQ(files.paths().size(), 2U);
        }
    }
}

TEST(DirectoryStore, ListsWhereItsObjectsLie) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "data/recordings");
    ASSERT_TRUE(put(store, test_key(2), "x"));
    ASSERT_TRUE(put(store, test_key(1), "x"));
    files.put("data/recordings/lost/and/found/x", {});
    const auto found = store.list();
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 2U);
    EXPECT_EQ(store.location((*found)[0]), store.location(test_key(1)));
    EXPECT_EQ(store.location((*found)[1]), store.location(test_key(2)));
}

TEST(DirectoryStore, ReplacesAPartWhereThereIsOne) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    ASSERT_TRUE(put(store, test_key(1), "old"));
    const auto change = [](std::uint8_t n, const char* name) {
        return PartChange{.key = test_key(n),
                          .name = name,
                          .expected = {'o', 'l', 'd'},
                          .content = {'n', 'e', 'w'}};
    };
    const std::vector<PartChange> batch{change(1, "manifest.json"), change(2, "manifest.json"),
                                        change(1, "key"), change(1, "tracks/1.wav")};
    const auto results = store.replace_parts(batch);
    ASSERT_EQ(results.size(), 4U);
    EXPECT_TRUE(results[0]);
    EXPECT_EQ(results[1].error().code, Errc::NotFound);
    EXPECT_EQ(results[2].error().code, Errc::NotFound);
    EXPECT_EQ(results[3].error().code, Errc::Malformed);
    files.power_loss();
    EXPECT_EQ(read_part(store, test_key(1), "manifest.json"), "new");
    EXPECT_EQ(read_part(store, test_key(1), "tracks/1.wav"), "old");
    EXPECT_EQ(files.paths().size(), 2U);
}

// In which something else happens while the disk is synced for the first time.
class BusyFileSystem : public io::FaultyFileSystem {
public:
    base::Result<base::Done> sync_file_system(const std::string& path) override {
        if (meanwhile) std::exchange(meanwhile, nullptr)();
        return FaultyFileSystem::sync_file_system(path);
    }
    std::function<void()> meanwhile;
};

// What comes of a change of "old" to "new" with that happening in between.
struct Race {
    explicit Race(const std::function<void(DirectoryStore&)>& other) {
        EXPECT_TRUE(put(store, test_key(), "old"));
        files.meanwhile = [this, &other] { other(store); };
        const PartChange change{.key = test_key(),
                                .name = "manifest.json",
                                .expected = {'o', 'l', 'd'},
                                .content = {'n', 'e', 'w'}};
        result = store.replace_parts({&change, 1}).front();
        files.power_loss();
        found = read_part(store, test_key(), "manifest.json");
    }
    BusyFileSystem files;
    DirectoryStore store{files, "r"};
    base::Result<base::Done> result = base::Done{};
    std::string found;
};

TEST(DirectoryStore, WhatIsRemovedWhileItIsReplacedStaysRemoved) {
    const Race part(
        [](DirectoryStore& store) { EXPECT_TRUE(store.remove_part(test_key(), "manifest.json")); });
    EXPECT_EQ(part.result.error().code, Errc::NotFound);
    EXPECT_EQ(part.found, "");
    EXPECT_EQ(part.files.paths().size(), 1U);  // the track: no content waits beside it
    const Race object([](DirectoryStore& store) { EXPECT_TRUE(store.remove(test_key())); });
    EXPECT_EQ(object.result.error().code, Errc::NotFound);
    EXPECT_TRUE(object.files.paths().empty());
}

TEST(DirectoryStore, ANewerRevisionKeepsItsPartAgainstAChangeOfTheOlder) {
    const Race same_size([](DirectoryStore& store) { EXPECT_TRUE(put(store, test_key(), "two")); });
    EXPECT_EQ(same_size.result.error().code, Errc::Refused);
    EXPECT_EQ(same_size.found, "two");
    const Race longer([](DirectoryStore& store) { EXPECT_TRUE(put(store, test_key(), "older")); });
    EXPECT_EQ(longer.result.error().code, Errc::Refused);
    EXPECT_EQ(longer.found, "older");
}

TEST(DirectoryStore, KnowsItsKeysByTheirFolders) {
    const auto key = key_of_location(kPath);
    ASSERT_TRUE(key);
    io::FaultyFileSystem files;
    EXPECT_EQ(DirectoryStore(files, "data/recordings").location(*key), kPath);
    EXPECT_TRUE(key_of_location(kPath.substr(kPath.find("2026"))));
    EXPECT_FALSE(key_of_location(""));
    EXPECT_FALSE(key_of_location("2026/03/02/x"));
    EXPECT_FALSE(key_of_location("2026/03/01010101-0101-0101-0101-010101010101"));
}

TEST(DirectoryStore, RemovesAPartForGood) {
    io::FaultyFileSystem files;
    DirectoryStore store(files, "r");
    ASSERT_TRUE(put(store, test_key(), "x"));
    EXPECT_TRUE(store.remove_part(test_key(), "manifest.json"));
    EXPECT_TRUE(store.remove_part(test_key(), "manifest.json"));
    EXPECT_TRUE(store.remove_part(test_key(2), "manifest.json"));
    EXPECT_FALSE(store.remove_part(test_key(), "../x"));
    files.power_loss();
    EXPECT_EQ(store.open_part(test_key(), "manifest.json").error().code, Errc::NotFound);
    EXPECT_EQ(read_part(store, test_key(), "tracks/1.wav"), "x");
}

TEST(DirectoryStore, APartIsReplacedWhollyOrNotAtEachFailureAndPowerLoss) {
    for (const bool power_loss : {false, true}) {
        for (std::uint64_t n = 1; n <= 16; ++n) {
            SCOPED_TRACE(testing::Message() << "call " << n << ", power loss " << power_loss);
            io::FaultyFileSystem files(n);
            DirectoryStore store(files, "data/recordings");
            ASSERT_TRUE(put(store, test_key(1), "old"));
            ASSERT_TRUE(put(store, test_key(2), "old"));
            files.fail_call(n, EIO, power_loss ? ~std::uint64_t{0} : 1);
            const std::vector<PartChange> batch{{.key = test_key(1),
                                                 .name = "manifest.json",
                                                 .expected = {'o', 'l', 'd'},
                                                 .content = {'n', 'e', 'w'}},
                                                {.key = test_key(2),
                                                 .name = "manifest.json",
                                                 .expected = {'o', 'l', 'd'},
                                                 .content = {'n', 'e', 'w'}}};
            const auto results = store.replace_parts(batch);
            if (power_loss) files.power_loss();
            files.fail_call(1, 0, 0);
            ASSERT_TRUE(store.tidy());
            for (const std::uint8_t k : base::Bytes{1, 2}) {
                const std::string found = read_part(store, test_key(k), "manifest.json");
                EXPECT_TRUE(found == "new" || (found == "old" && !results[k - 1U])) << found;
            }
            EXPECT_EQ(files.paths().size(), 4U);
        }
    }
}

}  // namespace
}  // namespace earshot::objects
