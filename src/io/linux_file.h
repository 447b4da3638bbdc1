// The real disk: POSIX calls behind io/file.h.
#pragma once

#include <memory>

#include "io/file.h"

namespace earshot::io {

class ReadQueues;

class LinuxFileSystem : public FileSystem {
public:
    LinuxFileSystem();
    base::Result<std::unique_ptr<File>> create(const std::string& path) override;
    base::Result<std::unique_ptr<File>> create_direct(const std::string& path) override;
    base::Result<std::unique_ptr<File>> open_for_reading(const std::string& path) override;
    base::Result<std::unique_ptr<File>> open_direct_for_reading(const std::string& path) override;
    base::Result<base::Done> rename(const std::string& from, const std::string& to) override;
    base::Result<base::Done> remove(const std::string& path) override;
    base::Result<base::Done> make_directories(const std::string& path) override;
    base::Result<base::Done> sync_directory(const std::string& path) override;
    base::Result<base::Done> sync_file_system(const std::string& path) override;
    base::Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
    base::Result<std::uint64_t> free_bytes(const std::string& path) override;

private:
    // Shared with the files that use them, which may outlive this.
    std::shared_ptr<ReadQueues> queues_;
};

}  // namespace earshot::io
