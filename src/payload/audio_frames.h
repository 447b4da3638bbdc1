// Audio payloads taken apart into the frames that a decoder takes and a file holds: AMR and AMR-WB
// (RFC 4867, out in the storage form of its section 5.3), G.729, G.723.1, GSM (RFC 3551 section
// 4.5), iLBC (RFC 3952), Opus (RFC 7587) and all whose packet is one frame. Pure; any bytes are
// survived.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace earshot::payload {

struct AudioFrame {
    enum class Kind : std::uint8_t {
        Sound,
        Noise,    // tells how silence sounds (SID); not every decoder takes it
        Nothing,  // the sender had nothing to send, or lost it itself
    };
    Kind kind = Kind::Sound;
    std::int64_t offset = 0;    // ticks after the packet's timestamp
    std::int64_t duration = 0;  // ticks; 0: only the decoder knows
    base::Bytes bytes;
};

// How the payloads of one format are read.
class AudioFramer {
public:
    // `channels` as in rtpmap. Nullopt: nobody here knows the encoding, or not in this form
    // (why_not() tells).
    static std::optional<AudioFramer> make(std::string_view encoding, std::uint32_t clock_rate,
                                           std::uint16_t channels, std::string_view fmtp);
    static std::string_view why_not(std::string_view encoding, std::uint16_t channels,
                                    std::string_view fmtp);

    // Appends the frames of one packet. False when some of it is cut or is none of the format; what
    // is whole before that is in `out`.
    bool split(base::ByteView payload, std::vector<AudioFrame>& out) const;

private:
    enum class Form : std::uint8_t {
        Sampled,  // so many bits a tick
        Whole,
        Opus,
        AmrAligned,
        AmrPacked,
        G729,
        G7231,
        Gsm,
        Ilbc
    };
    AudioFramer(Form form, std::uint32_t parameter) : form_(form), parameter_(parameter) {}

    bool split_amr_aligned(base::ByteView payload, std::vector<AudioFrame>& out) const;
    bool split_amr_packed(base::ByteView payload, std::vector<AudioFrame>& out) const;
    bool split_g729(base::ByteView payload, std::vector<AudioFrame>& out) const;
    bool split_g7231(base::ByteView payload, std::vector<AudioFrame>& out) const;
    bool split_fixed(base::ByteView payload, std::size_t size, std::int64_t ticks,
                     std::vector<AudioFrame>& out) const;
    bool is_wide() const { return parameter_ == 16'000; }  // AMR-WB

    Form form_;
    std::uint32_t parameter_;  // bits a tick; AMR's clock rate; iLBC's frame in bytes
};

// What an Opus packet lasts in ticks of 48 kHz, by its table of contents (RFC 6716 section 3.1);
// 0: it is none.
std::int64_t opus_duration(base::ByteView packet);

}  // namespace earshot::payload
