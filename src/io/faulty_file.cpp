#include "io/faulty_file.h"

#include <algorithm>
#include <cerrno>

namespace earshot::io {

using base::ByteView;
using base::Done;
using base::Errc;
using base::Error;
using base::Result;

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kSector = 512;

Error failed(std::string_view call, int number) {
    return Error{number == ENOENT ? Errc::NotFound : Errc::Io, call,
                 static_cast<std::size_t>(number)};
}

}  // namespace

class FaultyFile : public File {
public:
    FaultyFile(FaultyFileSystem& files, std::string path,
               std::shared_ptr<FaultyFileSystem::Inode> inode, bool is_direct = false)
        : files_(files),
          path_(std::move(path)),
          inode_(std::move(inode)),
          epoch_(files.epoch_),
          is_direct_(is_direct) {}

    Result<Done> write_at(std::uint64_t offset, ByteView bytes) override {
        const std::lock_guard lock(files_.mutex_);
        if (epoch_ != files_.epoch_) return failed("pwrite", EIO);
        if (is_direct_ && !is_aligned(offset, bytes)) return failed("pwrite", EINVAL);
        const int fault = files_.next_fault(path_);
        if (fault != 0) {  // a prefix was written
            if (!bytes.empty()) bytes = bytes.first(files_.random_() % bytes.size());
        }
        const std::size_t end = offset + bytes.size();
        const std::size_t growth = end > inode_->now.size() ? end - inode_->now.size() : 0;
        if (growth != 0 && files_.used() + growth > files_.capacity_) {
            return failed("pwrite", ENOSPC);
        }
        write(offset, bytes);
        if (fault != 0) return failed("pwrite", fault);
        return Done{};
    }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
        const std::lock_guard lock(files_.mutex_);
        if (epoch_ != files_.epoch_) return failed("pread", EIO);
        if (is_direct_ && !is_aligned(offset, out)) return failed("pread", EINVAL);
        if (files_.read_error_ != 0) return failed("pread", files_.read_error_);
        const base::Bytes& now = inode_->now;
        if (offset >= now.size()) return std::size_t{0};
        const std::size_t count = std::min<std::size_t>(out.size(), now.size() - offset);
        std::copy_n(now.begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
        return count;
    }

    Result<Done> sync_data() override {
        const std::lock_guard lock(files_.mutex_);
        const int fault = next_fault();
        if (fault == 0) inode_->sync();
        inode_->dirty.clear();
        if (fault != 0) return failed("fdatasync", fault);
        return Done{};
    }

    Result<Done> reserve(std::uint64_t size) override {
        const std::lock_guard lock(files_.mutex_);
        int fault = next_fault();
        const std::size_t growth = size > inode_->now.size() ? size - inode_->now.size() : 0;
        if (fault == 0 && files_.used() + growth > files_.capacity_) fault = ENOSPC;
        if (fault != 0) return failed("fallocate", fault);
        if (growth != 0) inode_->now.resize(size);
        return Done{};
    }

    Result<Done> truncate(std::uint64_t size) override {
        const std::lock_guard lock(files_.mutex_);
        const int fault = next_fault();
        if (fault != 0) return failed("ftruncate", fault);
        inode_->now.resize(size);
        return Done{};
    }

    Result<std::uint64_t> size() override {
        const std::lock_guard lock(files_.mutex_);
        if (epoch_ != files_.epoch_) return failed("fstat", EIO);
        return std::uint64_t{inode_->now.size()};
    }

    bool is_direct() const override { return is_direct_; }

private:
    static bool is_aligned(std::uint64_t offset, ByteView bytes) {
        // Of an address only its low bits are looked at.
        const auto place = reinterpret_cast<std::uintptr_t>(bytes.data());
        return (offset | place | bytes.size()) % kDirectAlignment == 0;
    }
    int next_fault() { return epoch_ != files_.epoch_ ? EIO : files_.next_fault(path_); }

    void write(std::uint64_t offset, ByteView bytes) {
        if (bytes.empty()) return;
        const std::size_t end = offset + bytes.size();
        if (inode_->now.size() < end) inode_->now.resize(end);
        std::copy(bytes.begin(), bytes.end(),
                  inode_->now.begin() + static_cast<std::ptrdiff_t>(offset));
        for (std::size_t page = offset / kPage; page <= (end - 1) / kPage; ++page) {
            inode_->dirty.insert(page);
        }
    }

    FaultyFileSystem& files_;
    const std::string path_;
    const std::shared_ptr<FaultyFileSystem::Inode> inode_;
    const std::uint64_t epoch_;
    const bool is_direct_;
};

void FaultyFileSystem::Inode::sync() {
    durable.resize(now.size());
    for (const std::size_t page : dirty) {
        const std::size_t begin = page * kPage;
        if (begin >= now.size()) continue;
        const std::size_t count = std::min(kPage, now.size() - begin);
        std::copy_n(now.begin() + static_cast<std::ptrdiff_t>(begin), count,
                    durable.begin() + static_cast<std::ptrdiff_t>(begin));
    }
    dirty.clear();
}

