#include "focus/level.h"

#include <algorithm>
#include <cmath>

namespace earshot::focus {

std::uint8_t level_of(std::span<const std::int32_t> samples) {
    double power = 0;
    for (const std::int32_t sample : samples) power += static_cast<double>(sample) * sample;
    if (samples.empty() || power == 0) return kSilence;
    constexpr double kFullScale = 32'767;
    const double rms = std::sqrt(power / static_cast<double>(samples.size()));
    const double below = -20 * std::log10(rms / kFullScale);
    return static_cast<std::uint8_t>(
        std::lround(std::clamp(below, 0.0, static_cast<double>(kSilence))));
}

}  // namespace earshot::focus
