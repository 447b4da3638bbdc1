// The child's output, frame by frame on descriptor 1, and its words on descriptor 3.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "media/av.h"

namespace earshot::media {

class Output {
public:
    explicit Output(int descriptor) : descriptor_(descriptor) {}

    // At `position()`, which goes on behind it. False once the other side is gone.
    bool write(base::ByteView bytes);
    void seek(std::uint64_t position) { position_ = position; }
    std::uint64_t position() const { return position_; }
    std::uint64_t size() const { return size_; }
    bool has_failed() const { return has_failed_; }

    // For libavformat: writes here, seeks where the container writes its beginning again. Borrows
    // this object.
    IoContext make_io();

private:
    const int descriptor_;
    std::uint64_t position_ = 0;
    std::uint64_t size_ = 0;
    bool has_failed_ = false;
};

// All of it, to a descriptor; false when that is gone.
bool write_all(int descriptor, base::ByteView bytes);

}  // namespace earshot::media
