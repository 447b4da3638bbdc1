// The reader that needs nothing: at its turn each socket is emptied with recvmmsg.
#pragma once

#include "io/media_reader.h"

namespace earshot::io {

class DrainReader : public MediaReader {
public:
    void add(MediaFlow& /*flow*/) override {}
    void remove(MediaFlow& /*flow*/) override {}
    bool read(std::uint64_t /*tick*/, Sink& /*sink*/) override { return false; }
    void visit(MediaFlow& flow, SocketKind kind, Sink& sink) override {
        if (flow.is_paused && kind == SocketKind::Rtp) {
            discard(flow, sink);
        } else {
            receive(flow, kind, sink);
        }
    }
    void drain(MediaFlow& flow, SocketKind kind, Sink& sink) override {
        receive_all(flow, kind, sink);
    }
};

}  // namespace earshot::io
