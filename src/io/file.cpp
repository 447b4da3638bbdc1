#include "io/file.h"

#include <cerrno>

namespace earshot::io {

using base::ByteView;
using base::Done;
using base::Errc;
using base::Error;
using base::Result;

Result<Done> File::append(ByteView bytes) {
    const auto end = size();
    if (!end) return end.error();
    return write_at(*end, bytes);
}

Result<base::Bytes> FileSystem::read_file(const std::string& path, std::uint64_t limit) {
    const auto file = open_for_reading(path);
    if (!file) return file.error();
    const auto size = (*file)->size();
    if (!size) return size.error();
    if (*size > limit) return Error{Errc::TooLarge, "file: larger than its limit"};
    base::Bytes bytes(*size);
    const auto count = (*file)->read_at(0, bytes);
    if (!count) return count.error();
    bytes.resize(*count);
    return bytes;
}

Result<Done> FileSystem::write_file(const std::string& path, ByteView bytes) {
    const std::string temporary = path + ".tmp";
    if (auto gone = remove_tree(temporary); !gone) return gone;
    {
        auto file = create(temporary);
        if (!file) return file.error();
        if (auto written = (*file)->write_at(0, bytes); !written) return written;
        if (auto synced = (*file)->sync_data(); !synced) return synced;
    }
    if (auto renamed = rename(temporary, path); !renamed) return renamed;
    return sync_directory(parent_path(path));
}

Result<Done> FileSystem::remove_tree(const std::string& path) {
    const auto entries = list(path);
    if (entries) {
        for (const DirectoryEntry& entry : *entries) {
            const std::string child = join_path(path, entry.name);
            // A link is removed as a name; what it points to is not ours.
            auto gone = entry.is_directory ? remove_tree(child) : remove(child);
            if (!gone) return gone;
        }
    } else if (entries.error().code != Errc::NotFound && entries.error().detail != ENOTDIR) {
        return entries.error();
    }
    auto gone = remove(path);
    if (!gone && gone.error().code == Errc::NotFound) return Done{};
    return gone;
}

std::string join_path(std::string_view directory, std::string_view name) {
    std::string path(directory);
    if (!path.empty() && path.back() != '/') path += '/';
    path += name;
    return path;
}

std::string parent_path(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

}  // namespace earshot::io
