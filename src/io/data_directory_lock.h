// One daemon per data directory: flock on DATA/lock, which holds the owner's pid. The kernel frees
// the lock with the process, however it ends; a file left behind means nothing.
#pragma once

#include <string>

#include "base/reason.h"
#include "base/result.h"
#include "io/file_descriptor.h"

namespace earshot::io {

class DataDirectoryLock {
public:
    // Makes the directory (0700) if needed. Reasons: data_directory_in_use (names the other's pid),
    // data_directory_unusable (names what failed).
    static base::Result<DataDirectoryLock, base::Reason> acquire(const std::string& directory);

    // Whether the directory is still the one that was locked: neither removed nor replaced, in
    // which case all that is written goes to files without a name. One system call.
    bool is_in_place() const;

private:
    DataDirectoryLock(FileDescriptor file, std::string path)
        : file_(std::move(file)), path_(std::move(path)) {}
    FileDescriptor file_;
    std::string path_;  // of the file
};

}  // namespace earshot::io
