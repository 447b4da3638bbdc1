#include "io/media_reader.h"

namespace earshot::io {

bool MediaReader::receive(MediaFlow& flow, SocketKind kind, Sink& sink) {
    return receive_until(batch_.capacity(), flow, kind, sink);
}

void MediaReader::receive_all(MediaFlow& flow, SocketKind kind, Sink& sink) {
    receive_until(1, flow, kind, sink);
}

bool MediaReader::receive_until(std::size_t too_few, MediaFlow& flow, SocketKind kind, Sink& sink) {
    UdpSocket& socket = flow.sockets[kind];
    bool found = false;
    for (int i = 0; i < kMaxBatchesPerDrain; ++i) {
        const std::size_t count = socket.receive(batch_);
        for (const Datagram& datagram : batch_.datagrams()) sink.on_datagram(flow, kind, datagram);
        found = found || count > 0;
        if (count < too_few) break;
    }
    return found;
}

void MediaReader::discard(MediaFlow& flow, Sink& sink) {
    sink.on_discarded(flow, flow.sockets.rtp.discard());
}

}  // namespace earshot::io
