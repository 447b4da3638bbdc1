#include "loadgen/media_socket.h"

#include <sys/socket.h>

#include <array>
#include <optional>

#include "io/socket_address.h"

namespace earshot::loadgen {
namespace {

using base::Errc;
using base::Error;

// The client's default range (design section 6); RTP ports are the even ones.
constexpr std::uint32_t kFirstPort = 20000;
constexpr std::uint32_t kPairs = 5000;

// An unbound descriptor and errno on failure.
base::Result<io::FileDescriptor> bind_one(base::NetAddress address, std::uint32_t port) {
    address.port = static_cast<std::uint16_t>(port);
    const io::SocketAddress native = io::to_socket_address(address);
    io::FileDescriptor socket{
        ::socket(native.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket.is_open()) return Error{Errc::Io, "socket", static_cast<std::size_t>(errno)};
    constexpr int kSendBuffer = 1 << 20;  // a batch must not meet a full buffer
    static_cast<void>(
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer));
    if (::bind(socket.get(), native.get(), native.size) != 0) {
        return Error{Errc::Io, "bind", static_cast<std::size_t>(errno)};
    }
    return socket;
}

constexpr std::size_t kBatch = 64;

std::size_t send_batch(int socket, std::span<const OutgoingDatagram> datagrams) {
    std::array<mmsghdr, kBatch> headers{};
    std::array<iovec, kBatch> vectors{};
    std::array<io::SocketAddress, kBatch> addresses{};
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
        addresses[i] = io::to_socket_address(datagrams[i].to);
        const base::ByteView bytes = datagrams[i].bytes;
        // The kernel only reads it, but iovec has no const.
        vectors[i].iov_base = const_cast<std::uint8_t*>(bytes.data());
        vectors[i].iov_len = bytes.size();
        headers[i].msg_hdr.msg_name = addresses[i].get();
        headers[i].msg_hdr.msg_namelen = addresses[i].size;
        headers[i].msg_hdr.msg_iov = &vectors[i];
        headers[i].msg_hdr.msg_iovlen = 1;
    }
    std::size_t taken = 0;
    std::size_t at = 0;
    while (at < datagrams.size()) {
        const int sent = ::sendmmsg(socket, headers.data() + at,
                                    static_cast<unsigned>(datagrams.size() - at), 0);
        if (sent > 0) {
            taken += static_cast<std::size_t>(sent);
            at += static_cast<std::size_t>(sent);
        } else {
            ++at;  // this one was refused (an old ICMP error, a full buffer): the others go on
        }
    }
    return taken;
}

std::size_t send_all(int socket, std::span<const OutgoingDatagram> datagrams) {
    std::size_t taken = 0;
    while (!datagrams.empty()) {
        const std::size_t count = std::min(kBatch, datagrams.size());
        taken += send_batch(socket, datagrams.first(count));
        datagrams = datagrams.subspan(count);
    }
    return taken;
}

}  // namespace

base::Result<MediaSocketPair> MediaSocketPair::bind(const base::NetAddress& host,
                                                    base::Random& random) {
    const std::uint32_t first = random.u32() % kPairs;
    for (std::uint32_t i = 0; i < kPairs; ++i) {
        const std::uint32_t port = kFirstPort + 2 * ((first + i) % kPairs);
        auto rtp = bind_one(host, port);
        if (!rtp && rtp.error().detail != EADDRINUSE) return rtp.error();
        if (!rtp) continue;
        auto rtcp = bind_one(host, port + 1);
        if (!rtcp) continue;
        base::NetAddress address = host;
        address.port = static_cast<std::uint16_t>(port);
        return MediaSocketPair{*std::move(rtp), *std::move(rtcp), address};
    }
    return Error{Errc::Full, "no free pair of ports"};
}

std::size_t MediaSocketPair::send_rtp(std::span<const OutgoingDatagram> datagrams) const {
    return send_all(rtp_.get(), datagrams);
}

std::optional<IncomingDatagram> MediaSocketPair::receive_rtp(std::span<std::uint8_t> buffer) const {
    io::SocketAddress from;
    from.size = sizeof from.storage;
    const ssize_t size =
        ::recvfrom(rtp_.get(), buffer.data(), buffer.size(), 0, from.get(), &from.size);
    // An ICMP error of what was sent before is reported once.
    if (size < 0 && errno == ECONNREFUSED) return receive_rtp(buffer);
    if (size < 0) return std::nullopt;
    return IncomingDatagram{base::ByteView(buffer).first(static_cast<std::size_t>(size)),
                            io::from_socket_address(from.storage)};
}

std::size_t MediaSocketPair::send_rtcp(std::span<const OutgoingDatagram> datagrams) const {
    return send_all(rtcp_.get(), datagrams);
}

}  // namespace earshot::loadgen
