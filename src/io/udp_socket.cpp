#include "io/udp_socket.h"

#include <linux/sock_diag.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "io/limits.h"
#include "io/socket_address.h"

namespace earshot::io {

namespace {

base::Error system_error(std::string_view what) {
    return {base::Errc::Io, what, static_cast<std::size_t>(errno)};
}

bool set_option(int fd, int option, int value) {
    return ::setsockopt(fd, SOL_SOCKET, option, &value, sizeof value) == 0;
}

}  // namespace

struct DatagramBatch::Kernel {
    struct alignas(cmsghdr) Control {
        std::array<std::uint8_t, kMediaControlBytes> bytes;
    };
    std::vector<mmsghdr> messages;
    std::vector<iovec> buffers;
    std::vector<sockaddr_storage> sources;
    std::vector<Control> controls;
};

DatagramBatch::DatagramBatch(std::size_t count, std::size_t max_bytes)
    : count_(count),
      storage_(count * max_bytes),  // zeroed: pages are touched
      received_(count),
      kernel_(std::make_unique<Kernel>()) {
    kernel_->messages.resize(count);
    kernel_->buffers.resize(count);
    kernel_->sources.resize(count);
    kernel_->controls.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        kernel_->buffers[i] = {.iov_base = storage_.data() + i * max_bytes, .iov_len = max_bytes};
        msghdr& header = kernel_->messages[i].msg_hdr;
        header.msg_name = &kernel_->sources[i];
        header.msg_iov = &kernel_->buffers[i];
        header.msg_iovlen = 1;
        header.msg_control = kernel_->controls[i].bytes.data();
    }
}

DatagramBatch::~DatagramBatch() = default;

base::Result<UdpSocket> UdpSocket::bind(const base::NetAddress& local, const UdpOptions& options) {
    const SocketAddress address = to_socket_address(local);
    FileDescriptor fd(
        ::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.is_open()) return system_error("UDP socket");
    const int is_stamped = options.is_stamped ? 1 : 0;
    if (!set_option(fd.get(), SO_TIMESTAMPNS, is_stamped)) return system_error("SO_TIMESTAMPNS");
    if (!set_option(fd.get(), SO_RXQ_OVFL, is_stamped)) return system_error("SO_RXQ_OVFL");
    if (address.storage.ss_family == AF_INET6) {
        const int only = 1;  // a socket of one family: sources then compare as they were signalled
        if (::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0) {
            return system_error("IPV6_V6ONLY");
        }
    }
    // The kernel silently gives less than is asked for (net.core.rmem_max); it is read back.
    if (options.receive_buffer_bytes > 0 &&
        !set_option(fd.get(), SO_RCVBUF, options.receive_buffer_bytes)) {
        return system_error("SO_RCVBUF");
    }
    if (::bind(fd.get(), address.get(), address.size) != 0) return system_error("bind");

    int granted = 0;
    socklen_t granted_size = sizeof granted;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &granted, &granted_size) != 0) {
        return system_error("SO_RCVBUF");
    }
    SocketAddress bound;
    bound.size = sizeof bound.storage;
    if (::getsockname(fd.get(), bound.get(), &bound.size) != 0) return system_error("getsockname");
    return UdpSocket(std::move(fd), from_socket_address(bound.storage), granted);
}

int UdpSocket::grow_receive_buffer(int bytes) {
    // The kernel doubles what it is asked for, and reads back as doubled (socket(7)).
    if (receive_buffer_bytes_ >= bytes) return receive_buffer_bytes_;
    if (!set_option(fd_.get(), SO_RCVBUFFORCE, bytes / 2)) {
        const bool is_set = set_option(fd_.get(), SO_RCVBUF, bytes / 2);
        if (!is_set) return receive_buffer_bytes_;
    }
    int granted = 0;
    socklen_t size = sizeof granted;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &granted, &size) == 0)
        receive_buffer_bytes_ = granted;
    return receive_buffer_bytes_;
}

