// The disk as journal/, objects/ and archive/ see it: small interfaces, so that a test can make any
// call fail, tear or forget (io/faulty_file.h). The Linux classes are in io/linux_file.h.
//
// Errors are Errc::NotFound (ENOENT) or Errc::Io with errno in `detail` and the call's name in
// `what`. Paths are plain strings, separated by '/'; files are made 0600 and directories 0700.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace earshot::io {

inline constexpr std::size_t kDirectAlignment = 4096;

// One of several reads; `count` as read_at() returns it.
struct FileRead {
    std::uint64_t offset = 0;
    std::span<std::uint8_t> out{};
    base::Result<std::size_t> count = std::size_t{0};
};

// An open file; closed by its destructor, which cannot report a failure: whoever cares for the
// bytes calls sync_data() first. One thread at a time, unless only read_at() is used.
class File {
public:
    File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    virtual ~File() = default;

    // All of `bytes`, or an error after which any part of them may have been written.
    virtual base::Result<base::Done> write_at(std::uint64_t offset, base::ByteView bytes) = 0;
    // Reads up to out.size() bytes; fewer only at the end of the file.
    virtual base::Result<std::size_t> read_at(std::uint64_t offset,
                                              std::span<std::uint8_t> out) = 0;
    // Each as read_at(); of a direct file all at once.
    virtual void read_many(std::span<FileRead> reads) {
        for (FileRead& read : reads) read.count = read_at(read.offset, read.out);
    }
    // fdatasync. After a failure the kernel may have dropped what was written since the last
    // success and report success next time: write those bytes again to another file, never retry.
    virtual base::Result<base::Done> sync_data() = 0;
    // Makes the file at least `size` bytes, zeros, with its blocks allocated: later writes inside
    // cannot meet ENOSPC. A file system that knows no fallocate leaves the file as it is.
    virtual base::Result<base::Done> reserve(std::uint64_t size) = 0;
    virtual base::Result<base::Done> truncate(std::uint64_t size) = 0;
    virtual base::Result<std::uint64_t> size() = 0;
    // Whether it bypasses the page cache (FileSystem::create_direct).
    virtual bool is_direct() const { return false; }
    // Asks that later reads come from the disk, not from the page cache; a hint.
    virtual void drop_cache() {}

    base::Result<base::Done> append(base::ByteView bytes);
};

struct DirectoryEntry {
    std::string name;  // without its directory
    bool is_directory = false;
    std::uint64_t size = 0;  // bytes, of a file
};

// Any thread.
class FileSystem {
public:
    FileSystem() = default;
    FileSystem(const FileSystem&) = delete;
    FileSystem& operator=(const FileSystem&) = delete;
    virtual ~FileSystem() = default;

    // For reading and writing; refused (Errc::Io, EEXIST) when the name is taken. Its name is
    // durable only after sync_directory() of its directory.
    virtual base::Result<std::unique_ptr<File>> create(const std::string& path) = 0;
    // As create(), for a log whose writes bypass the page cache: half the CPU time of a write, and
    // what others want to keep cached stays. Offset, length and memory of write_at() must then be
    // multiples of kDirectAlignment. Where the file system refuses, an ordinary file.
    virtual base::Result<std::unique_ptr<File>> create_direct(const std::string& path) {
        return create(path);
    }
    virtual base::Result<std::unique_ptr<File>> open_for_reading(const std::string& path) = 0;
    // The same past the page cache, for what is read once: from the disk, and into no memory but
    // ours. Offset, size and memory of reads are then multiples of kDirectAlignment; where the file
    // ends between, fewer bytes come. Where the file system refuses, an ordinary file.
    virtual base::Result<std::unique_ptr<File>> open_direct_for_reading(const std::string& path) {
        return open_for_reading(path);
    }
    // Replaces `to` if it is there; atomic. Also of directories (then `to` must not exist).
    virtual base::Result<base::Done> rename(const std::string& from, const std::string& to) = 0;
    virtual base::Result<base::Done> remove(const std::string& path) = 0;  // file, empty directory
    virtual base::Result<base::Done> make_directories(const std::string& path) = 0;  // mkdir -p
    virtual base::Result<base::Done> sync_directory(const std::string& path) = 0;
    // syncfs: all files and names of the file system that `path` lies on, in one go. One call costs
    // about as much as the sync of a single file, hence batches. A failure means the same as that
    // of sync_data(), for all of them.
    virtual base::Result<base::Done> sync_file_system(const std::string& path) = 0;
    // Sorted by name, without . and ..; NotFound when there is no such directory.
    virtual base::Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
    // Bytes that an ordinary process may still write to the file system of `path`.
    virtual base::Result<std::uint64_t> free_bytes(const std::string& path) = 0;

    // Whole file; TooLarge past `limit` bytes.
    base::Result<base::Bytes> read_file(const std::string& path, std::uint64_t limit);
    // Durable when it returns: written to PATH.tmp, synced, renamed, directory synced.
    base::Result<base::Done> write_file(const std::string& path, base::ByteView bytes);
    // A file, or a directory with all below it; nothing there is success.
    base::Result<base::Done> remove_tree(const std::string& path);
};

std::string join_path(std::string_view directory, std::string_view name);
std::string parent_path(std::string_view path);  // "." when there is none

}  // namespace earshot::io
