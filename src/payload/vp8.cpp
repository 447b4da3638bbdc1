#include "payload/vp8.h"

namespace earshot::payload {

// |X|R|N|S|R|PID 3|  X: |I|L|T|K|RSV 4|  I: |M|picture id 7 or 15|  L: TL0PICIDX
// T or K: |TID 2|Y|KEYIDX 5|
std::optional<std::size_t> vp8_descriptor_size(base::ByteView payload) {
    if (payload.empty()) return std::nullopt;
    std::size_t size = 1;
    if ((payload[0] & 0x80) != 0) {
        if (payload.size() < 2) return std::nullopt;
        const std::uint8_t extension = payload[1];
        size = 2;
        if ((extension & 0x80) != 0) {
            if (payload.size() <= size) return std::nullopt;
            size += (payload[size] & 0x80) != 0 ? 2 : 1;
        }
        if ((extension & 0x40) != 0) ++size;
        if ((extension & 0x30) != 0) ++size;
    }
    if (size > payload.size()) return std::nullopt;
    return size;
}

// The lowest bit of the frame tag is 0 in a key frame ("inverse key frame flag").
bool is_vp8_key_frame(base::ByteView frame) { return frame.size() >= 3 && (frame[0] & 0x01) == 0; }

// Frame tag 3 bytes, start code 9d 01 2a, |scale 2|width 14|, |scale 2|height 14|, little-endian.
std::optional<PictureSize> vp8_picture_size(base::ByteView frame) {
    if (!is_vp8_key_frame(frame) || frame.size() < 10) return std::nullopt;
    if (frame[3] != 0x9d || frame[4] != 0x01 || frame[5] != 0x2a) return std::nullopt;
    return PictureSize{.width = base::load_le<std::uint16_t>(frame, 6) & 0x3fffU,
                       .height = base::load_le<std::uint16_t>(frame, 8) & 0x3fffU};
}

void Vp8Depacketiser::read(const Packet& packet) {
    const auto size = vp8_descriptor_size(packet.payload);
    // S is set and the partition's number is 0: the first packet of a frame (section 4.2).
    const bool begins = size && (packet.payload[0] & 0x10) != 0 && (packet.payload[0] & 0x07) == 0;
    enter(packet.timestamp, begins);
    if (unit().bytes.empty()) is_cut_ = !begins;
    if (!size || *size == packet.payload.size()) {
        damage();
        is_cut_ = true;
        return;
    }
    // Partitions have no marks of their own: behind a hole nothing can be put in its place.
    if (is_cut_) return damage();
    append(packet.payload.subspan(*size));
}

bool Vp8Depacketiser::complete(AccessUnit& unit) {
    unit.key_frame = is_vp8_key_frame(unit.bytes);
    unit.size = vp8_picture_size(unit.bytes);
    // A key frame without its start code cannot be decoded.
    if (unit.key_frame && !unit.size) unit.damaged = true;
    return true;
}

}  // namespace earshot::payload
