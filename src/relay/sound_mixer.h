// Puts a Sound into what one leg hears on one line. RTP that passes keeps its header, size and
// time; its payload is decoded, the sound added, and encoded again. Where nothing passes (silence,
// music that ended), or a codec that we do not speak, packets of our own go out in a stream of
// their own (another SSRC), and foreign speech gives way to them for as long as the sound lasts.
// Without I/O or clock; times are in ns of a steady clock. Belongs to a worker's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "audio/g722.h"
#include "base/bytes.h"
#include "relay/sound.h"
#include "rtp/rtp_packet.h"

namespace earshot::relay {

class SoundMixer {
public:
    // Of our own stream.
    struct Identity {
        std::uint32_t ssrc = 0;
        std::uint16_t sequence = 0;
        std::uint32_t timestamp = 0;
    };
    enum class Fate : std::uint8_t {
        Pass,     // as it is
        Changed,  // `out` goes instead
        Drop,     // a packet of ours takes its place
    };

    SoundMixer(SoundPtr sound, const SoundFormats& formats, Identity own);

    void set_formats(const SoundFormats& formats) { formats_ = formats; }
    const Sound* sound() const { return sound_.get(); }
    // Heard once, and to its end.
    bool is_over() const { return is_over_; }

    // An RTP packet on its way to the leg; `out` has room for as many octets.
    Fate on_packet(base::ByteView packet, std::span<std::uint8_t> out, std::int64_t now_ns);
    // The packet of ours that is due: its size in `out` (of kFillBytes); 0: none is.
    std::size_t fill(std::span<std::uint8_t> out, std::int64_t now_ns);

    static constexpr std::size_t kFillTicks = 160;  // 20 ms, an octet each
    static constexpr std::size_t kFillBytes = 12 + kFillTicks;

private:
    void begin_if_due(std::int64_t now_ns);
    void advance(std::size_t ticks);
    void mix(SoundCodec codec, std::span<std::uint8_t> payload);
    void mix_g711(SoundCodec codec, std::span<std::uint8_t> payload) const;

    SoundPtr sound_;
    SoundFormats formats_;
    Identity own_;
    std::optional<std::int64_t> next_begin_;  // none: with the first packet or look
    std::int64_t last_heard_ = 0;             // speech that the sound can be mixed with
    std::size_t position_ = 0;                // in ticks of 8 kHz
    bool is_sounding_ = false;
    bool is_over_ = false;
    bool is_ours_ = false;        // packets of ours go out
    std::int64_t next_fill_ = 0;  // while they do
    std::int64_t last_fill_ = 0;  // 0: none yet
    bool is_encoding_ = false;    // the sound is within G.722 that passes
    audio::G722Decoder decoder_;  // follows all G.722 that passes
    audio::G722Encoder encoder_;  // of what passes
    audio::G722Encoder own_encoder_;
    std::vector<std::int16_t> samples_;
    base::Bytes octets_;
    base::Bytes packet_;
};

}  // namespace earshot::relay
