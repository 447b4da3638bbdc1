// The codecs that a conference speaks, and what a listener wishes of Opus (RFC 7587 section 6.1).
#pragma once

#include <cstdint>

namespace earshot::focus {

enum class MixCodec : std::uint8_t { Pcmu, Pcma, G722, Opus };

struct MixFormat {
    std::uint8_t payload_type = 0;
    MixCodec codec = MixCodec::Pcmu;
    friend bool operator==(const MixFormat&, const MixFormat&) = default;
};

// Of the RTP timestamps: that of G.722 is 8000, too (RFC 3551 section 4.5.2).
constexpr std::uint32_t clock_rate_of(MixCodec codec) {
    return codec == MixCodec::Opus ? 48'000 : 8'000;
}

struct OpusWishes {
    std::uint32_t bandwidth_hz = 16'000;  // of samples: more it has no use for (maxplaybackrate)
    std::uint32_t bitrate = 28'000;       // at most (maxaveragebitrate)
    bool takes_fec = false;               // useinbandfec
    bool is_constant = false;             // cbr
    friend auto operator<=>(const OpusWishes&, const OpusWishes&) = default;
};

}  // namespace earshot::focus
