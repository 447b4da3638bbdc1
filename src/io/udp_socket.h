// UDP sockets for media: non-blocking, read in batches on a timer (a drain), never by readiness.
// With a drain period of 200 ms only the kernel knows when a packet arrived, so each datagram comes
// with its SO_TIMESTAMPNS stamp. Linux only. A socket belongs to one thread at a time.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/net_address.h"
#include "base/result.h"
#include "io/file_descriptor.h"

namespace earshot::io {

// One received datagram. Borrowed from the DatagramBatch until its next use.
struct Datagram {
    std::span<std::uint8_t> bytes;  // writable, so that what must not stay can be wiped
    base::NetAddress source;
    std::int64_t arrival_ns = 0;  // CLOCK_REALTIME of the kernel; 0 when it gave none
    bool truncated = false;       // longer than the batch's max_bytes; the rest is gone
};

// Buffers for recvmmsg, allocated once and used for all sockets of a thread.
class DatagramBatch {
public:
    DatagramBatch(std::size_t count, std::size_t max_bytes);
    DatagramBatch(const DatagramBatch&) = delete;
    DatagramBatch& operator=(const DatagramBatch&) = delete;
    ~DatagramBatch();

    std::size_t capacity() const { return count_; }
    // What the last receive() brought.
    std::span<Datagram> datagrams() { return {received_.data(), received_count_}; }
    // Fills the batch with what waits at a socket of any owner, without blocking, and returns how
    // many; 0 also when it fails again and again. Arrival times are UdpSocket's to read.
    std::size_t receive(int socket);

private:
    friend class UdpSocket;
    struct Kernel;  // the mmsghdr, iovec, address and control arrays
    std::size_t count_;
    std::size_t received_count_ = 0;
    std::vector<std::uint8_t> storage_;
    std::vector<Datagram> received_;
    std::unique_ptr<Kernel> kernel_;
};

// What the kernel tells with each datagram: its stamp and how many were dropped before it.
inline constexpr std::size_t kMediaControlBytes =
    CMSG_SPACE(sizeof(timespec)) + CMSG_SPACE(sizeof(std::uint32_t));

struct UdpOptions {
    int receive_buffer_bytes = 0;  // 0: the system's default (5 s of G.711)
    bool is_stamped = true;        // arrivals and drops are told with each datagram, which costs
};

class UdpSocket {
public:
    // Errors carry errno: EADDRINUSE, EADDRNOTAVAIL, EMFILE. Port 0: the kernel chooses.
    static base::Result<UdpSocket> bind(const base::NetAddress& local,
                                        const UdpOptions& options = {});

    // Fills the batch with what waits, without blocking; returns how many. Fewer than the batch's
    // capacity means that the socket was empty. An error that stays counts as empty.
    std::size_t receive(DatagramBatch& batch);

    // Reads what came with a datagram of this socket: counts drops, returns its arrival.
    std::int64_t take_control(msghdr& header);

    // Throws away what waits without copying a byte of it into this process; returns how many.
    std::size_t discard();

    // A datagram that does not fit into the send buffer is lost, as on the wire.
    base::Result<base::Done> send(base::ByteView bytes, const base::NetAddress& to);

    const base::NetAddress& local_address() const { return local_; }
    // What the kernel really gives, its own overhead included (SO_RCVBUF as read back).
    int receive_buffer_bytes() const { return receive_buffer_bytes_; }
    // Asks for so much where it has less; returns what there is then. Beyond net.core.rmem_max with
    // CAP_NET_ADMIN alone.
    int grow_receive_buffer(int bytes);
    // Datagrams that the kernel dropped because the buffer was full (SO_RXQ_OVFL), as of the last
    // datagram received.
    std::uint64_t kernel_drops() const { return kernel_drops_; }
    int descriptor() const { return fd_.get(); }  // borrowed
    void close() { fd_.close(); }                 // nothing else is called after it

private:
    friend struct UdpPair;
    UdpSocket(FileDescriptor fd, const base::NetAddress& local, int receive_buffer_bytes)
        : fd_(std::move(fd)), local_(local), receive_buffer_bytes_(receive_buffer_bytes) {}

    FileDescriptor fd_;
    base::NetAddress local_;
    int receive_buffer_bytes_;
    std::uint64_t kernel_drops_ = 0;
    std::uint32_t last_drop_count_ = 0;  // the kernel's counter has 32 bits and wraps
};

enum class SocketKind : std::uint8_t { Rtp, Rtcp };

// RTP on an even port and RTCP on the next (RFC 3550 section 11).
struct UdpPair {
    UdpSocket rtp;
    UdpSocket rtcp;

    UdpSocket& operator[](SocketKind kind) { return kind == SocketKind::Rtp ? rtp : rtcp; }

    // Throws away what waits at both: one system call when, as nearly always, nothing does.
    void discard();
};
base::Result<UdpPair> bind_udp_pair(const base::NetAddress& rtp_address,
                                    const UdpOptions& options = {},
                                    const UdpOptions& rtcp_options = {});

}  // namespace earshot::io
