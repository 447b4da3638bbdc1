// Which packet indexes came already (RFC 3711 section 3.3.2): the newest one and a bit for each of
// those behind it, in a ring of words as in RFC 6479.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace earshot::srtp {

template <std::size_t Packets>
class ReplayWindow {
public:
    enum class Verdict : std::uint8_t { New, Seen, TooOld };

    Verdict judge(std::uint64_t index) const {
        if (is_empty_ || index > highest_) return Verdict::New;
        if (highest_ - index >= Packets) return Verdict::TooOld;
        return (word(index) >> (index % kWordBits) & 1U) != 0 ? Verdict::Seen : Verdict::New;
    }
    // Only what was authenticated, and was judged to be new.
    void add(std::uint64_t index) {
        if (is_empty_) {
            is_empty_ = false;
            highest_ = index;
        } else if (index > highest_) {
            const std::uint64_t steps =
                std::min<std::uint64_t>(index / kWordBits - highest_ / kWordBits, kWords);
            for (std::uint64_t i = 1; i <= steps; ++i)
                words_[(highest_ / kWordBits + i) % kWords] = 0;
            highest_ = index;
        }
        words_[index / kWordBits % kWords] |= std::uint64_t{1} << (index % kWordBits);
    }
    bool is_empty() const { return is_empty_; }
    std::uint64_t highest() const { return highest_; }

private:
    static constexpr std::size_t kWordBits = 64;
    static_assert(Packets % kWordBits == 0);
    static constexpr std::size_t kWords = Packets / kWordBits + 1;

    std::uint64_t word(std::uint64_t index) const { return words_[index / kWordBits % kWords]; }

    std::array<std::uint64_t, kWords> words_{};
    std::uint64_t highest_ = 0;
    bool is_empty_ = true;
};

// The 48-bit index of a packet by its 16-bit sequence number (RFC 3711 section 3.3.1 and appendix
// A): the one nearest to the newest authenticated. Before index 32768 nothing can be of an earlier
// rollover, because the counter begins at 0.
inline std::uint64_t guess_index(std::uint64_t highest, std::uint16_t sequence) {
    constexpr std::uint64_t kHalf = 0x8000;
    const std::uint64_t newest = highest & 0xffffU;
    const std::uint64_t rollovers = highest >> 16U;
    std::uint64_t guess = rollovers;
    if (newest < kHalf) {
        if (sequence > newest + kHalf && rollovers > 0) --guess;
    } else if (newest - kHalf > sequence) {
        ++guess;
    }
    return guess << 16U | sequence;
}

}  // namespace earshot::srtp
