#include "io/file_mode.h"

#include <sys/stat.h>

namespace earshot::io {

std::optional<std::uint32_t> find_mode(const std::string& path) {
    constexpr std::uint32_t kPermissions = 07777;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return std::nullopt;
    return status.st_mode & kPermissions;
}

}  // namespace earshot::io
