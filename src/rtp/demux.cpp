#include "rtp/demux.h"

namespace earshot::rtp {

PacketKind classify(base::ByteView datagram) {
    if (datagram.empty()) return PacketKind::Unknown;
    const std::uint8_t first = datagram[0];
    if (first <= 3) return PacketKind::Stun;
    if (first >= 16 && first <= 19) return PacketKind::Zrtp;
    if (first >= 20 && first <= 63) return PacketKind::Dtls;
    if (first >= 64 && first <= 79) return PacketKind::TurnChannel;
    if (first < 128 || first > 191 || datagram.size() < 2) return PacketKind::Unknown;
    const std::uint8_t second = datagram[1];
    return second >= 192 && second <= 223 ? PacketKind::Rtcp : PacketKind::Rtp;
}

}  // namespace earshot::rtp
