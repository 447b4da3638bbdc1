// Sockets that fail on demand: a library that is loaded before the C library (LD_PRELOAD) into the
// real server, as io/faulty_file.h is put in the place of the disk. The C library is the one seam
// that all sockets share: ours, Asio's, Beast's, those of io_uring and of the packet ring.
//
// Fault model:
//  - Calls are counted by kind also when nothing fails, so that a run without a fault tells how far
//  n can go. Of receiving
//    only calls that have something to give are counted: most looks at media sockets find nothing.
//  - A call that fails is not made: what it would have read stays in the socket.
//  - A short one is made for one datagram or octet. Datagrams themselves are never cut.
//  - Of io_uring a submission fails as a whole, or a receive is given a descriptor or a group of
//  buffers that does not
//    exist, so that the kernel itself refuses it.
#include "prove/faulty_sockets.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace {

using earshot::prove::CallKind;
using earshot::prove::kShort;
using earshot::prove::Report;

struct Plan {
    unsigned kind = 0;
    unsigned long long first = 0;
    unsigned long long times = 0;
    int error = 0;
};

Plan read_plan() {
    Plan plan;
    const char* text = std::getenv(earshot::prove::kFaultVariable);
    if (text == nullptr || std::sscanf(text, "%u:%llu:%llu:%d", &plan.kind, &plan.first,
                                       &plan.times, &plan.error) != 4)
        return {};
    return plan;
}

Report* map_report() {
    const char* path = std::getenv(earshot::prove::kReportVariable);
    const int file = path == nullptr ? -1 : ::open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) std::abort();  // a proof without figures proves nothing
    void* memory = ::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) std::abort();
    ::close(file);
    return static_cast<Report*>(memory);
}

// Counts a call; the error that it is to fail with, or kShort; none: it is made as it is.
std::optional<int> next_fault(CallKind kind) {
    static const Plan plan = read_plan();
    static Report* const report = map_report();
    const auto number = static_cast<unsigned>(kind);
    const std::uint64_t call = 1 + report->calls[number].fetch_add(1);
    if (number != plan.kind || call < plan.first || call >= plan.first + plan.times)
        return std::nullopt;
    report->failed.fetch_add(1);
    return plan.error;
}

template <class Function>
Function* next(Function* /*own*/, const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
#define REAL(function) (*next(&function, #function))

// For calls that succeed with 0 and know no short form.
bool fails(CallKind kind) {
    const auto fault = next_fault(kind);
    if (fault) errno = *fault;
    return fault.has_value();
}

// SOCK_STREAM, for one; 0: no socket.
int type_of(int descriptor) {
    int type = 0;
    socklen_t size = sizeof type;
    const int before = errno;
    static_cast<void>(REAL(getsockopt)(descriptor, SOL_SOCKET, SO_TYPE, &type, &size));
    errno = before;
    return type;
}
bool is_socket(int descriptor) { return type_of(descriptor) != 0; }
bool is_stream(int socket) { return type_of(socket) == SOCK_STREAM; }

// Whether a receive would find something: else it is no call to fail.
bool has_something(int socket) {
    pollfd one{.fd = socket, .events = POLLIN, .revents = 0};
    const int before = errno;
    const bool has = REAL(poll)(&one, 1, 0) == 1;
    errno = before;
    return has;
}

// How a receive or send is to be made: not at all (the errno is set), or for so many octets.
struct Transfer {
    bool is_failed = false;
    bool is_short = false;
};

Transfer next_transfer(CallKind kind, int socket) {
    const auto fault = next_fault(kind);
    if (!fault) return {};
    // A stream whose buffer is full takes a part: it would wait for ever for a room that it has.
    const bool is_part = *fault == kShort || (*fault == EAGAIN && is_stream(socket));
    if (is_part) return {.is_failed = false, .is_short = is_stream(socket)};
    errno = *fault;
    return {.is_failed = true, .is_short = false};
}

Transfer next_receive(int socket) {
    return has_something(socket) ? next_transfer(CallKind::Receive, socket) : Transfer{};
}

// The first octet of the first buffer that has any.
struct OneOctet {
    explicit OneOctet(const msghdr& whole) : header(whole) {
        for (std::size_t i = 0; i < whole.msg_iovlen && buffer.iov_len == 0; ++i)
            if (whole.msg_iov[i].iov_len > 0)
                buffer = {.iov_base = whole.msg_iov[i].iov_base, .iov_len = 1};
        header.msg_iov = &buffer;
        header.msg_iovlen = 1;
    }
    OneOctet(const OneOctet&) = delete;
    OneOctet& operator=(const OneOctet&) = delete;
    msghdr header;
    iovec buffer{};
};

}  // namespace

