// Owns one POSIX descriptor; move-only. A destructor cannot report a failure, so a file whose
// bytes matter ends with sync_and_close().
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/result.h"

namespace earshot::io {

class FileDescriptor {
public:
    FileDescriptor() noexcept = default;
    explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, kNone)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~FileDescriptor() {
        if (fd_ != kNone) ::close(fd_);
    }

    int get() const noexcept { return fd_; }
    bool is_open() const noexcept { return fd_ != kNone; }
    // Closes now; what ::close says is of no use where no bytes wait to be written (sockets).
    void close() noexcept {
        const int fd = std::exchange(fd_, kNone);
        if (fd != kNone) ::close(fd);
    }

    // After a failed fsync the kernel may have dropped the dirty pages: write anew, never retry.
    base::Result<base::Done> sync_and_close() {
        const int fd = std::exchange(fd_, kNone);
        const int sync_errno = ::fsync(fd) == 0 ? 0 : errno;
        const int close_errno = ::close(fd) == 0 ? 0 : errno;
        const int failure = sync_errno != 0 ? sync_errno : close_errno;
        if (failure == 0) return base::Done{};
        return base::Error{base::Errc::Io, "fsync or close", static_cast<std::size_t>(failure)};
    }

private:
    static constexpr int kNone = -1;
    int fd_ = kNone;
};

}  // namespace earshot::io
