// The control sockets of media servers elsewhere: datagrams out from the signalling thread, and
// what comes by a thread of its own, which posts it to the signalling loop.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/net_address.h"
#include "base/reason.h"
#include "base/result.h"
#include "io/udp_socket.h"
#include "relay/control_link.h"

namespace earshot::client {

class ControlThread : public relay::ControlLink {
public:
    // Called on the thread of its own.
    using Received = std::function<void(std::size_t instance, base::Bytes datagram)>;

    static base::Result<std::unique_ptr<ControlThread>, base::Reason> open(
        const std::vector<base::NetAddress>& instances, const char* thread_name);
    ~ControlThread() override;

    // Before the first send().
    void start(Received received);
    void send(std::size_t instance, base::ByteView datagram) override;

private:
    struct Instance {
        base::NetAddress address;
        io::UdpSocket socket;
    };
    ControlThread() = default;
    void run(const std::stop_token& stop);

    std::vector<Instance> instances_;
    std::string name_;
    Received received_;
    std::jthread thread_;
};

}  // namespace earshot::client
