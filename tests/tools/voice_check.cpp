// voice_check RECORDING.wav SENT-0.wav [SENT-1.wav ...]: is channel i of the recording what SENT-i
// holds? Compares content: the best alignment by loudness, then the correlation of the samples
// there, with the sent audio brought to the recording's rate. Prints a line a channel; exit 0 when
// each channel holds its own voice and none of the others. A recording of keyed test packets is
// compared byte for byte elsewhere.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "audio/resampler.h"
#include "audio/wav.h"

namespace {

using Samples = std::vector<std::int16_t>;
using earshot::audio::WavAudio;

constexpr double kSameVoice = 0.95;  // what G.711 leaves of speech correlates above 0.99
constexpr double kAnotherVoice = 0.30;
constexpr std::size_t kSpan = 80;  // samples of a loudness value: 10 ms at 8 kHz

WavAudio read_wav(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    auto wav = earshot::audio::parse_wav(earshot::base::as_bytes(bytes));
    if (wav) return *wav;
    fmt::print(stderr, "voice_check: {}: {}\n", path, wav.error().what);
    std::exit(2);  // NOLINT(concurrency-mt-unsafe): one thread
}

Samples channel_of(const WavAudio& audio, std::size_t channel) {
    Samples samples;
    for (std::size_t i = channel; i < audio.samples.size(); i += audio.format.channels)
        samples.push_back(audio.samples[i]);
    return samples;
}

std::vector<double> loudness(const Samples& samples) {
    std::vector<double> values;
    for (std::size_t at = 0; at + kSpan <= samples.size(); at += kSpan) {
        double sum = 0;
        for (std::size_t i = at; i < at + kSpan; ++i) sum += std::abs(samples[i]);
        values.push_back(sum / kSpan);
    }
    return values;
}

// Pearson's correlation of a[i + lag] with b[i] over what both have.
template <class T>
double correlation(const std::vector<T>& a, const std::vector<T>& b, long lag) {
    const long begin = std::max(0L, -lag);
    const long end = std::min(static_cast<long>(b.size()), static_cast<long>(a.size()) - lag);
    if (end - begin < static_cast<long>(b.size()) / 2) return 0;
    double sa = 0;
    double sb = 0;
    double saa = 0;
    double sbb = 0;
    double sab = 0;
    for (long i = begin; i < end; ++i) {
        const auto x = static_cast<double>(a[static_cast<std::size_t>(i + lag)]);
        const auto y = static_cast<double>(b[static_cast<std::size_t>(i)]);
        sa += x;
        sb += y;
        saa += x * x;
        sbb += y * y;
        sab += x * y;
    }
    const auto n = static_cast<double>(end - begin);
    const double variance = (saa - sa * sa / n) * (sbb - sb * sb / n);
    return variance <= 0 ? 0 : (sab - sa * sb / n) / std::sqrt(variance);
}

template <class T>
std::pair<long, double> best_lag(const std::vector<T>& a, const std::vector<T>& b, long from,
                                 long to) {
    std::pair<long, double> best{from, -1};
    for (long lag = from; lag <= to; ++lag) {
        const double value = correlation(a, b, lag);
        if (value > best.second) best = {lag, value};
    }
    return best;
}

double likeness(const Samples& recorded, const Samples& sent) {
    const auto coarse = best_lag(loudness(recorded), loudness(sent), -300, 300);
    const long middle = coarse.first * static_cast<long>(kSpan);
    return best_lag(recorded, sent, middle - 160, middle + 160).second;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() < 2) {
        fmt::print(stderr, "usage: voice_check RECORDING.wav SENT-0.wav [SENT-1.wav ...]\n");
        return 2;
    }
    const WavAudio recording = read_wav(arguments[0]);
    const std::size_t voices = arguments.size() - 1;
    if (recording.format.channels != voices) {
        fmt::print("{} channels in the recording, {} voices were sent\n", recording.format.channels,
                   voices);
        return 1;
    }
    bool good = true;
    for (std::size_t channel = 0; channel < voices; ++channel) {
        const Samples recorded = channel_of(recording, channel);
        for (std::size_t voice = 0; voice < voices; ++voice) {
            const WavAudio sent = read_wav(arguments[voice + 1]);
            const Samples mono = earshot::audio::resample(earshot::audio::to_mono(sent),
                                                          sent.format.rate, recording.format.rate);
            const double value = likeness(recorded, mono);
            const bool fits = voice == channel ? value >= kSameVoice : value <= kAnotherVoice;
            fmt::print("channel {}, voice {}: likeness {:.3f} {}\n", channel, voice, value,
                       fits ? "ok" : "WRONG");
            good = good && fits;
        }
    }
    return good ? 0 : 1;
}
