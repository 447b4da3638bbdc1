// Sound of several streams on one timeline: each channel is the sum of what was added to it.
// Silence where nothing was. What is taken off is gone; what comes for before that is lost.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace earshot::media {

class Mixer {
public:
    explicit Mixer(std::size_t channels) : channels_(channels) {}

    void add(std::size_t channel, std::int64_t sample, std::span<const std::int16_t> samples);
    // Interleaved, up to and without `end`.
    std::vector<std::int16_t> take_until(std::int64_t end);
    std::int64_t position() const { return begin_; }  // of what is taken next

private:
    const std::size_t channels_;
    std::int64_t begin_ = 0;
    std::vector<std::int32_t> sums_;  // interleaved, from begin_ on
};

}  // namespace earshot::media
