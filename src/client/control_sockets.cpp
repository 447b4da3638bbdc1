#include "client/control_sockets.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "io/socket_address.h"

namespace earshot::client {

using base::Reason;
using base::Result;

namespace {

constexpr std::size_t kMaxDatagramBytes = 65'536;
constexpr int kDatagramsAtOnce = 64;  // then signalling has its turn

}  // namespace

Result<std::unique_ptr<ControlSockets>, Reason> ControlSockets::open(
    const std::vector<base::NetAddress>& instances, transport::SipLoop& loop) {
    std::unique_ptr<ControlSockets> made(new ControlSockets(loop));
    made->buffer_.resize(kMaxDatagramBytes);
    for (const base::NetAddress& instance : instances) {
        const io::SocketAddress address = io::to_socket_address(instance);
        io::FileDescriptor socket(
            ::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (socket.get() < 0 || ::connect(socket.get(), address.get(), address.size) != 0)
            return Reason{.code = "control_socket",
                          .text = fmt::format("The media plane at {} cannot be spoken to: {}.",
                                              base::to_string(instance),
                                              std::generic_category().message(errno))};
        made->sockets_.push_back(std::move(socket));
    }
    for (std::size_t i = 0; i < made->sockets_.size(); ++i)
        loop.watch(made->sockets_[i].get(), [sockets = made.get(), i] { sockets->read(i); });
    return made;
}

// The error of an earlier datagram comes back in place of sending this one.
void ControlSockets::send(std::size_t instance, base::ByteView datagram) {
    const int socket = sockets_[instance].get();
    if (::send(socket, datagram.data(), datagram.size(), 0) >= 0) return;
    if (errno != ECONNREFUSED) return;
    tell_refused(instance);
    static_cast<void>(::send(socket, datagram.data(), datagram.size(), 0));
}

void ControlSockets::tell_refused(std::size_t instance) {
    loop_.post([this, instance] {
        if (receiver_.refused) receiver_.refused(instance);
    });
}

void ControlSockets::read(std::size_t instance) {
    for (int i = 0; i < kDatagramsAtOnce; ++i) {
        const ssize_t size =
            ::recv(sockets_[instance].get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
        if (size < 0 && errno == ECONNREFUSED) {
            if (receiver_.refused) receiver_.refused(instance);
            continue;
        }
        if (size < 0) return;
        const auto length = static_cast<std::size_t>(size);
        if (length <= buffer_.size() && receiver_.datagram)
            receiver_.datagram(instance, {buffer_.data(), length});
    }
}

}  // namespace earshot::client
