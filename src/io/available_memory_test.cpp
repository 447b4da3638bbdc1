#include "io/available_memory.h"

#include <gtest/gtest.h>

namespace earshot::io {
namespace {

TEST(AvailableMemory, IsReadFromTheKernelsTable) {
    EXPECT_EQ(
        parse_available_memory("MemTotal:   100 kB\nMemAvailable:     42 kB\nBuffers: 1 kB\n"),
        42U * 1024);
    EXPECT_EQ(parse_available_memory("MemTotal:   100 kB\n"), std::nullopt);
    EXPECT_EQ(parse_available_memory("MemAvailable: many kB\n"), std::nullopt);
    EXPECT_EQ(parse_available_memory("MemAvailable: 42 MB\n"), std::nullopt);
    EXPECT_EQ(parse_available_memory("MemAvailable:"), std::nullopt);
}

TEST(AvailableMemory, OfAControlGroupLeavesOutCacheThatCanGo) {
    constexpr std::string_view kStat =
        "anon 100\ninactive_file_x 7\ninactive_file 600\nslab_reclaimable 50\n";
    EXPECT_EQ(parse_group_room("1000\n", "900\n", kStat), 750U);
    EXPECT_EQ(parse_group_room("1000\n", "900\n", ""), 100U);
    EXPECT_EQ(parse_group_room("1000\n", "300\n", kStat), 1000U);  // they are not read at once
    EXPECT_EQ(parse_group_room("1000\n", "2000\n", ""), 0U);
    EXPECT_EQ(parse_group_room("max\n", "900\n", kStat), std::nullopt);
    EXPECT_EQ(parse_group_room("", "", ""), std::nullopt);
}

TEST(AvailableMemory, IsKnownHere) {
    const auto bytes = available_memory();
    ASSERT_TRUE(bytes);
    EXPECT_GT(*bytes, 0U);
}

}  // namespace
}  // namespace earshot::io