extern "C" {

int socket(int domain, int type, int protocol) noexcept {
    return fails(CallKind::Socket) ? -1 : REAL(socket)(domain, type, protocol);
}

int bind(int fd, const sockaddr* address, socklen_t size) noexcept {
    return fails(CallKind::Bind) ? -1 : REAL(bind)(fd, address, size);
}

int listen(int fd, int backlog) noexcept {
    return fails(CallKind::Listen) ? -1 : REAL(listen)(fd, backlog);
}

// Asio accepts until nothing waits; counted are those that find somebody.
int accept(int fd, sockaddr* address, socklen_t* size) {
    if (has_something(fd) && fails(CallKind::Accept)) return -1;
    return REAL(accept)(fd, address, size);
}

int connect(int fd, const sockaddr* address, socklen_t size) {
    return fails(CallKind::Connect) ? -1 : REAL(connect)(fd, address, size);
}

int setsockopt(int fd, int level, int option, const void* value, socklen_t size) noexcept {
    return fails(CallKind::SetOption) ? -1 : REAL(setsockopt)(fd, level, option, value, size);
}

int getsockopt(int fd, int level, int option, void* value, socklen_t* size) noexcept {
    return fails(CallKind::GetOption) ? -1 : REAL(getsockopt)(fd, level, option, value, size);
}

int getsockname(int fd, sockaddr* address, socklen_t* size) noexcept {
    return fails(CallKind::GetName) ? -1 : REAL(getsockname)(fd, address, size);
}

int getpeername(int fd, sockaddr* address, socklen_t* size) noexcept {
    return fails(CallKind::GetName) ? -1 : REAL(getpeername)(fd, address, size);
}

int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
    const auto fault = has_something(fd) ? next_fault(CallKind::ReceiveMany) : std::optional<int>{};
    if (fault == kShort) count = 1;
    if (fault && *fault != kShort) {
        errno = *fault;
        return -1;
    }
    return REAL(recvmmsg)(fd, messages, count, flags, timeout);
}

ssize_t recv(int fd, void* buffer, size_t size, int flags) {
    const Transfer transfer = next_receive(fd);
    if (transfer.is_failed) return -1;
    return REAL(recv)(fd, buffer, transfer.is_short ? 1 : size, flags);
}

ssize_t recvfrom(int fd, void* buffer, size_t size, int flags, sockaddr* address,
                 socklen_t* address_size) {
    const Transfer transfer = next_receive(fd);
    if (transfer.is_failed) return -1;
    return REAL(recvfrom)(fd, buffer, transfer.is_short ? 1 : size, flags, address, address_size);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
    const Transfer transfer = next_receive(fd);
    if (transfer.is_failed) return -1;
    if (!transfer.is_short) return REAL(recvmsg)(fd, message, flags);
    OneOctet one(*message);
    return REAL(recvmsg)(fd, &one.header, flags);
}

ssize_t send(int fd, const void* buffer, size_t size, int flags) {
    const Transfer transfer = next_transfer(CallKind::Send, fd);
    if (transfer.is_failed) return -1;
    return REAL(send)(fd, buffer, transfer.is_short ? 1 : size, flags);
}

ssize_t sendto(int fd, const void* buffer, size_t size, int flags, const sockaddr* address,
               socklen_t address_size) {
    const Transfer transfer = next_transfer(CallKind::Send, fd);
    if (transfer.is_failed) return -1;
    return REAL(sendto)(fd, buffer, transfer.is_short ? 1 : size, flags, address, address_size);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    const Transfer transfer = next_transfer(CallKind::Send, fd);
    if (transfer.is_failed) return -1;
    if (!transfer.is_short) return REAL(sendmsg)(fd, message, flags);
    const OneOctet one(*message);
    return REAL(sendmsg)(fd, &one.header, flags);
}

int poll(pollfd* descriptors, nfds_t count, int timeout) {
    return fails(CallKind::Poll) ? -1 : REAL(poll)(descriptors, count, timeout);
}

int epoll_wait(int fd, epoll_event* events, int count, int timeout) {
    return fails(CallKind::EpollWait) ? -1 : REAL(epoll_wait)(fd, events, count, timeout);
}

// Asio does not look whether its own timer and event descriptors were taken.
int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
    if (operation == EPOLL_CTL_ADD && is_socket(fd) && fails(CallKind::EpollAdd)) return -1;
    return REAL(epoll_ctl)(epoll, operation, fd, event);
}

// ---- io_uring: liburing's functions, as the system calls are made inside it.

int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* params) {
    if (const auto fault = next_fault(CallKind::UringSetUp)) return -*fault;
    return REAL(io_uring_queue_init_params)(entries, ring, params);
}

int io_uring_register_buf_ring(io_uring* ring, io_uring_buf_reg* buffers, unsigned flags) {
    if (const auto fault = next_fault(CallKind::UringRegister)) return -*fault;
    return REAL(io_uring_register_buf_ring)(ring, buffers, flags);
}

int io_uring_submit(io_uring* ring) {
    if (const auto fault = next_fault(CallKind::UringSubmit)) return -*fault;
    const io_uring_sq& queue = ring->sq;
    constexpr std::uint16_t kNoGroup = 999;
    for (unsigned i = queue.sqe_tail - io_uring_sq_ready(ring); i != queue.sqe_tail; ++i) {
        io_uring_sqe& entry = queue.sqes[i & *queue.kring_mask];
        if (entry.opcode != IORING_OP_RECVMSG) continue;
        const auto fault = next_fault(CallKind::UringReceive);
        if (fault == ENOBUFS) entry.buf_group = kNoGroup;
        if (fault == EBADF) entry.fd = -1;
    }
    return REAL(io_uring_submit)(ring);
}

long syscall(long number, ...) noexcept {
    std::va_list list;
    va_start(list, number);
    std::array<long, 6> a{};
    for (long& argument : a) argument = va_arg(list, long);
    va_end(list);
    if (number == SYS_io_uring_register && fails(CallKind::UringRegister)) return -1;
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // extern "C"
