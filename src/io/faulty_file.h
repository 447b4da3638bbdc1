// A file system in memory that fails, tears and forgets on demand, repeatably from a seed.
//
// Fault model, per page of 4 KiB and sector of 512 bytes:
//  - A write changes what is read from then on, but nothing durable. sync_data() makes the file's
//    dirty pages and its size durable; names (create, rename, remove) become durable by
//    sync_directory() of their directory. Directories themselves are durable at once.
//    sync_file_system() does both for everything there is.
//  - power_loss() forgets what is not durable, but not reliably: each dirty page is, by the seed,
//    lost, kept, or torn between two sectors; each unsynced name is lost or kept.
//  - A failed write_at() has, by the seed, written a prefix. A failed sync_data() has made nothing
//    durable, and as on Linux the dirty pages are clean afterwards: a later success of sync_data()
//    does not bring them to the disk. Reads still see them until the power is lost.
//  - fail_call(n, error): the n-th call from now that changes something or syncs fails, once or for
//    good. Calls are counted also when nothing fails, so a test can sweep n over a whole run.
//  - set_capacity(): writes, reserve() and create() beyond it meet ENOSPC.
//  - corrupt(): bits rot on the disk.
// Reads fail only by fail_reads(). Open files outlive rename and remove, as on Linux.
#pragma once

#include <map>
#include <mutex>
#include <random>
#include <set>

#include "io/file.h"

namespace earshot::io {

class FaultyFileSystem : public FileSystem {
public:
    explicit FaultyFileSystem(std::uint64_t seed = 1) : random_(seed) {}

    base::Result<std::unique_ptr<File>> create(const std::string& path) override;
    // Refuses what Linux refuses of such a file: writes that are not aligned.
    base::Result<std::unique_ptr<File>> create_direct(const std::string& path) override;
    base::Result<std::unique_ptr<File>> open_for_reading(const std::string& path) override;
    // Refuses what Linux refuses of such a file: reads that are not aligned.
    base::Result<std::unique_ptr<File>> open_direct_for_reading(const std::string& path) override;
    base::Result<base::Done> rename(const std::string& from, const std::string& to) override;
    base::Result<base::Done> remove(const std::string& path) override;
    base::Result<base::Done> make_directories(const std::string& path) override;
    base::Result<base::Done> sync_directory(const std::string& path) override;
    base::Result<base::Done> sync_file_system(const std::string& path) override;
    base::Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
    base::Result<std::uint64_t> free_bytes(const std::string& path) override;

    // `n` counts from 1; `times` calls fail, the n-th and those after it.
    void fail_call(std::uint64_t n, int error, std::uint64_t times = 1);
    // Calls that concern paths beginning with `prefix` fail until cleared by an empty prefix.
    void fail_below(std::string prefix, int error);
    void fail_reads(int error);  // 0: no longer
    void set_capacity(std::uint64_t bytes);
    // Everything open before is dead afterwards: its calls fail with EIO.
    void power_loss();
    void corrupt(const std::string& path, std::uint64_t offset, std::uint8_t flip);

    std::uint64_t calls() const;                              // counted since the start
    base::Bytes content(const std::string& path) const;       // as read now; empty when not there
    void put(const std::string& path, base::ByteView bytes);  // a durable file, for tests
    std::vector<std::string> paths() const;                   // of all files

private:
    friend class FaultyFile;
    struct Inode {
        base::Bytes now;
        base::Bytes durable;
        std::set<std::size_t> dirty;  // pages
        void sync();                  // what is dirty becomes durable, and the size
    };
    using Names = std::map<std::string, std::shared_ptr<Inode>>;

    base::Result<std::unique_ptr<File>> create(const std::string& path, bool is_direct);
    base::Result<std::unique_ptr<File>> open(const std::string& path, bool is_direct);
    // With the mutex held: the error that this call is to fail with, or 0.
    int next_fault(const std::string& path);
    bool has_directory(const std::string& path) const;
    std::uint64_t used() const;
    void lose(Inode& inode);

    // Shared by the threads of a test as the kernel is: hence a mutex, which io/ may have.
    mutable std::mutex mutex_;
    std::mt19937_64 random_;
    Names names_;
    Names durable_names_;
    std::set<std::string> directories_{".", "/"};
    std::uint64_t calls_ = 0;
    std::uint64_t fail_from_ = 0;  // 0: none
    std::uint64_t fail_until_ = 0;
    int fail_error_ = 0;
    std::string fail_prefix_;
    int fail_prefix_error_ = 0;
    int read_error_ = 0;
    std::uint64_t capacity_ = ~std::uint64_t{0};
    std::uint64_t epoch_ = 0;  // power losses so far
};

}  // namespace earshot::io
