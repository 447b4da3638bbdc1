#include "payload/vp8_packetiser.h"

#include <algorithm>

namespace earshot::payload {

namespace {
constexpr std::size_t kDescriptorBytes = 4;
constexpr std::uint8_t kExtended = 0x80;          // X
constexpr std::uint8_t kBegins = 0x10;            // S: the first packet of partition 0
constexpr std::uint8_t kHasPictureId = 0x80;      // I
constexpr std::uint16_t kLongPictureId = 0x8000;  // M: of 15 bits
}  // namespace

std::vector<base::Bytes> Vp8Packetiser::packetise(base::ByteView frame) {
    std::vector<base::Bytes> payloads;
    if (frame.empty()) return payloads;
    const std::size_t room = max_payload_ - kDescriptorBytes;
    const std::size_t count = (frame.size() + room - 1) / room;
    const auto id = static_cast<std::uint16_t>(kLongPictureId | picture_id_);
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t from = frame.size() * i / count;
        const std::size_t to = frame.size() * (i + 1) / count;
        base::Bytes payload;
        payload.reserve(kDescriptorBytes + to - from);
        payload.push_back(i == 0 ? kExtended | kBegins : kExtended);
        payload.push_back(kHasPictureId);
        base::append_u16(payload, id);
        base::append(payload, frame.subspan(from, to - from));
        payloads.push_back(std::move(payload));
    }
    picture_id_ = static_cast<std::uint16_t>((picture_id_ + 1) & 0x7fff);
    return payloads;
}

}  // namespace earshot::payload
