#include "srtp/packet_layout.h"

namespace earshot::srtp {
namespace {

constexpr std::size_t kFixedHeaderBytes = 12;
constexpr std::size_t kRtcpHeaderBytes = 8;
constexpr std::size_t kTrailerBytes = 4;

bool is_version_2(base::ByteView packet) { return packet[0] >> 6U == 2; }

}  // namespace

std::optional<std::size_t> rtp_header_bytes(base::ByteView packet) {
    if (packet.size() < kFixedHeaderBytes || !is_version_2(packet)) return std::nullopt;
    std::size_t size = kFixedHeaderBytes + std::size_t{4} * (packet[0] & 0x0fU);
    if ((packet[0] & 0x10U) != 0) {
        if (packet.size() < size + 4) return std::nullopt;
        size += 4 + std::size_t{4} * base::load_u16(packet, size + 2);
    }
    if (packet.size() < size) return std::nullopt;
    return size;
}

std::optional<std::size_t> rtcp_header_bytes(base::ByteView packet) {
    if (packet.size() < kRtcpHeaderBytes || !is_version_2(packet)) return std::nullopt;
    return kRtcpHeaderBytes;
}

Appendix appendix_of(Suite suite, PacketKind kind, std::size_t mki_bytes) {
    const base::SrtpSuiteFacts& facts = base::facts_of(suite);
    const bool is_rtcp = kind == PacketKind::Rtcp;
    Appendix appendix;
    appendix.tag_bytes = is_rtcp ? facts.rtcp_tag : facts.rtp_tag;
    const std::size_t trailer_bytes = is_rtcp ? kTrailerBytes : 0;
    appendix.size = appendix.tag_bytes + trailer_bytes + mki_bytes;
    appendix.trailer_at = facts.is_aead ? appendix.tag_bytes : 0;
    appendix.mki_at = appendix.trailer_at + trailer_bytes;
    appendix.tag_at = facts.is_aead ? 0 : appendix.mki_at + mki_bytes;
    return appendix;
}

}  // namespace earshot::srtp