int FaultyFileSystem::next_fault(const std::string& path) {
    ++calls_;
    if (fail_from_ != 0 && calls_ >= fail_from_ && calls_ < fail_until_) return fail_error_;
    if (!fail_prefix_.empty() && path.starts_with(fail_prefix_)) return fail_prefix_error_;
    return 0;
}

bool FaultyFileSystem::has_directory(const std::string& path) const {
    return directories_.contains(path);
}

std::uint64_t FaultyFileSystem::used() const {
    std::uint64_t total = 0;
    for (const auto& [path, inode] : names_) total += inode->now.size();
    return total;
}

Result<std::unique_ptr<File>> FaultyFileSystem::create(const std::string& path) {
    return create(path, false);
}

Result<std::unique_ptr<File>> FaultyFileSystem::create_direct(const std::string& path) {
    return create(path, true);
}

Result<std::unique_ptr<File>> FaultyFileSystem::create(const std::string& path, bool is_direct) {
    const std::lock_guard lock(mutex_);
    const int fault = next_fault(path);
    if (fault != 0) return failed("open", fault);
    if (!has_directory(parent_path(path))) return failed("open", ENOENT);
    if (names_.contains(path)) return failed("open", EEXIST);
    auto inode = std::make_shared<Inode>();
    names_[path] = inode;
    return std::unique_ptr<File>(std::make_unique<FaultyFile>(*this, path, inode, is_direct));
}

Result<std::unique_ptr<File>> FaultyFileSystem::open_for_reading(const std::string& path) {
    return open(path, false);
}

Result<std::unique_ptr<File>> FaultyFileSystem::open_direct_for_reading(const std::string& path) {
    return open(path, true);
}

Result<std::unique_ptr<File>> FaultyFileSystem::open(const std::string& path, bool is_direct) {
    const std::lock_guard lock(mutex_);
    if (read_error_ != 0) return failed("open", read_error_);
    const auto found = names_.find(path);
    if (found == names_.end()) return failed("open", ENOENT);
    return std::unique_ptr<File>(
        std::make_unique<FaultyFile>(*this, path, found->second, is_direct));
}

Result<Done> FaultyFileSystem::rename(const std::string& from, const std::string& to) {
    const std::lock_guard lock(mutex_);
    const int fault = next_fault(from);
    if (fault != 0) return failed("rename", fault);
    if (const auto found = names_.find(from); found != names_.end()) {
        if (!has_directory(parent_path(to))) return failed("rename", ENOENT);
        names_[to] = found->second;
        names_.erase(from);
        return Done{};
    }
    if (!has_directory(from)) return failed("rename", ENOENT);
    if (has_directory(to)) return failed("rename", ENOTEMPTY);
    // The directory moves with all below it. Simplification: that move is durable at once.
    const auto moved = [&](const std::string& path) { return to + path.substr(from.size()); };
    for (Names* names : {&names_, &durable_names_}) {
        Names renamed;
        for (const auto& [path, inode] : *names) {
            renamed[path.starts_with(from + "/") ? moved(path) : path] = inode;
        }
        names->swap(renamed);
    }
    std::set<std::string> directories;
    for (const std::string& path : directories_) {
        const bool below = path == from || path.starts_with(from + "/");
        directories.insert(below ? moved(path) : path);
    }
    directories_.swap(directories);
    return Done{};
}

Result<Done> FaultyFileSystem::remove(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const int fault = next_fault(path);
    if (fault != 0) return failed("remove", fault);
    if (names_.erase(path) != 0) return Done{};
    if (!has_directory(path)) return failed("remove", ENOENT);
    const std::string below = path + "/";
    const auto file = names_.lower_bound(below);
    const auto directory = directories_.lower_bound(below);
    if ((file != names_.end() && file->first.starts_with(below)) ||
        (directory != directories_.end() && directory->starts_with(below))) {
        return failed("remove", ENOTEMPTY);
    }
    directories_.erase(path);
    return Done{};
}

Result<Done> FaultyFileSystem::make_directories(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const int fault = next_fault(path);
    if (fault != 0) return failed("mkdir", fault);
    std::string made = path;
    while (!has_directory(made)) {
        if (names_.contains(made)) return failed("mkdir", ENOTDIR);
        directories_.insert(made);
        made = parent_path(made);
    }
    return Done{};
}

Result<Done> FaultyFileSystem::sync_directory(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const int fault = next_fault(path);
    if (fault != 0) return failed("fsync directory", fault);
    if (!has_directory(path)) return failed("open directory", ENOENT);
    std::erase_if(durable_names_, [&](const auto& entry) {
        return parent_path(entry.first) == path && !names_.contains(entry.first);
    });
    for (const auto& [name, inode] : names_) {
        if (parent_path(name) == path) durable_names_[name] = inode;
    }
    return Done{};
}

