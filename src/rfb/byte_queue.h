// Bytes of a stream that have come and are not used up yet.
#pragma once

#include "base/bytes.h"

namespace earshot::rfb {

class ByteQueue {
public:
    void append(base::ByteView bytes) {
        // What was used is moved away when it is the larger part: each byte is moved once at most.
        if (used_ > bytes_.size() / 2) {
            bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(used_));
            used_ = 0;
        }
        base::append(bytes_, bytes);
    }
    bool has(std::size_t count) const { return size() >= count; }
    bool empty() const { return size() == 0; }
    std::size_t size() const { return bytes_.size() - used_; }
    base::ByteView view() const { return base::ByteView(bytes_).subspan(used_); }

    // The caller has seen that they are there.
    std::uint8_t u8(std::size_t at = 0) const { return bytes_[used_ + at]; }
    std::uint16_t u16(std::size_t at = 0) const { return base::load_u16(bytes_, used_ + at); }
    std::uint32_t u32(std::size_t at = 0) const { return base::load_u32(bytes_, used_ + at); }
    std::int32_t s32(std::size_t at = 0) const { return static_cast<std::int32_t>(u32(at)); }
    base::ByteView take(std::size_t count) {  // valid until the next append()
        const base::ByteView taken = view().first(count);
        used_ += count;
        return taken;
    }
    void drop(std::size_t count) { used_ += count; }
    void clear() {
        bytes_.clear();
        used_ = 0;
    }

private:
    base::Bytes bytes_;
    std::size_t used_ = 0;
};

}  // namespace earshot::rfb
