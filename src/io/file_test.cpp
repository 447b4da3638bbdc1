#include "io/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/random.h"
#include "io/aligned_bytes.h"
#include "io/data_directory_lock.h"
#include "io/faulty_file.h"
#include "io/linux_file.h"

namespace earshot::io {
namespace {

using base::as_bytes;
using base::as_text;
using base::Errc;

std::string make_temporary_directory() {
    std::string path = "/tmp/earshot-io-test-XXXXXX";
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    return path;
}

// The same behaviour is asked of the real disk and of the fake.
class AnyFileSystem : public testing::TestWithParam<bool> {
protected:
    AnyFileSystem() {
        if (GetParam()) {
            root_ = make_temporary_directory();
        } else {
            root_ = "root";
            EXPECT_TRUE(fake_.make_directories(root_));
        }
    }
    ~AnyFileSystem() override { EXPECT_TRUE(files().remove_tree(root_)); }
    FileSystem& files() { return GetParam() ? static_cast<FileSystem&>(real_) : fake_; }
    std::string at(std::string_view name) const { return join_path(root_, name); }

    std::string root_;

private:
    LinuxFileSystem real_;
    FaultyFileSystem fake_;
};

INSTANTIATE_TEST_SUITE_P(RealAndFake, AnyFileSystem, testing::Bool());

TEST_P(AnyFileSystem, WritesPastThePageCacheWhatIsAligned) {
    struct alignas(kDirectAlignment) Block : std::array<std::uint8_t, 2 * kDirectAlignment> {};
    const auto block = std::make_unique<Block>();
    block->fill(7);
    auto file = files().create_direct(at("a"));
    ASSERT_TRUE(file);
    EXPECT_FALSE(files().create_direct(at("a")));
    ASSERT_TRUE((*file)->reserve(8 * kDirectAlignment));
    ASSERT_TRUE((*file)->write_at(kDirectAlignment, *block));
    ASSERT_TRUE((*file)->sync_data());
    base::Bytes read(3);
    auto again = files().open_for_reading(at("a"));
    ASSERT_TRUE(again);
    EXPECT_EQ(*(*again)->read_at(kDirectAlignment - 1, read), 3U);
    EXPECT_EQ(read, (base::Bytes{0, 7, 7}));
    if (!(*file)->is_direct()) GTEST_SKIP() << "the file system here refuses direct writes";
    EXPECT_FALSE((*file)->write_at(1, *block));
    EXPECT_FALSE((*file)->write_at(0, std::span(*block).first(100)));
}

TEST_P(AnyFileSystem, ReadsPastThePageCacheWhatIsAligned) {
    base::Bytes bytes(20 * kDirectAlignment + 100);
    base::SeededRandom(1).fill(bytes);
    ASSERT_TRUE((*files().create(at("a")))->write_at(0, bytes));
    const auto file = files().open_direct_for_reading(at("a"));
    ASSERT_TRUE(file);
    AlignedBytes memory(100 * kDirectAlignment);
    std::vector<FileRead> reads;
    for (std::size_t i = 0; i < 100; ++i)  // more than are queued at once, some past the end
        reads.push_back({.offset = (i * 7 % 22) * kDirectAlignment,
                         .out = memory.span().subspan(i * kDirectAlignment, kDirectAlignment)});
    (*file)->read_many(reads);
    for (const FileRead& read : reads) {
        const std::size_t left = bytes.size() - std::min<std::size_t>(bytes.size(), read.offset);
        ASSERT_TRUE(read.count);
        ASSERT_EQ(*read.count, std::min(left, kDirectAlignment)) << read.offset;
        EXPECT_TRUE(std::equal(read.out.begin(),
                               read.out.begin() + static_cast<std::ptrdiff_t>(*read.count),
                               bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() - left)));
    }
    EXPECT_EQ(*(*file)->read_at(0, memory.span()), bytes.size());
    EXPECT_FALSE(files().open_direct_for_reading(at("b")));
    if (!(*file)->is_direct()) GTEST_SKIP() << "the file system here refuses direct reads";
    EXPECT_FALSE((*file)->read_at(1, memory.span()));
    EXPECT_FALSE((*file)->read_at(0, memory.span().first(100)));
}

TEST_P(AnyFileSystem, ReadsBackWhatWasWritten) {
    auto file = files().create(at("a"));
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->write_at(4, as_bytes("world")));
    ASSERT_TRUE((*file)->write_at(0, as_bytes("hell")));
    ASSERT_TRUE((*file)->append(as_bytes("!")));
    ASSERT_TRUE((*file)->sync_data());
    EXPECT_EQ(as_text(*files().read_file(at("a"), 100)), "hellworld!");
    base::Bytes rest(20);
    EXPECT_EQ(*(*file)->read_at(8, rest), 2U);
    EXPECT_EQ(*(*file)->read_at(100, rest), 0U);
}

