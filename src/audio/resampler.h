// Sample-rate conversion by a polyphase windowed sinc (Kaiser, 16 zero crossings a side, stopband
// about -80 dB): good enough for listening and exact in time. Output sample n lies at n / out_rate
// of the input; there is no delay to correct. No I/O, one stream an object.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace earshot::audio {

// Rates in Hz, 4000 to 192000, whose ratio has no term above kMaxPhases when cancelled down; this
// holds for all pairs of 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000.
bool can_resample(std::uint32_t in_rate, std::uint32_t out_rate);
inline constexpr std::uint32_t kMaxPhases = 2048;

class Resampler {
public:
    // The caller has asked can_resample(). Equal rates copy.
    Resampler(std::uint32_t in_rate, std::uint32_t out_rate);

    // Appends what can be computed so far; some 16 input samples are held back.
    void push(std::span<const std::int16_t> in, std::vector<std::int16_t>& out);
    // Appends the rest, as if silence followed: in all ceil(input * out_rate / in_rate) samples.
    // Afterwards the object starts anew at position 0.
    void finish(std::vector<std::int16_t>& out);

private:
    struct Filter;
    void emit(std::vector<std::int16_t>& out, std::uint64_t available);
    void restart();

    std::uint32_t up_;  // output : input = up : down
    std::uint32_t down_;
    std::shared_ptr<const Filter> filter_;  // shared: copies of a resampler use the same table
    std::vector<std::int16_t> history_;     // input from position history_start_ on
    std::uint64_t taken_ = 0;               // input samples so far
    std::int64_t history_start_ = 0;
    std::uint64_t made_ = 0;  // output samples so far
};

// All at once.
std::vector<std::int16_t> resample(std::span<const std::int16_t> in, std::uint32_t in_rate,
                                   std::uint32_t out_rate);

}  // namespace earshot::audio
