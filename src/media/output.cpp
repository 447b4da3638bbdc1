#include "media/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "rendition/packet_stream.h"

namespace earshot::media {
namespace {

constexpr int kIoBytes = 64 * 1024;

int write_piece(void* self, std::uint8_t* bytes, int size) {
    auto& output = *static_cast<Output*>(self);
    return output.write({bytes, static_cast<std::size_t>(size)}) ? size : AVERROR(EPIPE);
}

std::int64_t seek_to(void* self, std::int64_t offset, int whence) {
    auto& output = *static_cast<Output*>(self);
    const auto size = static_cast<std::int64_t>(output.size());
    if (whence == AVSEEK_SIZE) return size;
    if (whence == SEEK_CUR) offset += static_cast<std::int64_t>(output.position());
    if (whence == SEEK_END) offset += size;
    if (offset < 0 || offset > size) return AVERROR(EINVAL);
    output.seek(static_cast<std::uint64_t>(offset));
    return offset;
}

}  // namespace

bool write_all(int descriptor, base::ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return true;
}

bool Output::write(base::ByteView bytes) {
    while (!bytes.empty() && !has_failed_) {
        const base::ByteView piece = bytes.first(std::min(bytes.size(), rendition::kMaxFrameBytes));
        const auto header = rendition::make_output_header(
            {.size = static_cast<std::uint32_t>(piece.size()), .offset = position_});
        has_failed_ = !write_all(descriptor_, header) || !write_all(descriptor_, piece);
        position_ += piece.size();
        size_ = std::max(size_, position_);
        bytes = bytes.subspan(piece.size());
    }
    return !has_failed_;
}

IoContext Output::make_io() {
    auto* buffer = static_cast<std::uint8_t*>(av_malloc(kIoBytes));
    if (buffer == nullptr) throw std::bad_alloc();
    IoContext io(avio_alloc_context(buffer, kIoBytes, 1, this, nullptr, &write_piece, &seek_to));
    if (!io) throw std::bad_alloc();
    return io;
}

}  // namespace earshot::media
