#include "loadgen/voice.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "audio/resampler.h"
#include "audio/wav.h"
#include "io/linux_file.h"

namespace earshot::loadgen {
namespace {

constexpr double kSyllableSeconds = 0.200;
constexpr double kSyllableSpacing = 0.260;
constexpr double kWordSeconds = 1.280;  // 64 packets
constexpr unsigned kSyllables = 4;

// 0 to 1 and back over a syllable, so that it neither clicks nor stands still.
double syllable_envelope(double seconds_in_word) {
    const double position = std::fmod(seconds_in_word, kSyllableSpacing);
    const bool is_pause =
        position >= kSyllableSeconds || seconds_in_word >= kSyllables * kSyllableSpacing;
    if (is_pause) return 0;
    const double s = std::sin(std::numbers::pi * position / kSyllableSeconds);
    return s * s;
}

base::Reason file_reason(const std::string& path, std::string_view what) {
    return {"bad_audio_file", path + ": " + std::string{what} + "."};
}

}  // namespace

namespace {

constexpr auto kWordSamples = static_cast<std::size_t>(kWordSeconds * kSampleRate);

std::vector<std::int16_t> make_words(double frequency, unsigned words) {
    constexpr double kPeak = 12000;
    std::vector<std::int16_t> samples(words * kWordSamples);
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double seconds = static_cast<double>(i) / kSampleRate;
        const double phase = 2 * std::numbers::pi * frequency * seconds;
        const double wave = 0.8 * std::sin(phase) + 0.2 * std::sin(3 * phase);
        const double envelope = syllable_envelope(std::fmod(seconds, kWordSeconds));
        samples[i] = static_cast<std::int16_t>(std::lround(kPeak * envelope * wave));
    }
    return samples;
}

}  // namespace

std::vector<std::int16_t> make_tone_speech(unsigned party, unsigned words) {
    return make_words(party == 0 ? 440 : 880, words);
}

std::vector<std::int16_t> make_turn_speech(unsigned index, unsigned count,
                                           std::chrono::milliseconds late) {
    constexpr double kLowest = 300;
    constexpr double kStep = 40;
    const std::vector<std::int16_t> word = make_words(kLowest + kStep * index, 1);
    std::vector<std::int16_t> samples(count * kWordSamples);
    const auto packets = static_cast<std::size_t>(late / kPacketTime);
    const std::size_t turn = index * kWordSamples + count * kWordSamples;
    const std::size_t begin =
        (turn - packets * kSamplesPerPacket % samples.size()) % samples.size();
    for (std::size_t i = 0; i < word.size(); ++i) samples[(begin + i) % samples.size()] = word[i];
    return samples;
}

Voice::Voice(std::span<const std::int16_t> samples, AtEnd at_end) : at_end_(at_end) {
    const std::size_t packets = (samples.size() + kSamplesPerPacket - 1) / kSamplesPerPacket;
    std::vector<std::int16_t> padded(std::max<std::size_t>(packets, 1) * kSamplesPerPacket);
    std::copy(samples.begin(), samples.end(), padded.begin());
    mu_law_.resize(padded.size());
    a_law_.resize(padded.size());
    audio::encode_g711(audio::G711Law::Mu, padded, mu_law_);
    audio::encode_g711(audio::G711Law::A, padded, a_law_);
}

void Voice::copy_packet(audio::G711Law law, std::uint64_t index,
                        std::span<std::uint8_t> out) const {
    const base::Bytes& octets = law == audio::G711Law::Mu ? mu_law_ : a_law_;
    if (at_end_ == AtEnd::FallSilent && index >= packets()) {
        const bool is_mu = law == audio::G711Law::Mu;
        std::fill(out.begin(), out.end(), is_mu ? audio::encode_mu_law(0) : audio::encode_a_law(0));
        return;
    }
    const auto* start = octets.data() + (index % packets()) * kSamplesPerPacket;
    std::copy_n(start, std::min(out.size(), kSamplesPerPacket), out.begin());
}

base::Result<Voice, base::Reason> load_voice(const std::string& wav_path) {
    io::LinuxFileSystem files;
    const auto bytes = files.read_file(wav_path, kMaxVoiceFileBytes);
    if (!bytes) {
        const bool is_missing = bytes.error().code == base::Errc::NotFound;
        return file_reason(wav_path, is_missing ? "there is no such file" : "it cannot be read");
    }
    const auto wav = audio::parse_wav(*bytes);
    if (!wav) return file_reason(wav_path, wav.error().what);
    if (!audio::can_resample(wav->format.rate, kSampleRate)) {
        return file_reason(wav_path, "its sample rate cannot be brought to 8000 Hz");
    }
    const auto mono = audio::to_mono(*wav);
    return Voice{audio::resample(mono, wav->format.rate, kSampleRate), Voice::AtEnd::FallSilent};
}

}  // namespace earshot::loadgen