Result<Done> FaultyFileSystem::sync_file_system(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const int fault = next_fault(path);
    if (!has_directory(path)) return failed("open directory", ENOENT);
    for (const auto& [name, inode] : names_) {
        if (fault == 0) inode->sync();
        inode->dirty.clear();
    }
    if (fault != 0) return failed("syncfs", fault);
    durable_names_ = names_;
    return Done{};
}

Result<std::vector<DirectoryEntry>> FaultyFileSystem::list(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (read_error_ != 0) return failed("opendir", read_error_);
    if (names_.contains(path)) return failed("opendir", ENOTDIR);
    if (!has_directory(path)) return failed("opendir", ENOENT);
    std::vector<DirectoryEntry> entries;
    const auto add = [&](const std::string& full, bool is_directory, std::uint64_t size) {
        if (full == path || parent_path(full) != path) return;
        entries.push_back({full.substr(full.rfind('/') + 1), is_directory, size});
    };
    for (const auto& [full, inode] : names_) add(full, false, inode->now.size());
    for (const std::string& full : directories_) add(full, true, 0);
    std::sort(entries.begin(), entries.end(),
              [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
    return entries;
}

Result<std::uint64_t> FaultyFileSystem::free_bytes(const std::string& /*path*/) {
    const std::lock_guard lock(mutex_);
    return capacity_ - std::min(capacity_, used());
}

void FaultyFileSystem::fail_call(std::uint64_t n, int error, std::uint64_t times) {
    const std::lock_guard lock(mutex_);
    fail_from_ = calls_ + n;
    fail_until_ = fail_from_ + times < fail_from_ ? ~std::uint64_t{0} : fail_from_ + times;
    fail_error_ = error;
}

void FaultyFileSystem::fail_below(std::string prefix, int error) {
    const std::lock_guard lock(mutex_);
    fail_prefix_ = std::move(prefix);
    fail_prefix_error_ = error;
}

void FaultyFileSystem::fail_reads(int error) {
    const std::lock_guard lock(mutex_);
    read_error_ = error;
}

void FaultyFileSystem::set_capacity(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    capacity_ = bytes;
}

void FaultyFileSystem::lose(Inode& inode) {
    for (const std::size_t page : inode.dirty) {
        const std::size_t begin = page * kPage;
        if (begin >= inode.now.size()) continue;
        const std::size_t count = std::min(kPage, inode.now.size() - begin);
        const std::uint64_t fate = random_() % 3;  // lost, kept, torn
        const std::size_t kept = fate == 0 ? 0
                                 : fate == 1
                                     ? count
                                     : std::min(count, random_() % (kPage / kSector) * kSector);
        if (kept == 0) continue;
        if (inode.durable.size() < begin + kept) inode.durable.resize(begin + kept);
        std::copy_n(inode.now.begin() + static_cast<std::ptrdiff_t>(begin), kept,
                    inode.durable.begin() + static_cast<std::ptrdiff_t>(begin));
    }
    inode.dirty.clear();
    inode.now = inode.durable;
}

void FaultyFileSystem::power_loss() {
    const std::lock_guard lock(mutex_);
    ++epoch_;
    fail_from_ = 0;
    Names after;
    for (const auto& [path, inode] : durable_names_) {
        const auto current = names_.find(path);
        const bool changed = current == names_.end() || current->second != inode;
        // Removed or replaced without a sync of the directory: either may have reached the disk.
        if (!changed || random_() % 2 == 0)
            after[path] = inode;
        else if (current != names_.end())
            after[path] = current->second;
    }
    for (const auto& [path, inode] : names_) {
        if (!durable_names_.contains(path) && random_() % 2 == 0) after[path] = inode;
    }
    names_ = after;
    durable_names_ = after;
    for (const auto& [path, inode] : names_) {  // a name that came back brings its directory
        std::string directory = parent_path(path);
        while (directories_.insert(directory).second) directory = parent_path(directory);
    }
    std::set<Inode*> seen;
    for (const auto& [path, inode] : names_) {
        if (seen.insert(inode.get()).second) lose(*inode);
    }
}

void FaultyFileSystem::corrupt(const std::string& path, std::uint64_t offset, std::uint8_t flip) {
    const std::lock_guard lock(mutex_);
    Inode& inode = *names_.at(path);
    inode.now.at(offset) ^= flip;
    if (offset < inode.durable.size()) inode.durable[offset] ^= flip;
}

std::uint64_t FaultyFileSystem::calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
}

base::Bytes FaultyFileSystem::content(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(path);
    return found == names_.end() ? base::Bytes{} : found->second->now;
}

void FaultyFileSystem::put(const std::string& path, ByteView bytes) {
    const std::lock_guard lock(mutex_);
    std::string directory = parent_path(path);
    while (directories_.insert(directory).second) directory = parent_path(directory);
    auto inode = std::make_shared<Inode>();
    inode->now.assign(bytes.begin(), bytes.end());
    inode->durable = inode->now;
    names_[path] = inode;
    durable_names_[path] = inode;
}

std::vector<std::string> FaultyFileSystem::paths() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [path, inode] : names_) all.push_back(path);
    return all;
}

}  // namespace earshot::io
