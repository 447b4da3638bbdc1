// What a party of a test call says: 8 kHz samples from a WAV file or made here, encoded once in
// both laws of G.711 and shared by all calls. Immutable after its making; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "audio/g711.h"
#include "base/bytes.h"
#include "base/reason.h"
#include "base/result.h"

namespace earshot::loadgen {

inline constexpr std::uint32_t kSampleRate = 8000;
inline constexpr std::size_t kSamplesPerPacket = 160;  // 20 ms
inline constexpr std::chrono::milliseconds kPacketTime{20};
inline constexpr std::size_t kMaxVoiceFileBytes = std::size_t{512} * 1024 * 1024;

// The built-in voices: syllables of 200 ms with soft edges, four to a word, then a pause; one word
// takes 1.28 s. Party 0 speaks at 440 Hz, party 1 at 880 Hz, each with a weak third harmonic
// (1320, 2640 Hz), so their spectra have no line in common. Whole words: it can be repeated.
std::vector<std::int16_t> make_tone_speech(unsigned party, unsigned words = 8);

// The voice of speaker `index` of `count` who speak one after another, a word each, and again; at
// 300 Hz and 40 Hz more for each next one. It begins `late` after the first one's, and yet they
// take turns.
std::vector<std::int16_t> make_turn_speech(unsigned index, unsigned count,
                                           std::chrono::milliseconds late);

class Voice {
public:
    // A tone repeats for ever; a file is said once and silence follows.
    enum class AtEnd { Repeat, FallSilent };

    Voice(std::span<const std::int16_t> samples, AtEnd at_end);

    // Copies the octets of packet number `index` (from the start of the call), of 160 samples.
    void copy_packet(audio::G711Law law, std::uint64_t index, std::span<std::uint8_t> out) const;
    std::size_t packets() const { return mu_law_.size() / kSamplesPerPacket; }  // until its end

private:
    base::Bytes mu_law_;  // padded with silence to whole packets
    base::Bytes a_law_;
    AtEnd at_end_;
};

// PCM WAV of any usual rate; several channels are averaged. The reason names the file.
base::Result<Voice, base::Reason> load_voice(const std::string& wav_path);

}  // namespace earshot::loadgen
