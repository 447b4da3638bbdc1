#include "io/data_directory_lock.h"

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "io/linux_file.h"

namespace earshot::io {

using base::Reason;
using base::Result;

namespace {

std::string errno_text(int number) {
    return std::error_code(number, std::generic_category()).message();
}

std::string read_pid(int fd) {
    std::array<char, 16> text{};
    const ssize_t count = ::pread(fd, text.data(), text.size(), 0);
    std::string pid;
    for (ssize_t i = 0; i < count; ++i) {
        const char c = text[static_cast<std::size_t>(i)];
        if (c < '0' || c > '9') break;
        pid += c;
    }
    return pid;
}

Reason unusable(const std::string& directory, std::string_view what, int number) {
    return Reason{"data_directory_unusable",
                  fmt::format("The data directory {} cannot be used: {}: {}.", directory, what,
                              errno_text(number))};
}

}  // namespace

Result<DataDirectoryLock, Reason> DataDirectoryLock::acquire(const std::string& directory) {
    LinuxFileSystem files;
    if (const auto made = files.make_directories(directory); !made) {
        return unusable(directory, made.error().what, static_cast<int>(made.error().detail));
    }
    const std::string path = join_path(directory, "lock");
    FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file.is_open()) return unusable(directory, "its file `lock` cannot be opened", errno);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return unusable(directory, "flock", errno);
        const std::string pid = read_pid(file.get());
        const std::string owner =
            pid.empty() ? std::string("another process") : fmt::format("process {}", pid);
        return Reason{"data_directory_in_use",
                      fmt::format("The data directory {} is in use by {}.", directory, owner)};
    }
    const std::string pid = fmt::format("{}\n", ::getpid());
    if (::ftruncate(file.get(), 0) != 0 ||
        ::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        return unusable(directory, "its file `lock` cannot be written", errno);
    }
    return DataDirectoryLock(std::move(file), path);
}

bool DataDirectoryLock::is_in_place() const {
    struct stat held {};
    struct stat found {};
    if (::fstat(file_.get(), &held) != 0) return true;  // nothing is known
    if (::stat(path_.c_str(), &found) != 0) return errno != ENOENT && errno != ENOTDIR;
    return held.st_ino == found.st_ino && held.st_dev == found.st_dev;
}

}  // namespace earshot::io
