#include "io/media_reader.h"

namespace earshot::io {

bool MediaReader::receive(MediaFlow& flow, SocketKind kind, Sink& sink) {
    UdpSocket& socket = flow.sockets[kind];
    bool found = false;
    for (int i = 0; i < kMaxBatchesPerDrain; ++i) {
        const std::size_t count = socket.receive(batch_);
        for (const Datagram& datagram : batch_.datagrams()) sink.on_datagram(flow, kind, datagram);
        found = found || count > 0;
        if (count < batch_.capacity()) break;
    }
    return found;
}

void MediaReader::discard(MediaFlow& flow, Sink& sink) {
    sink.on_discarded(flow, flow.sockets.rtp.discard());
}

}  // namespace earshot::io
