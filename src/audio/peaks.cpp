#include "audio/peaks.h"

#include <algorithm>

namespace earshot::audio {

// Every sample of every call comes by here: written so that the compiler takes eight at a time
// (this file is compiled with -O3; std::minmax_element's comparisons forbid it).
Peak find_peak(std::span<const std::int16_t> samples) {
    Peak peak;
    for (const std::int16_t sample : samples) {
        peak.low = std::min(peak.low, sample);
        peak.high = std::max(peak.high, sample);
    }
    return peak;
}

}  // namespace earshot::audio
