#include "relay/socket_packet_io.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <system_error>
#include <thread>

namespace earshot::relay {

namespace {

constexpr std::size_t kEventsAtOnce = 256;

}  // namespace

base::Result<std::unique_ptr<SocketPacketIo>, base::Reason> SocketPacketIo::create() {
    std::unique_ptr<SocketPacketIo> made(new SocketPacketIo);
    made->epoll_ = io::FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
    made->wake_ = io::FileDescriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    made->events_.resize(kEventsAtOnce);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    if (!made->epoll_.is_open() || !made->wake_.is_open() ||
        ::epoll_ctl(made->epoll_.get(), EPOLL_CTL_ADD, made->wake_.get(), &event) != 0) {
        const std::string why = std::generic_category().message(errno);
        return base::Reason{.code = "no_descriptors",
                            .text = fmt::format("A relay worker cannot begin: {}.", why)};
    }
    return made;
}

bool SocketPacketIo::begin() {
    ::prctl(PR_SET_TIMERSLACK, 1'000);  // ns; by default a pause takes 50 us more
    return true;
}

bool SocketPacketIo::add(Port& port) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &port;
    port.is_read = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, port.socket.descriptor(), &event) == 0;
    return port.is_read;
}

void SocketPacketIo::remove(Port& port) {
    if (!port.is_read) return;
    static_cast<void>(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, port.socket.descriptor(), nullptr));
    port.is_read = false;
    for (epoll_event& event : std::span{events_}.first(ready_))
        if (event.data.ptr == &port) event.events = 0;
}

void SocketPacketIo::send(Port& port, base::ByteView bytes, const io::SocketAddress* to) {
    const sockaddr* address = to == nullptr ? nullptr : to->get();
    const socklen_t size = to == nullptr ? 0 : to->size;
    if (::sendto(port.socket.descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                 address, size) < 0)
        sink_->on_unsent(port, errno);
}

void SocketPacketIo::turn(Sink& sink, base::TimePoint now, std::chrono::milliseconds limit) {
    if (const auto pause = pace_.pause(now); pause.count() > 0) std::this_thread::sleep_for(pause);
    // Woken since the last turn, whose reading of the eventfd may have taken the news with it.
    if (is_woken_.load(std::memory_order_acquire)) limit = std::chrono::milliseconds{0};
    const int ready = ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                                   static_cast<int>(limit.count()));
    ready_ = static_cast<std::size_t>(std::max(ready, 0));
    sink_ = &sink;
    const base::TimePoint began =
        sink.on_turn(is_woken_.exchange(false, std::memory_order_acquire));
    std::size_t packets = 0;
    for (const epoll_event& event : std::span{events_}.first(ready_)) {
        if (event.events == 0) continue;  // it was removed
        if (event.data.ptr == nullptr) {
            eventfd_t count = 0;
            static_cast<void>(::eventfd_read(wake_.get(), &count));
            continue;
        }
        Port& port = *static_cast<Port*>(event.data.ptr);
        packets += batch_.receive(port.socket.descriptor());
        for (const io::Datagram& datagram : batch_.datagrams())
            if (!datagram.truncated) sink.on_packet(port, datagram.bytes, datagram.source);
    }
    sink.on_end();
    sink_ = nullptr;
    ready_ = 0;
    pace_.on_turn(began, packets);
}

void SocketPacketIo::wake() {
    // Who finds it woken already need not wake it: what is said before the next turn comes
    // together.
    if (is_woken_.exchange(true, std::memory_order_acq_rel)) return;
    static_cast<void>(::eventfd_write(wake_.get(), 1));
}

}  // namespace earshot::relay
