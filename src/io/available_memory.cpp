#include "io/available_memory.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "base/text.h"

namespace earshot::io {

namespace {

// The groups that a service or a container is put into; the root has no limit.
constexpr const char* kOwnGroup = "/proc/self/cgroup";
constexpr const char* kGroups = "/sys/fs/cgroup";

std::string read_text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::optional<std::uint64_t> read_number(const std::string& path) {
    const std::string text = read_text(path);
    return base::parse_number<std::uint64_t>(base::trim(text));  // "max" is none
}

std::optional<std::uint64_t> group_room() {
    constexpr std::string_view kUnified = "0::";
    const std::string line = read_text(kOwnGroup);
    const std::size_t at = line.find(kUnified);
    if (at == std::string::npos) return std::nullopt;
    const std::string_view group = base::trim(std::string_view(line).substr(at + kUnified.size()));
    const std::string directory = kGroups + std::string(group);
    const auto most = read_number(directory + "/memory.max");
    const auto now = read_number(directory + "/memory.current");
    if (!most || !now) return std::nullopt;
    return *most - std::min(*most, *now);
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

std::optional<std::uint64_t> available_memory() {
    const auto machine = parse_available_memory(read_text("/proc/meminfo"));
    const auto group = group_room();
    if (machine && group) return std::min(*machine, *group);
    return machine ? machine : group;
}

}  // namespace earshot::io
