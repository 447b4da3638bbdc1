// The levels of a stretch of samples, as waveforms show them. No I/O.
#pragma once

#include <cstdint>
#include <span>

#include "audio/g711.h"

namespace earshot::audio {

struct Peak {
    std::int16_t low = 0;
    std::int16_t high = 0;
    friend bool operator==(const Peak&, const Peak&) = default;
};

// The lowest and highest sample, and 0: of nothing both are 0.
Peak find_peak(std::span<const std::int16_t> samples);
Peak find_peak(G711Law law, base::ByteView octets);

}  // namespace earshot::audio
