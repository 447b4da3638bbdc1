// Small files that a person has written: configuration, passwords. They are read again at a reload,
// on a thread that must not wait: only regular files, and only so large.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace earshot::app {

inline constexpr std::size_t kMaxTextFileBytes = 4U << 20;

// nullopt: it is not there, no regular file, too large, or cannot be read.
std::optional<std::string> read_text_file(const std::filesystem::path& file);

}  // namespace earshot::app
