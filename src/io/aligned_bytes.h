// Memory for files that bypass the page cache, which want its place and size as multiples of
// kDirectAlignment. Not filled: the kernel gives a page when it is first written.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "io/file.h"

namespace earshot::io {

constexpr std::uint64_t align_down(std::uint64_t value) {
    return value / kDirectAlignment * kDirectAlignment;
}
constexpr std::uint64_t align_up(std::uint64_t value) {
    return align_down(value + kDirectAlignment - 1);
}

class AlignedBytes {
public:
    explicit AlignedBytes(std::size_t size)
        : blocks_(std::make_unique_for_overwrite<Block[]>(align_up(std::max<std::size_t>(size, 1)) /
                                                          kDirectAlignment)),
          size_(align_up(size)) {}

    std::span<std::uint8_t> span() { return {blocks_[0].data(), size_}; }
    std::size_t size() const { return size_; }

private:
    struct alignas(kDirectAlignment) Block : std::array<std::uint8_t, kDirectAlignment> {};
    std::unique_ptr<Block[]> blocks_;  // NOLINT(modernize-avoid-c-arrays): its size is not static
    std::size_t size_;
};

}  // namespace earshot::io
