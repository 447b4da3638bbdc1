// Reads forward over bits, most significant first, as video headers are written. Past the end every
// bit is zero and ok() is false for good, so that a parser checks once at its end. Borrows the
// bytes.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace earshot::payload {

class BitReader {
public:
    explicit BitReader(base::ByteView bytes) : bytes_(bytes) {}

    std::uint32_t bit() {
        if (at_ >= bytes_.size() * 8) {
            ok_ = false;
            return 0;
        }
        const std::uint32_t value = bytes_[at_ / 8] >> (7 - at_ % 8) & 1U;
        ++at_;
        return value;
    }
    bool flag() { return bit() != 0; }
    std::uint32_t bits(std::size_t count) {  // up to 32
        std::uint32_t value = 0;
        while (count-- > 0) value = value << 1 | bit();
        return value;
    }
    void skip(std::size_t count) {
        at_ += count;
        if (at_ > bytes_.size() * 8) ok_ = false;
    }
    // Exp-Golomb (H.264 section 9.1, H.265 section 9.2): ue(v), se(v).
    std::uint32_t ue() {
        std::size_t zeros = 0;
        while (ok_ && !flag()) ++zeros;
        if (zeros > 31) ok_ = false;
        if (!ok_) return 0;
        return (std::uint32_t{1} << zeros) - 1 + bits(zeros);
    }
    std::int32_t se() {
        const std::uint32_t code = ue();
        const auto half = static_cast<std::int32_t>(code / 2);
        return code % 2 == 1 ? half + 1 : -half;
    }
    bool ok() const { return ok_; }

private:
    base::ByteView bytes_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

}  // namespace earshot::payload
