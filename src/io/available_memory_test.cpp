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

TEST(AvailableMemory, IsKnownHere) {
    const auto bytes = available_memory();
    ASSERT_TRUE(bytes);
    EXPECT_GT(*bytes, 0U);
}

}  // namespace
}  // namespace earshot::io
