#include "rfb/inflater.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace earshot::rfb {

struct Inflater::Stream {
    z_stream z{};
};

void Inflater::End::operator()(Stream* stream) const {
    ::inflateEnd(&stream->z);
    delete stream;
}

void Inflater::reset() {
    stream_.reset();
    is_broken_ = false;
}

std::size_t Inflater::inflate(base::ByteView in, std::size_t room, base::Bytes& out) {
    if (is_broken_) return 0;
    if (!stream_) {
        auto fresh = std::make_unique<Stream>();
        if (::inflateInit(&fresh->z) != Z_OK) {
            is_broken_ = true;
            return 0;
        }
        stream_.reset(fresh.release());
    }
    const std::size_t before = out.size();
    out.resize(before + room);
    constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
    z_stream& z = stream_->z;
    const std::size_t given = std::min(in.size(), kMost);
    z.next_in = const_cast<Bytef*>(in.data());  // which zlib does not write to
    z.avail_in = static_cast<uInt>(given);
    z.next_out = out.data() + before;
    z.avail_out = static_cast<uInt>(std::min(room, kMost));
    const int result = ::inflate(&z, Z_SYNC_FLUSH);
    // Z_BUF_ERROR: it could do nothing, for lack of octets or of room.
    is_broken_ = result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR;
    out.resize(before + room - z.avail_out);
    z.next_out = nullptr;
    return given - z.avail_in;
}

}  // namespace earshot::rfb
