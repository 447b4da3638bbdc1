// How much memory this process may still take before the kernel takes it from somebody.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace earshot::io {

// The smallest of what the machine has available and what the control groups (v2) allow that we are
// in; nullopt when neither is told.
std::optional<std::uint64_t> available_memory();

// MemAvailable of /proc/meminfo, in bytes.
std::optional<std::uint64_t> parse_available_memory(std::string_view meminfo);
// What a control group may still take, from its files memory.max, memory.current and memory.stat:
// file cache that was not used of late counts as free, as the kernel gives it up before anything
// else. nullopt: no limit, or not to be read.
std::optional<std::uint64_t> parse_group_room(std::string_view max, std::string_view current,
                                              std::string_view stat);

}  // namespace earshot::io
