// A zlib stream (RFC 1950) that goes on over many rectangles.
#pragma once

#include <memory>

#include "base/bytes.h"

namespace earshot::rfb {

class Inflater {
public:
    // Unpacks what of `in` fits in `room` more octets of `out`; returns how many octets of `in`
    // were used. is_broken() from then on when it is no such stream.
    std::size_t inflate(base::ByteView in, std::size_t room, base::Bytes& out);
    bool is_broken() const { return is_broken_; }
    void reset();  // the next octets begin another stream

private:
    struct Stream;
    struct End {
        void operator()(Stream* stream) const;
    };
    std::unique_ptr<Stream, End> stream_;
    bool is_broken_ = false;
};

}  // namespace earshot::rfb
