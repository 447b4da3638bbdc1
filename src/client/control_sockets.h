// The sockets towards media planes in other processes: one connected UDP socket for each instance,
// so that nobody else's datagrams are read and the kernel tells when nobody listens there. On the
// signalling loop's thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/file_descriptor.h"
#include "relay/control_link.h"
#include "transport/sip_loop.h"

namespace earshot::client {

class ControlSockets : public relay::ControlLink {
public:
    // Who is given what comes; called on the loop's thread, never out of send().
    struct Receiver {
        std::function<void(std::size_t instance, base::ByteView datagram)> datagram;
        std::function<void(std::size_t instance)> refused;
    };

    // `loop` must outlive it. Reasons: control_socket.
    static base::Result<std::unique_ptr<ControlSockets>, base::Reason> open(
        const std::vector<base::NetAddress>& instances, transport::SipLoop& loop);

    void give_to(Receiver receiver) { receiver_ = std::move(receiver); }
    void send(std::size_t instance, base::ByteView datagram) override;

private:
    explicit ControlSockets(transport::SipLoop& loop) : loop_(loop) {}
    void read(std::size_t instance);
    void tell_refused(std::size_t instance);

    transport::SipLoop& loop_;
    std::vector<io::FileDescriptor> sockets_;
    base::Bytes buffer_;
    Receiver receiver_;
};

}  // namespace earshot::client
