#include "api/access_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace earshot::api {
namespace {

class AccessFileTest : public testing::Test {
protected:
    AccessFileTest() {
        std::string name = (std::filesystem::temp_directory_path() / "access-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) dir_ = name;
    }
    ~AccessFileTest() override { std::filesystem::remove_all(dir_); }

    std::string dir_;
    base::SeededRandom random_{1};
};

TEST_F(AccessFileTest, IsReadableByItsOwnerAlone) {
    ASSERT_TRUE(write_access_file(dir_, "http://127.0.0.1:1", random_));
    struct stat info {};
    ASSERT_EQ(::stat((dir_ + "/cli.json").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(AccessFileTest, KeepsTheTokenAndChangesTheUrl) {
    const auto first = write_access_file(dir_, "http://127.0.0.1:1", random_);
    const auto second = write_access_file(dir_, "http://127.0.0.1:2", random_);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->token, second->token);
    EXPECT_EQ(first->token.size(), 64U);
    EXPECT_EQ(read_access_file(dir_)->url, "http://127.0.0.1:2");
}

TEST_F(AccessFileTest, SaysWhatIsWrong) {
    EXPECT_EQ(read_access_file(dir_).error().code, "no_access_file");
    std::ofstream(dir_ + "/cli.json") << "{\"url\": 1}";
    EXPECT_EQ(read_access_file(dir_).error().code, "bad_access_file");
    EXPECT_EQ(write_access_file("/nonexistent", "x", random_).error().code, "unreadable");
    ASSERT_TRUE(write_access_file(dir_, "http://127.0.0.1:1", random_));  // replaced by a good one
    EXPECT_TRUE(read_access_file(dir_));
}

}  // namespace
}  // namespace earshot::api
