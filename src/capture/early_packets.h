// SRTP that came before its keys were there: it has overtaken the last flight of the handshake, or
// that flight was lost and comes again (RFC 6347 section 4.2.4). It is kept as it came until the
// keys can open it.
//
// Where there is no room the oldest gives way. What came last before the keys is what they most
// likely fit, and what is recorded then begins late and has no hole; what came first is more likely
// a stranger's, or of an association that is over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/rare_queue.h"
#include "io/udp_socket.h"

namespace earshot::capture {

struct EarlyPacket {
    io::SocketKind socket = io::SocketKind::Rtp;
    base::NetAddress source;
    std::int64_t arrival_ns = 0;
    base::Bytes bytes;
};

class EarlyPackets {
public:
    void keep(EarlyPacket packet);
    // The oldest, where it is too many or came before `from_ns`: nobody will open it.
    std::optional<EarlyPacket> take_too_many(std::int64_t from_ns);
    std::optional<EarlyPacket> take_oldest();
    bool empty() const { return packets_.empty(); }

private:
    base::RareQueue<EarlyPacket> packets_;  // in order of arrival
    std::size_t bytes_ = 0;                 // of the packets
};

}  // namespace earshot::capture
