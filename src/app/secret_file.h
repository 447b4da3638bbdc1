// Passwords come from files alone: flags and the configuration can be read by others.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace earshot::app {

// The first line of the file; nullopt when it cannot be read or is empty.
std::optional<std::string> read_secret(const std::filesystem::path& file);

}  // namespace earshot::app
