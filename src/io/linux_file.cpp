#include "io/linux_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "io/file_descriptor.h"
#include "io/read_queue.h"

namespace earshot::io {

using base::ByteView;
using base::Done;
using base::Errc;
using base::Error;
using base::Result;

namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

Error last_error(std::string_view call) {
    const int number = errno;
    return Error{number == ENOENT ? Errc::NotFound : Errc::Io, call,
                 static_cast<std::size_t>(number)};
}

Result<Done> done_or_error(int result, std::string_view call) {
    if (result == 0) return Done{};
    return last_error(call);
}

class LinuxFile : public File {
public:
    explicit LinuxFile(FileDescriptor file, bool is_direct = false,
                       std::shared_ptr<ReadQueues> queues = nullptr)
        : file_(std::move(file)), is_direct_(is_direct), queues_(std::move(queues)) {}

    Result<Done> write_at(std::uint64_t offset, ByteView bytes) override {
        while (!bytes.empty()) {
            const ssize_t count =
                ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return last_error("pwrite");
            if (count == 0) return Error{Errc::Io, "pwrite wrote nothing", ENOSPC};
            bytes = bytes.subspan(static_cast<std::size_t>(count));
            offset += static_cast<std::uint64_t>(count);
        }
        return Done{};
    }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
        std::size_t total = 0;
        while (total < out.size()) {
            const ssize_t count = ::pread(file_.get(), out.data() + total, out.size() - total,
                                          static_cast<off_t>(offset + total));
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return last_error("pread");
            total += static_cast<std::size_t>(count);
            // Of a direct file the end alone is no multiple, and behind it nothing may be asked.
            if (count == 0 || (is_direct_ && total % kDirectAlignment != 0)) break;
        }
        return total;
    }

    void read_many(std::span<FileRead> reads) override {
        constexpr std::size_t kUnread = ~std::size_t{0};
        for (FileRead& read : reads) read.count = kUnread;
        auto queue = queues_ && reads.size() > 1 ? queues_->take() : nullptr;
        if (queue) {
            queue->read(file_.get(), reads);
            queues_->give_back(std::move(queue));
        }
        for (FileRead& read : reads)
            if (*read.count == kUnread) read.count = read_at(read.offset, read.out);
    }

    Result<Done> sync_data() override {
        return done_or_error(::fdatasync(file_.get()), "fdatasync");
    }

    Result<Done> reserve(std::uint64_t size) override {
        const int result = ::fallocate(file_.get(), 0, 0, static_cast<off_t>(size));
        if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) return Done{};
        return done_or_error(result, "fallocate");
    }

    Result<Done> truncate(std::uint64_t size) override {
        return done_or_error(::ftruncate(file_.get(), static_cast<off_t>(size)), "ftruncate");
    }

    Result<std::uint64_t> size() override {
        struct stat status {};
        if (::fstat(file_.get(), &status) != 0) return last_error("fstat");
        return static_cast<std::uint64_t>(status.st_size);
    }

    void drop_cache() override { (void)::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED); }

    bool is_direct() const override { return is_direct_; }

private:
    FileDescriptor file_;
    const bool is_direct_;
    const std::shared_ptr<ReadQueues> queues_;  // of direct files that are read
};

Result<std::unique_ptr<File>> open_file(const std::string& path, int flags) {
    FileDescriptor file(::open(path.c_str(), flags | O_CLOEXEC, kFileMode));
    if (!file.is_open()) return last_error("open");
    return std::unique_ptr<File>(std::make_unique<LinuxFile>(std::move(file)));
}

// Nothing but files: a FIFO in the place of one would hold us for ever.
Result<FileDescriptor> open_regular(const std::string& path, int flags) {
    FileDescriptor file(::open(path.c_str(), flags | O_NONBLOCK | O_CLOEXEC));
    if (!file.is_open()) return last_error("open");
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return last_error("fstat");
    if (!S_ISREG(status.st_mode)) return Error{Errc::Io, "open: it is no file", EINVAL};
    return Result<FileDescriptor>(std::move(file));
}

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

