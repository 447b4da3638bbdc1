#include "rtp/rtp_packet.h"

namespace earshot::rtp {

using base::Errc;
using base::Error;
using base::load_u16;
using base::load_u32;

base::Result<RtpHeader> parse_rtp(base::ByteView packet) {
    constexpr std::size_t kFixedSize = 12;
    if (packet.size() < kFixedSize) return Error{Errc::Malformed, "RTP: short", packet.size()};
    if (packet[0] >> 6 != 2) return Error{Errc::Unsupported, "RTP: version is not 2"};

    const bool has_extension = (packet[0] & 0x10) != 0;
    const std::size_t csrc_count = packet[0] & 0x0f;
    std::size_t size = kFixedSize + 4 * csrc_count;
    if (has_extension) {
        if (packet.size() < size + 4) return Error{Errc::Malformed, "RTP: extension cut", size};
        size += 4 + 4 * std::size_t{load_u16(packet, size + 2)};
    }
    if (packet.size() < size) return Error{Errc::Malformed, "RTP: header past the end", size};

    std::size_t padding = 0;
    if ((packet[0] & 0x20) != 0) {
        padding = packet.back();  // RFC 3550 §5.1: the last octet counts itself
        if (padding == 0 || padding > packet.size() - size) {
            return Error{Errc::Malformed, "RTP: padding longer than the payload", size};
        }
    }
    return RtpHeader{.payload_type = static_cast<std::uint8_t>(packet[1] & 0x7f),
                     .marker = (packet[1] & 0x80) != 0,
                     .sequence = load_u16(packet, 2),
                     .timestamp = load_u32(packet, 4),
                     .ssrc = load_u32(packet, 8),
                     .csrc_count = static_cast<std::uint8_t>(csrc_count),
                     .has_extension = has_extension,
                     .size = size,
                     .payload_size = packet.size() - size - padding};
}

RtpExtension rtp_extension(base::ByteView packet, const RtpHeader& header) {
    if (!header.has_extension) return {};
    const std::size_t at = 12 + 4 * std::size_t{header.csrc_count};
    return {.profile = load_u16(packet, at), .bytes = packet.subspan(at + 4, header.size - at - 4)};
}

void write_rtp(const RtpHeader& header, base::ByteView payload, base::Bytes& out) {
    out.clear();
    out.push_back(0x80);
    out.push_back(
        static_cast<std::uint8_t>((header.marker ? 0x80 : 0) | (header.payload_type & 0x7f)));
    base::append_u16(out, header.sequence);
    base::append_u32(out, header.timestamp);
    base::append_u32(out, header.ssrc);
    base::append(out, payload);
}

}  // namespace earshot::rtp
