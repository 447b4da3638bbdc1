#include "io/available_memory.h"

#include <algorithm>
#include <string>

#include "base/text.h"
#include "io/kernel_text.h"

namespace earshot::io {

namespace {

// The groups that a service or a container is put into; the root has no limit.
constexpr const char* kOwnGroup = "/proc/self/cgroup";
constexpr const char* kGroups = "/sys/fs/cgroup";

// The number behind NAME and a blank at the beginning of a line.
std::optional<std::uint64_t> find_number(std::string_view text, std::string_view name) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ')
            return base::parse_number<std::uint64_t>(base::trim(line.substr(name.size())));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
    return std::nullopt;
}

// Of all groups from our own up to the root, as each may have a limit.
std::optional<std::uint64_t> group_room() {
    constexpr std::string_view kUnified = "0::";
    const std::string groups = read_kernel_text(kOwnGroup);
    const std::size_t at = groups.find(kUnified);
    if (at == std::string::npos) return std::nullopt;
    std::string_view group = std::string_view(groups).substr(at + kUnified.size());
    group = base::trim(group.substr(0, group.find('\n')));
    std::optional<std::uint64_t> least;
    while (group.size() > 1) {
        const std::string directory = kGroups + std::string(group);
        const auto room = parse_group_room(read_kernel_text(directory + "/memory.max"),
                                           read_kernel_text(directory + "/memory.current"),
                                           read_kernel_text(directory + "/memory.stat"));
        if (room) least = std::min(least.value_or(*room), *room);
        group = group.substr(0, group.rfind('/'));
    }
    return least;
}

}  // namespace

std::optional<std::uint64_t> parse_available_memory(std::string_view meminfo) {
    constexpr std::string_view kName = "MemAvailable:";
    const std::size_t at = meminfo.find(kName);
    if (at == std::string_view::npos) return std::nullopt;
    std::string_view line = meminfo.substr(at + kName.size());
    line = base::trim(line.substr(0, line.find('\n')));
    constexpr std::string_view kUnit = " kB";
    if (!line.ends_with(kUnit)) return std::nullopt;
    line.remove_suffix(kUnit.size());
    const auto kib = base::parse_number<std::uint64_t>(line);
    if (!kib) return std::nullopt;
    return *kib * 1024;
}

std::optional<std::uint64_t> parse_group_room(std::string_view max, std::string_view current,
                                              std::string_view stat) {
    const auto most = base::parse_number<std::uint64_t>(base::trim(max));  // "max" is none
    const auto now = base::parse_number<std::uint64_t>(base::trim(current));
    if (!most || !now) return std::nullopt;
    const std::uint64_t cache = find_number(stat, "inactive_file").value_or(0) +
                                find_number(stat, "slab_reclaimable").value_or(0);
    return *most - std::min(*most, *now - std::min(*now, cache));
}

std::optional<std::uint64_t> available_memory() {
    const auto machine = parse_available_memory(read_kernel_text("/proc/meminfo"));
    const auto group = group_room();
    if (machine && group) return std::min(*machine, *group);
    return machine ? machine : group;
}

}  // namespace earshot::io
