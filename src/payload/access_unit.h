// What goes into a depacketiser and what comes out. Plain values.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace earshot::payload {

// One RTP packet of one source, its numbers extended to 64 bits (PacketOrder does that).
struct Packet {
    std::uint64_t sequence = 0;
    std::int64_t timestamp = 0;  // in ticks of the payload type's clock
    bool marker = false;
    std::int64_t arrival_ns = 0;  // passed on to the unit, not looked at
    base::ByteView payload{};     // without padding; borrowed for the call
};

struct PictureSize {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    friend bool operator==(const PictureSize&, const PictureSize&) = default;
};

// All that was sent of one moment: a picture (all its slices and layers), or a packet of audio.
struct AccessUnit {
    std::int64_t timestamp = 0;   // in ticks, extended: of the picture, not of the packet
    std::int64_t arrival_ns = 0;  // of its first packet
    std::uint64_t first_sequence = 0;
    std::uint64_t last_sequence = 0;
    // Packets missing between the unit before and this one; they may have belonged to either, or
    // to units that were lost whole.
    std::uint64_t lost_before = 0;
    // A decoder can begin here: IDR (H.264), IRAP (H.265), key frame (VP8, VP9, AV1). Always true
    // for audio.
    bool key_frame = false;
    // Something of it is missing or could not be read; `bytes` is what is whole of it. May be
    // empty.
    bool damaged = false;
    std::optional<PictureSize> size;  // told by the codec in this unit
    base::Bytes bytes;                // in the framing that was asked for
};

}  // namespace earshot::payload
