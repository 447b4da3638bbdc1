// RTP timestamps on 64 bits: of all values with the same low 32 bits the one nearest to the last.
// They wrap after 149 h at 8 kHz and 13 h at 90 kHz, and start at random, so the first wrap may
// come at once.
#pragma once

#include <cstdint>

namespace earshot::rtp {

class TimestampExtender {
public:
    // The first timestamp lies in the cycle [0, 2^32); earlier ones then come out negative.
    std::int64_t extend(std::uint32_t timestamp) {
        if (!started_) {
            started_ = true;
            last_ = timestamp;
            return last_;
        }
        // The difference modulo 2^32, read as signed, is the shortest way.
        const auto step = static_cast<std::int32_t>(timestamp - static_cast<std::uint32_t>(last_));
        last_ += step;
        return last_;
    }

private:
    bool started_ = false;
    std::int64_t last_ = 0;
};

}  // namespace earshot::rtp
