// Which audio this daemon decodes, and how its octets, samples and RTP ticks relate.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "archive/recording_facts.h"
#include "audio/g711.h"
#include "audio/g722.h"
#include "base/bytes.h"

namespace earshot::archive {

enum class CodecKind { Unknown, MuLaw, ALaw, G722, L16, ComfortNoise, TelephoneEvent };

struct Codec {
    CodecKind kind = CodecKind::Unknown;
    std::uint32_t clock_rate = 8000;  // of RTP; G.722: 8000 by historical error, RFC 3551 4.5.2
    std::uint32_t sample_rate = 0;    // of the decoded samples; 0: we do not decode it
    std::uint16_t channels = 1;       // of L16; decoded to their average
    friend bool operator==(const Codec&, const Codec&) = default;

    bool is_decoded() const { return sample_rate != 0; }
    std::optional<audio::G711Law> law() const;  // of G.711
    // Carries media of its own, so that it names the stream's codec.
    bool is_media() const {
        return kind != CodecKind::ComfortNoise && kind != CodecKind::TelephoneEvent;
    }
    // Ticks that a payload lasts; 0 where its size does not tell.
    std::int64_t duration_ticks(std::size_t payload_size) const;
};

Codec find_codec(const PayloadFormat* format, bool is_audio);
std::string codec_name(const PayloadFormat& format);  // "PCMU/8000", "L16/44100/2"

// The decoder of one source: the state of G.722 runs through it.
class AudioDecoder {
public:
    // Appends samples at codec.sample_rate. The codec may change with each packet.
    void decode(const Codec& codec, base::ByteView payload, std::vector<std::int16_t>& out);

private:
    CodecKind last_ = CodecKind::Unknown;
    audio::G722Decoder g722_;
};

}  // namespace earshot::archive
