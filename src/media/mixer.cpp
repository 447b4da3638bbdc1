#include "media/mixer.h"

#include <algorithm>

namespace earshot::media {

void Mixer::add(std::size_t channel, std::int64_t sample, std::span<const std::int16_t> samples) {
    if (sample < begin_) {
        const auto late = static_cast<std::size_t>(
            std::min<std::int64_t>(begin_ - sample, static_cast<std::int64_t>(samples.size())));
        samples = samples.subspan(late);
        sample = begin_;
    }
    if (samples.empty()) return;
    const std::size_t from = static_cast<std::size_t>(sample - begin_) * channels_ + channel;
    const std::size_t needed = from - channel + samples.size() * channels_;
    if (sums_.size() < needed) sums_.resize(needed, 0);
    for (std::size_t i = 0; i < samples.size(); ++i) sums_[from + i * channels_] += samples[i];
}

std::vector<std::int16_t> Mixer::take_until(std::int64_t end) {
    if (end <= begin_) return {};
    const std::size_t count = static_cast<std::size_t>(end - begin_) * channels_;
    const std::size_t known = std::min(count, sums_.size());
    std::vector<std::int16_t> out(count, 0);
    for (std::size_t i = 0; i < known; ++i)
        out[i] = static_cast<std::int16_t>(std::clamp(sums_[i], INT16_MIN, INT16_MAX));
    sums_.erase(sums_.begin(), sums_.begin() + static_cast<std::ptrdiff_t>(known));
    begin_ = end;
    return out;
}

}  // namespace earshot::media