TEST_P(AnyFileSystem, RefusesToCreateWhatIsThere) {
    ASSERT_TRUE(files().create(at("a")));
    const auto again = files().create(at("a"));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().detail, static_cast<std::size_t>(EEXIST));
}

TEST_P(AnyFileSystem, TellsAbsenceFromOtherErrors) {
    EXPECT_EQ(files().open_for_reading(at("x")).error().code, Errc::NotFound);
    EXPECT_EQ(files().create(at("no/x")).error().code, Errc::NotFound);
    EXPECT_EQ(files().list(at("no")).error().code, Errc::NotFound);
    EXPECT_EQ(files().remove(at("no")).error().code, Errc::NotFound);
    EXPECT_EQ(files().rename(at("no"), at("yes")).error().code, Errc::NotFound);
    EXPECT_TRUE(files().remove_tree(at("no")));
}

TEST_P(AnyFileSystem, ReservedSpaceReadsAsZeros) {
    auto file = files().create(at("a"));
    ASSERT_TRUE((*file)->reserve(10000));
    EXPECT_EQ(*(*file)->size(), 10000U);
    ASSERT_TRUE((*file)->truncate(3));
    EXPECT_EQ(*files().read_file(at("a"), 3), base::Bytes(3));
    EXPECT_EQ(files().read_file(at("a"), 2).error().code, Errc::TooLarge);
}

TEST_P(AnyFileSystem, ListsByNameAndRemovesTrees) {
    ASSERT_TRUE(files().make_directories(at("d/e/f")));
    ASSERT_TRUE(files().make_directories(at("d/e/f")));
    ASSERT_TRUE(files().write_file(at("d/z"), as_bytes("12")));
    ASSERT_TRUE(files().write_file(at("d/z"), as_bytes("123")));
    const auto entries = files().list(at("d"));
    ASSERT_TRUE(entries);
    ASSERT_EQ(entries->size(), 2U);
    EXPECT_EQ((*entries)[0].name, "e");
    EXPECT_TRUE((*entries)[0].is_directory);
    EXPECT_EQ((*entries)[1].name, "z");
    EXPECT_EQ((*entries)[1].size, 3U);
    EXPECT_FALSE(files().remove(at("d")));
    ASSERT_TRUE(files().rename(at("d"), at("g")));
    EXPECT_TRUE(files().open_for_reading(at("g/z")));
    EXPECT_TRUE(files().remove_tree(at("g")));
    EXPECT_FALSE(files().list(at("g")));
    EXPECT_GT(*files().free_bytes(root_), 0U);
    EXPECT_TRUE(files().sync_directory(root_));
}

TEST(Paths, AreJoinedAndParted) {
    EXPECT_EQ(join_path("a", "b"), "a/b");
    EXPECT_EQ(join_path("a/", "b"), "a/b");
    EXPECT_EQ(parent_path("a/b/c"), "a/b");
    EXPECT_EQ(parent_path("/a"), "/");
    EXPECT_EQ(parent_path("a"), ".");
}

TEST(LinuxFileSystem, DoesNotFollowLinksWhenItRemovesATree) {
    LinuxFileSystem files;
    const std::string root = make_temporary_directory();
    ASSERT_TRUE(files.write_file(root + "/outside", as_bytes("x")));
    ASSERT_TRUE(files.make_directories(root + "/tree"));
    ASSERT_EQ(::symlink(root.c_str(), (root + "/tree/link").c_str()), 0);
    EXPECT_TRUE(files.remove_tree(root + "/tree"));
    EXPECT_TRUE(files.open_for_reading(root + "/outside"));
    EXPECT_TRUE(files.remove_tree(root));
}

TEST(LinuxFileSystem, ReadsNothingButFiles) {
    LinuxFileSystem files;
    const std::string root = make_temporary_directory();
    ASSERT_EQ(::mkfifo((root + "/fifo").c_str(), 0600), 0);
    for (const std::string& path : {root, root + "/fifo"}) {
        const auto file = files.open_for_reading(path);
        ASSERT_FALSE(file) << path;
        EXPECT_EQ(file.error().code, base::Errc::Io);
    }
    EXPECT_TRUE(files.remove_tree(root));
}

