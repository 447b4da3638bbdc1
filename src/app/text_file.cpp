#include "app/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace earshot::app {

std::optional<std::string> read_text_file(const std::filesystem::path& file) {
    // A FIFO without a writer would block the open().
    const int fd = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    struct stat found {};
    bool is_good = ::fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
    std::string text;
    while (is_good) {
        char piece[65536];
        const ssize_t count = ::read(fd, piece, sizeof piece);
        if (count == 0) break;
        if (count < 0 && errno == EINTR) continue;
        is_good = count > 0 && text.size() + static_cast<std::size_t>(count) <= kMaxTextFileBytes;
        if (is_good) text.append(piece, static_cast<std::size_t>(count));
    }
    ::close(fd);
    if (!is_good) return std::nullopt;
    return text;
}

}  // namespace earshot::app
