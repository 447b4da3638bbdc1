#include "relay/engine.h"

#include <utility>

#include "relay/socket_packet_io.h"
#include "relay/uring_packet_io.h"

namespace earshot::relay {

base::Result<std::unique_ptr<PacketIo>, base::Reason> open_packet_io(Engine engine) {
    if (engine != Engine::Sockets) {
        auto uring = UringPacketIo::create();
        if (uring) return std::unique_ptr<PacketIo>(*std::move(uring));
        if (engine == Engine::IoUring) return uring.error();
    }
    auto sockets = SocketPacketIo::create();
    if (!sockets) return sockets.error();
    return std::unique_ptr<PacketIo>(*std::move(sockets));
}

}  // namespace earshot::relay
