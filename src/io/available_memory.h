// How much memory this process may still take before the kernel takes it from somebody.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace earshot::io {

// The smaller of what the machine has available and what the control group (v2) allows; nullopt
// when neither is told.
std::optional<std::uint64_t> available_memory();

// MemAvailable of /proc/meminfo, in bytes.
std::optional<std::uint64_t> parse_available_memory(std::string_view meminfo);

}  // namespace earshot::io
