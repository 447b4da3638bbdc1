// So many lines a second about what peers can cause at will; of the rest only the number is told.
// The log must not become what a flood fills the disk with.
#pragma once

#include <cstdint>
#include <utility>

namespace earshot::io {

inline constexpr std::uint32_t kLinesPerSecond = 20;  // the rest is counted

class LogAllowance {
public:
    // Whether one more line may be written this second.
    bool take() {
        if (used_ < kLinesPerSecond) {
            ++used_;
            return true;
        }
        ++omitted_;
        return false;
    }
    // A second has passed; how many lines were left out in it.
    std::uint64_t next_second() {
        used_ = 0;
        return std::exchange(omitted_, 0);
    }

private:
    std::uint32_t used_ = 0;
    std::uint64_t omitted_ = 0;
};

}  // namespace earshot::io