std::size_t DatagramBatch::receive(int socket) {
    for (mmsghdr& message : kernel_->messages) {
        message.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
        message.msg_hdr.msg_controllen = kMediaControlBytes;
    }
    int got = 0;
    int tries = 0;
    // An error says nothing of what waits: this may be the last look before the socket is closed.
    do {
        got = ::recvmmsg(socket, kernel_->messages.data(), static_cast<unsigned>(count_),
                         MSG_DONTWAIT, nullptr);
    } while (got < 0 && errno != EAGAIN && ++tries < kMaxReceiveTries);
    received_count_ = got > 0 ? static_cast<std::size_t>(got) : 0;
    for (std::size_t i = 0; i < received_count_; ++i) {
        received_[i] = {.bytes = {static_cast<std::uint8_t*>(kernel_->buffers[i].iov_base),
                                  kernel_->messages[i].msg_len},
                        .source = from_socket_address(kernel_->sources[i]),
                        .arrival_ns = 0,
                        .truncated = (kernel_->messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0};
    }
    return received_count_;
}

std::size_t UdpSocket::receive(DatagramBatch& batch) {
    batch.receive(fd_.get());
    for (std::size_t i = 0; i < batch.received_count_; ++i)
        batch.received_[i].arrival_ns = take_control(batch.kernel_->messages[i].msg_hdr);
    return batch.received_count_;
}

std::int64_t UdpSocket::take_control(msghdr& header) {
    std::int64_t arrival_ns = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET) continue;
        if (c->cmsg_type == SCM_TIMESTAMPNS) {
            timespec stamp{};
            std::memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            arrival_ns = std::int64_t{stamp.tv_sec} * 1'000'000'000 + stamp.tv_nsec;
        } else if (c->cmsg_type == SO_RXQ_OVFL) {
            std::uint32_t dropped = 0;
            std::memcpy(&dropped, CMSG_DATA(c), sizeof dropped);
            kernel_drops_ += dropped - last_drop_count_;
            last_drop_count_ = dropped;
        }
    }
    return arrival_ns;
}

std::size_t UdpSocket::discard() {
    // Buffers of no length: the kernel drops the datagrams where they are. The number at once is
    // small because each header has to be set up.
    constexpr std::size_t kAtOnce = 64;
    std::array<mmsghdr, kAtOnce> messages{};
    std::size_t count = 0;
    // A flood must not hold the thread here for ever; the next drain goes on.
    for (int round = 0; round < 64; ++round) {
        const int got = ::recvmmsg(fd_.get(), messages.data(), kAtOnce, MSG_DONTWAIT, nullptr);
        if (got <= 0) break;
        count += static_cast<std::size_t>(got);
        if (static_cast<std::size_t>(got) < kAtOnce) break;
    }
    // What overflowed meanwhile was thrown away as well and is nobody's loss.
    std::array<std::uint32_t, SK_MEMINFO_VARS> counters{};
    socklen_t size = sizeof(counters);
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_MEMINFO, counters.data(), &size) == 0 &&
        size > SK_MEMINFO_DROPS * sizeof(std::uint32_t))
        last_drop_count_ = counters[SK_MEMINFO_DROPS];
    return count;
}

base::Result<base::Done> UdpSocket::send(base::ByteView bytes, const base::NetAddress& to) {
    const SocketAddress address = to_socket_address(to);
    const ssize_t sent = ::sendto(fd_.get(), bytes.data(), bytes.size(),
                                  MSG_DONTWAIT | MSG_NOSIGNAL, address.get(), address.size);
    if (sent < 0) return system_error("sendto");
    return base::Done{};
}

void UdpPair::discard() {
    std::array<pollfd, 2> ready{{{.fd = rtp.fd_.get(), .events = POLLIN, .revents = 0},
                                 {.fd = rtcp.fd_.get(), .events = POLLIN, .revents = 0}}};
    if (::poll(ready.data(), ready.size(), 0) == 0) return;
    rtp.discard();
    rtcp.discard();
}

base::Result<UdpPair> bind_udp_pair(const base::NetAddress& rtp_address, const UdpOptions& options,
                                    const UdpOptions& rtcp_options) {
    base::NetAddress rtcp_address = rtp_address;
    ++rtcp_address.port;
    auto rtp = UdpSocket::bind(rtp_address, options);
    if (!rtp) return rtp.error();
    auto rtcp = UdpSocket::bind(rtcp_address, rtcp_options);
    if (!rtcp) return rtcp.error();
    return UdpPair{.rtp = std::move(*rtp), .rtcp = std::move(*rtcp)};
}

}  // namespace earshot::io
