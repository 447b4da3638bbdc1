// Anonymous memory in whole pages, as the kernel wants what it shares; move-only.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

namespace earshot::io {

class PageMemory {
public:
    PageMemory() noexcept = default;
    PageMemory(const PageMemory&) = delete;
    PageMemory& operator=(const PageMemory&) = delete;
    PageMemory(PageMemory&& other) noexcept
        : start_(std::exchange(other.start_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    PageMemory& operator=(PageMemory&& other) noexcept {
        std::swap(start_, other.start_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~PageMemory() {
        if (start_ != nullptr) ::munmap(start_, bytes_);
    }

    // Zeroed. False: there is none; errno says why.
    bool map(std::size_t bytes) {
        return take(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0),
                    bytes);
    }
    // What a descriptor shares.
    bool map(std::size_t bytes, int descriptor) {
        return take(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                           descriptor, 0),
                    bytes);
    }
    void* get() const { return start_; }
    std::size_t bytes() const { return bytes_; }

private:
    bool take(void* start, std::size_t bytes) {
        if (start == MAP_FAILED) return false;
        start_ = start;
        bytes_ = bytes;
        return true;
    }

    void* start_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace earshot::io
