// epoll and a few system calls for each packet: works wherever there are sockets.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <memory>
#include <vector>

#include "base/reason.h"
#include "base/result.h"
#include "io/file_descriptor.h"
#include "io/limits.h"
#include "relay/limits.h"
#include "relay/packet_io.h"

namespace earshot::relay {

class SocketPacketIo : public PacketIo {
public:
    static base::Result<std::unique_ptr<SocketPacketIo>, base::Reason> create();

    bool begin() override;
    bool add(Port& port) override;
    void remove(Port& port) override;
    void send(Port& port, base::ByteView bytes, const io::SocketAddress* to) override;
    void flush() override {}  // it has left already
    void turn(Sink& sink, base::TimePoint now, std::chrono::milliseconds limit) override;
    void wake() override;
    const char* name() const override { return "sockets"; }

private:
    SocketPacketIo() = default;

    io::FileDescriptor epoll_;
    io::FileDescriptor wake_;
    std::atomic<bool> is_woken_{false};
    std::vector<epoll_event> events_;
    std::size_t ready_ = 0;  // of events_, in this turn
    io::DatagramBatch batch_{kReadAtOnce, io::kMaxMediaBytes};
    Sink* sink_ = nullptr;  // during a turn
    Pace pace_;
};

}  // namespace earshot::relay
