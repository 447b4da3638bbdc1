#include "audio/resampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>

namespace earshot::audio {

// The taps of each phase, one after another; tap k of a phase weighs input position
// floor(position) - half + 1 + k.
struct Resampler::Filter {
    std::size_t half = 0;  // taps at each side of the position
    std::vector<float> taps;

    std::span<const float> phase(std::size_t index) const {
        return std::span(taps).subspan(index * 2 * half, 2 * half);
    }
};

namespace {

constexpr double kZeroCrossings = 16;
constexpr double kBeta = 8.0;       // Kaiser: about -80 dB
constexpr double kPassband = 0.94;  // of the lower Nyquist frequency: room for the slope

double bessel_i0(double x) {
    double sum = 1;
    double term = 1;
    for (int k = 1; k < 40; ++k) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

double sinc(double x) {
    if (std::abs(x) < 1e-9) return 1;
    return std::sin(std::numbers::pi * x) / (std::numbers::pi * x);
}

}  // namespace

bool can_resample(std::uint32_t in_rate, std::uint32_t out_rate) {
    const auto is_usual = [](std::uint32_t rate) { return rate >= 4000 && rate <= 192'000; };
    if (!is_usual(in_rate) || !is_usual(out_rate)) return false;
    const std::uint32_t divisor = std::gcd(in_rate, out_rate);
    return in_rate / divisor <= kMaxPhases && out_rate / divisor <= kMaxPhases;
}

Resampler::Resampler(std::uint32_t in_rate, std::uint32_t out_rate)
    : up_(out_rate / std::gcd(in_rate, out_rate)), down_(in_rate / std::gcd(in_rate, out_rate)) {
    auto filter = std::make_shared<Filter>();
    const double cutoff = kPassband * std::min(1.0, double{1} * up_ / down_);
    filter->half = static_cast<std::size_t>(std::ceil(kZeroCrossings / cutoff));
    if (up_ != down_) {
        const auto half = static_cast<double>(filter->half);
        filter->taps.reserve(2 * filter->half * up_);
        for (std::uint32_t phase = 0; phase < up_; ++phase) {
            double sum = 0;
            const std::size_t begin = filter->taps.size();
            for (std::size_t k = 0; k < 2 * filter->half; ++k) {
                const double x = static_cast<double>(k) - half + 1 - double{1} * phase / up_;
                const double window =
                    bessel_i0(kBeta * std::sqrt(std::max(0.0, 1 - x * x / (half * half))));
                const double tap = sinc(x * cutoff) * window;
                filter->taps.push_back(static_cast<float>(tap));
                sum += tap;
            }
            // Each phase has a gain of one for a constant, or its ripple would be heard as a tone.
            for (std::size_t k = begin; k < filter->taps.size(); ++k) {
                filter->taps[k] = static_cast<float>(filter->taps[k] / sum);
            }
        }
    }
    filter_ = std::move(filter);
    restart();
}

void Resampler::restart() {
    history_.assign(filter_->half, 0);  // silence before the first sample
    history_start_ = -static_cast<std::int64_t>(filter_->half);
    taken_ = 0;
    made_ = 0;
}

// `available`: input positions below this have a value in history_.
void Resampler::emit(std::vector<std::int16_t>& out, std::uint64_t available) {
    const std::size_t half = filter_->half;
    while (true) {
        const std::uint64_t position = made_ * down_ / up_;
        if (position + half >= available) break;
        const std::span<const float> taps = filter_->phase((made_ * down_) % up_);
        const auto first = static_cast<std::size_t>(static_cast<std::int64_t>(position - half) + 1 -
                                                    history_start_);
        float sum = 0;
        for (std::size_t k = 0; k < taps.size(); ++k) {
            sum += taps[k] * static_cast<float>(history_[first + k]);
        }
        out.push_back(static_cast<std::int16_t>(std::lround(std::clamp(sum, -32768.0F, 32767.0F))));
        ++made_;
    }
    const auto keep_from =
        static_cast<std::int64_t>(made_ * down_ / up_) - static_cast<std::int64_t>(half) + 1;
    const auto spare = std::min<std::int64_t>(keep_from - history_start_,
                                              static_cast<std::int64_t>(history_.size()));
    if (spare > 0) {
        history_.erase(history_.begin(), history_.begin() + spare);
        history_start_ += spare;
    }
}

void Resampler::push(std::span<const std::int16_t> in, std::vector<std::int16_t>& out) {
    if (up_ == down_) {
        out.insert(out.end(), in.begin(), in.end());
        return;
    }
    history_.insert(history_.end(), in.begin(), in.end());
    taken_ += in.size();
    emit(out, taken_);
}

void Resampler::finish(std::vector<std::int16_t>& out) {
    if (up_ != down_ && taken_ > 0) {
        const std::uint64_t wanted = (taken_ * up_ + down_ - 1) / down_;
        const std::size_t half = filter_->half;
        history_.insert(history_.end(), 2 * half + 1, 0);
        const std::size_t before = out.size();
        const std::uint64_t missing = wanted - made_;
        emit(out, taken_ + half + 1);
        out.resize(before + static_cast<std::size_t>(missing), 0);
    }
    restart();
}

std::vector<std::int16_t> resample(std::span<const std::int16_t> in, std::uint32_t in_rate,
                                   std::uint32_t out_rate) {
    std::vector<std::int16_t> out;
    Resampler resampler(in_rate, out_rate);
    resampler.push(in, out);
    resampler.finish(out);
    return out;
}

}  // namespace earshot::audio
