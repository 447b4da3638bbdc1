#include "app/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace earshot::app {
namespace {

std::string text_of(int error) { return std::generic_category().message(error); }

// Follows symbolic links by hand, since the last one may lead to a file that is not there yet.
std::filesystem::path resolve(std::filesystem::path path) {
    constexpr int kMaxLinks = 40;  // as Linux counts them
    std::error_code error;
    for (int i = 0; i < kMaxLinks && std::filesystem::is_symlink(path, error); ++i) {
        const auto next = std::filesystem::read_symlink(path, error);
        if (error) break;
        path = path.parent_path() / next;  // an absolute link replaces all
    }
    return path;
}

std::string exists_text(const std::string& path) {
    return fmt::format("{} exists already; name another file, or say --force to overwrite it.",
                       path);
}

// Not over a file that has come meanwhile; where the file system cannot tell, as always.
int put_in_place(const std::string& part, const std::string& target, bool replaces) {
    if (!replaces) {
        if (::renameat2(AT_FDCWD, part.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EINVAL && errno != ENOSYS) return errno;
    }
    return ::rename(part.c_str(), target.c_str()) == 0 ? 0 : errno;
}

}  // namespace

Outcome<OutputFile> OutputFile::open(const std::string& path, Existing existing) {
    constexpr mode_t kMode = 0666;  // less the umask
    OutputFile file;
    file.path_ = path;
    file.existing_ = existing;
    struct stat found {};
    const bool exists = ::stat(path.c_str(), &found) == 0;
    if (!exists && errno != ENOENT)
        return Failure{Exit::Usage, fmt::format("{} cannot be written: {}.", path, text_of(errno))};
    if (exists && S_ISDIR(found.st_mode))
        return Failure{Exit::Usage, fmt::format("{} is a directory; name a file.", path)};
    if (exists && S_ISREG(found.st_mode) && existing == Existing::Keep)
        return Failure{Exit::Refused, exists_text(path)};
    if (exists && !S_ISREG(found.st_mode)) {
        file.fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    } else {
        file.target_ = resolve(path).string();
        // A name that nobody has: "c.wav.part" may be somebody's file, or another export's.
        constexpr int kMaxNames = 100;
        errno = EEXIST;
        for (int i = 0; i < kMaxNames && file.fd_ < 0 && errno == EEXIST; ++i) {
            file.part_ = fmt::format("{}.{}-{}.part", file.target_, ::getpid(), i);
            file.fd_ = ::open(file.part_.c_str(),
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kMode);
        }
    }
    if (file.fd_ < 0) {
        const std::string& name = file.is_regular() ? file.part_ : path;
        Failure failure{Exit::Usage,
                        fmt::format("{} cannot be written: {}.", name, text_of(errno))};
        file.part_.clear();  // it is not ours
        return failure;
    }
    return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      part_(std::exchange(other.part_, {})),
      existing_(other.existing_),
      fd_(std::exchange(other.fd_, -1)),
      error_(other.error_),
      is_finished_(other.is_finished_) {}

OutputFile::~OutputFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!part_.empty() && !is_finished_) ::unlink(part_.c_str());
}

bool OutputFile::write(std::string_view piece) {
    while (!piece.empty() && error_ == 0) {
        const ssize_t count = ::write(fd_, piece.data(), piece.size());
        if (count >= 0)
            piece.remove_prefix(static_cast<std::size_t>(count));
        else if (errno != EINTR)
            error_ = errno;
    }
    return error_ == 0;
}

bool OutputFile::finish() {
    // Network file systems and quotas may tell only now that there was no room.
    if (::close(std::exchange(fd_, -1)) != 0 && error_ == 0) error_ = errno;
    if (error_ == 0 && is_regular())
        error_ = put_in_place(part_, target_, existing_ == Existing::Replace);
    is_finished_ = error_ == 0;
    return is_finished_;
}

Failure OutputFile::failure() const {
    if (error_ == EEXIST) return {Exit::Refused, exists_text(path_)};
    const std::string why = error_ == ENOSPC ? "no space is left there" : text_of(error_);
    return {Exit::Refused, fmt::format("{} could not be written: {}.", path_, why)};
}

}  // namespace earshot::app