TEST(DataDirectoryLock, RefusesTheSecondAndNamesTheFirst) {
    LinuxFileSystem files;
    const std::string root = make_temporary_directory();
    {
        const auto first = DataDirectoryLock::acquire(root + "/data");
        ASSERT_TRUE(first);
        const auto second = DataDirectoryLock::acquire(root + "/data");
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, "data_directory_in_use");
        EXPECT_NE(second.error().text.find(std::to_string(::getpid())), std::string::npos);
    }
    EXPECT_TRUE(DataDirectoryLock::acquire(root + "/data"));
    ASSERT_TRUE(files.write_file(root + "/file", as_bytes("x")));
    EXPECT_EQ(DataDirectoryLock::acquire(root + "/file/data").error().code,
              "data_directory_unusable");
    EXPECT_TRUE(files.remove_tree(root));
}

TEST(DataDirectoryLock, NoticesThatItsDirectoryWasRemovedOrReplaced) {
    LinuxFileSystem files;
    const std::string root = make_temporary_directory();
    const auto lock = DataDirectoryLock::acquire(root + "/data");
    ASSERT_TRUE(lock);
    EXPECT_TRUE(lock->is_in_place());
    ASSERT_TRUE(files.rename(root + "/data", root + "/elsewhere"));
    EXPECT_FALSE(lock->is_in_place());
    ASSERT_TRUE(DataDirectoryLock::acquire(root + "/data"));
    EXPECT_FALSE(lock->is_in_place());
    ASSERT_TRUE(files.remove_tree(root + "/data"));
    ASSERT_TRUE(files.rename(root + "/elsewhere", root + "/data"));
    EXPECT_TRUE(lock->is_in_place());
    EXPECT_TRUE(files.remove_tree(root));
}

TEST(FaultyFileSystem, ForgetsWhatWasNotSynced) {
    bool lost_bytes = false;
    bool lost_name = false;
    for (std::uint64_t seed = 1; seed < 40; ++seed) {
        FaultyFileSystem files(seed);
        ASSERT_TRUE(files.make_directories("d"));
        auto file = files.create("d/a");
        ASSERT_TRUE((*file)->write_at(0, as_bytes("durable")));
        ASSERT_TRUE((*file)->sync_data());
        ASSERT_TRUE(files.sync_directory("d"));
        ASSERT_TRUE((*file)->write_at(8192, as_bytes("not")));
        ASSERT_TRUE(files.create("d/b"));
        files.power_loss();
        EXPECT_EQ(as_text(files.content("d/a")).substr(0, 7), "durable");
        lost_bytes = lost_bytes || files.content("d/a").size() == 7;
        lost_name = lost_name || files.paths().size() == 1;
        EXPECT_FALSE((*file)->sync_data());
    }
    EXPECT_TRUE(lost_bytes);
    EXPECT_TRUE(lost_name);
}

TEST(FaultyFileSystem, LosesThePagesOfAFailedSyncThoughTheNextSucceeds) {
    FaultyFileSystem files;
    ASSERT_TRUE(files.make_directories("d"));
    auto file = files.create("d/a");
    ASSERT_TRUE(files.sync_directory("d"));
    ASSERT_TRUE((*file)->write_at(0, as_bytes("gone")));
    files.fail_call(1, EIO);
    EXPECT_FALSE((*file)->sync_data());
    EXPECT_TRUE((*file)->sync_data());
    EXPECT_EQ(as_text(files.content("d/a")), "gone");
    files.power_loss();
    EXPECT_NE(as_text(files.content("d/a")), "gone");
}

TEST(FaultyFileSystem, FailsTheCallsThatItWasToldTo) {
    FaultyFileSystem files;
    files.fail_call(2, EIO, 2);
    EXPECT_TRUE(files.make_directories("a"));
    EXPECT_FALSE(files.make_directories("b"));
    EXPECT_FALSE(files.make_directories("c"));
    EXPECT_TRUE(files.make_directories("d"));
    files.fail_below("a/", EROFS);
    EXPECT_EQ(files.create("a/x").error().detail, static_cast<std::size_t>(EROFS));
    EXPECT_TRUE(files.create("d/x"));
}

TEST(FaultyFileSystem, IsFullAtItsCapacity) {
    FaultyFileSystem files;
    files.set_capacity(10);
    auto file = files.create("a");
    EXPECT_TRUE((*file)->write_at(0, as_bytes("0123456789")));
    EXPECT_EQ((*file)->append(as_bytes("x")).error().detail, static_cast<std::size_t>(ENOSPC));
    EXPECT_FALSE((*file)->reserve(11));
    EXPECT_EQ(*files.free_bytes("."), 0U);
}

}  // namespace
}  // namespace earshot::io
