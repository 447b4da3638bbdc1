// Octets of a rectangle in a zlib stream that goes on over rectangles (Zlib, and ZRLE of RFC 6143
// section 7.7.6): they are unpacked a piece at a time, so that little of them is held.
#include <algorithm>
#include <utility>

#include "rfb/decoders.h"
#include "rfb/limits.h"

namespace earshot::rfb {

namespace {

class ZlibBlock : public RectDecoder {
public:
    ZlibBlock(std::unique_ptr<RectDecoder> inner, Inflater StreamState::*stream)
        : inner_(std::move(inner)), stream_(stream) {}

    Progress run(ByteQueue& in, DecodeTarget& target) override {
        if (!is_begun_) {
            if (!in.has(4)) return Progress::Need;
            left_ = in.u32();
            in.drop(4);
            is_begun_ = true;
        }
        Inflater& stream = target.streams.*stream_;
        Progress done = inner_->run(plain_, target);
        while (done == Progress::Need || done == Progress::Done) {
            const base::ByteView have = in.view().first(std::min(left_, in.size()));
            base::Bytes some;
            const std::size_t used = stream.inflate(have, kInflatedAtOnce, some);
            if (stream.is_broken()) return Progress::Broken;
            in.drop(used);
            left_ -= used;
            if (!some.empty()) {
                if (done == Progress::Done) return Progress::Broken;  // more than the rectangle
                plain_.append(some);
                done = inner_->run(plain_, target);
            } else if (used == 0) {
                if (left_ > 0) return have.size() < left_ ? Progress::Need : Progress::Broken;
                return done == Progress::Done && plain_.empty() ? Progress::Done : Progress::Broken;
            }
        }
        return done;
    }

private:
    const std::unique_ptr<RectDecoder> inner_;
    Inflater StreamState::*const stream_;
    ByteQueue plain_;
    bool is_begun_ = false;
    std::size_t left_ = 0;  // packed octets of this rectangle that have not come
};

}  // namespace

std::unique_ptr<RectDecoder> make_zlib_block(std::unique_ptr<RectDecoder> inner,
                                             Inflater StreamState::*stream) {
    return std::make_unique<ZlibBlock>(std::move(inner), stream);
}

}  // namespace earshot::rfb