LinuxFileSystem::LinuxFileSystem() : queues_(std::make_shared<ReadQueues>()) {}

Result<std::unique_ptr<File>> LinuxFileSystem::create(const std::string& path) {
    return open_file(path, O_RDWR | O_CREAT | O_EXCL);
}

// tmpfs of older kernels, some FUSE and network file systems say EINVAL.
Result<std::unique_ptr<File>> LinuxFileSystem::create_direct(const std::string& path) {
    FileDescriptor file(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, kFileMode));
    if (file.is_open())
        return std::unique_ptr<File>(std::make_unique<LinuxFile>(std::move(file), true));
    if (errno != EINVAL) return last_error("open");
    (void)::unlink(path.c_str());  // with O_CREAT the file is made before the refusal
    return create(path);
}

Result<std::unique_ptr<File>> LinuxFileSystem::open_for_reading(const std::string& path) {
    auto file = open_regular(path, O_RDONLY);
    if (!file) return file.error();
    return std::unique_ptr<File>(std::make_unique<LinuxFile>(*std::move(file)));
}

Result<std::unique_ptr<File>> LinuxFileSystem::open_direct_for_reading(const std::string& path) {
    auto file = open_regular(path, O_RDONLY | O_DIRECT);
    if (!file && file.error().detail == EINVAL) return open_for_reading(path);
    if (!file) return file.error();
    return std::unique_ptr<File>(std::make_unique<LinuxFile>(*std::move(file), true, queues_));
}

Result<Done> LinuxFileSystem::rename(const std::string& from, const std::string& to) {
    return done_or_error(::rename(from.c_str(), to.c_str()), "rename");
}

Result<Done> LinuxFileSystem::remove(const std::string& path) {
    return done_or_error(::remove(path.c_str()), "remove");
}

Result<Done> LinuxFileSystem::make_directories(const std::string& path) {
    if (::mkdir(path.c_str(), kDirectoryMode) == 0) return Done{};
    if (errno == ENOENT && path.find('/') != std::string::npos && parent_path(path) != path) {
        if (auto made = make_directories(parent_path(path)); !made) return made;
        if (::mkdir(path.c_str(), kDirectoryMode) == 0) return Done{};
    }
    if (errno != EEXIST) return last_error("mkdir");
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return last_error("stat");
    if (S_ISDIR(status.st_mode)) return Done{};
    return Error{Errc::Io, "mkdir: a file is in the way", ENOTDIR};
}

Result<Done> LinuxFileSystem::sync_directory(const std::string& path) {
    const FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.is_open()) return last_error("open directory");
    return done_or_error(::fsync(directory.get()), "fsync directory");
}

Result<Done> LinuxFileSystem::sync_file_system(const std::string& path) {
    const FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.is_open()) return last_error("open directory");
    return done_or_error(::syncfs(directory.get()), "syncfs");
}

Result<std::vector<DirectoryEntry>> LinuxFileSystem::list(const std::string& path) {
    const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
    if (!directory) return last_error("opendir");
    std::vector<DirectoryEntry> entries;
    for (;;) {
        errno = 0;
        // One thread has this DIR; the stream, not the call, is what must not be shared.
        // NOLINTNEXTLINE(concurrency-mt-unsafe)
        const dirent* const found = ::readdir(directory.get());
        if (found == nullptr && errno != 0) return last_error("readdir");
        if (found == nullptr) break;
        const std::string_view name(static_cast<const char*>(found->d_name));
        if (name == "." || name == "..") continue;
        struct stat status {};
        // A name that vanished meanwhile is no entry. Links are not followed: remove_tree() must
        // not leave its directory.
        if (::fstatat(::dirfd(directory.get()), static_cast<const char*>(found->d_name), &status,
                      AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        entries.push_back({std::string(name), S_ISDIR(status.st_mode),
                           static_cast<std::uint64_t>(status.st_size)});
    }
    std::sort(entries.begin(), entries.end(),
              [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
    return entries;
}

Result<std::uint64_t> LinuxFileSystem::free_bytes(const std::string& path) {
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0) return last_error("statvfs");
    return std::uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace earshot::io
