#include "client/control_thread.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>

#include <cerrno>
#include <cstring>

namespace earshot::client {

namespace {

constexpr int kPatienceMs = 200;  // until it looks whether it shall end
constexpr std::size_t kBatch = 16;
constexpr std::size_t kMaxDatagramBytes = 65'536;

}  // namespace

base::Result<std::unique_ptr<ControlThread>, base::Reason> ControlThread::open(
    const std::vector<base::NetAddress>& instances, const char* thread_name) {
    std::unique_ptr<ControlThread> link(new ControlThread);
    link->name_ = thread_name;
    for (const base::NetAddress& address : instances) {
        const char* any = address.is_v4() ? "0.0.0.0" : "::";
        auto socket = io::UdpSocket::bind(
            *base::parse_host(address.is_loopback() ? (address.is_v4() ? "127.0.0.1" : "::1") : any,
                              0),
            {.receive_buffer_bytes = 1 << 20, .is_stamped = false});
        if (!socket)
            return base::Reason{
                "control_socket",
                fmt::format("No socket for the media server at {}: {}.", base::to_string(address),
                            std::strerror(static_cast<int>(socket.error().detail)))};
        link->instances_.push_back({.address = address, .socket = *std::move(socket)});
    }
    return link;
}

ControlThread::~ControlThread() = default;

void ControlThread::start(Received received) {
    received_ = std::move(received);
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void ControlThread::send(std::size_t instance, base::ByteView datagram) {
    Instance& to = instances_[instance];
    static_cast<void>(to.socket.send(datagram, to.address));
}

void ControlThread::run(const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), name_.c_str());
    std::vector<pollfd> waiting;
    for (const Instance& one : instances_)
        waiting.push_back({.fd = one.socket.descriptor(), .events = POLLIN, .revents = 0});
    io::DatagramBatch batch(kBatch, kMaxDatagramBytes);
    while (!stop.stop_requested()) {
        if (::poll(waiting.data(), waiting.size(), kPatienceMs) <= 0) continue;
        for (std::size_t i = 0; i < instances_.size(); ++i) {
            if (waiting[i].revents == 0) continue;
            instances_[i].socket.receive(batch);
            for (const io::Datagram& datagram : batch.datagrams())
                if (datagram.source == instances_[i].address && !datagram.truncated)
                    received_(i, {datagram.bytes.begin(), datagram.bytes.end()});
        }
    }
}

}  // namespace earshot::client
