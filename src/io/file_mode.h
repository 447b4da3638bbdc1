// What the disk says of a file beside its bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace earshot::io {

// Permission bits (0600, 0644) of a file on this machine; nullopt when there is none of that name.
std::optional<std::uint32_t> find_mode(const std::string& path);

}  // namespace earshot::io
