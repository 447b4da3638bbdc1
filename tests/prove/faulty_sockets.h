// What the library of faulty sockets (faulty_sockets.cpp) and the program that uses it
// (prove_sockets.cpp) share: the kinds of socket calls, the environment that names a fault, and a
// file that both map.
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <vector>

namespace earshot::prove {

enum class CallKind : std::uint8_t {
    Socket,
    Bind,
    Listen,
    Accept,
    Connect,
    SetOption,
    GetOption,
    GetName,
    ReceiveMany,  // recvmmsg, where a datagram waits
    Receive,      // recv, recvfrom, recvmsg, where something waits
    Send,
    Poll,
    EpollWait,
    EpollAdd,
    UringSetUp,
    UringRegister,
    UringSubmit,
    UringReceive,  // a receive that is given to io_uring
};

// Not an error: the call is made, for less than was asked (one datagram, one octet).
inline constexpr int kShort = 0;

struct Kind {
    std::string_view name;
    std::vector<int> faults;  // what Linux fails such a call with
};

inline constexpr std::size_t kKinds = 18;

inline const std::array<Kind, kKinds>& kinds() {
    static const std::array<Kind, kKinds> all{{
        {"socket", {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
        {"bind", {EADDRINUSE, ENOMEM}},
        {"listen", {EADDRINUSE}},
        {"accept", {EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EINTR, EPROTO}},
        {"connect", {ECONNREFUSED, EADDRNOTAVAIL, ENETUNREACH, EINTR}},
        {"setsockopt", {ENOBUFS, ENOMEM, ENOPROTOOPT}},
        {"getsockopt", {ENOBUFS, ENOMEM}},
        {"getsockname", {ENOBUFS}},
        {"recvmmsg", {kShort, EINTR, ENOMEM, ENOBUFS, ECONNREFUSED}},
        {"recv", {kShort, EINTR, ENOMEM, ENOBUFS, ECONNRESET}},
        {"send", {kShort, EINTR, ENOMEM, ENOBUFS, ECONNREFUSED, ECONNRESET, EPERM, EAGAIN}},
        {"poll", {EINTR, ENOMEM}},
        {"epoll_wait", {EINTR}},
        {"epoll_add", {ENOMEM, ENOSPC}},
        {"uring_setup", {ENOMEM, EPERM}},
        {"uring_register", {ENOMEM, EINVAL}},
        {"uring_submit", {EAGAIN, EBUSY, ENOMEM, EINTR}},
        {"uring_receive", {ENOBUFS, EBADF}},
    }};
    return all;
}

// KIND:N:TIMES:ERROR, all numbers: the N-th call of that kind, counted from 1, and TIMES - 1 after
// it fail.
inline constexpr const char* kFaultVariable = "FAULTY_SOCKETS";
// The file that holds a Report, made by the reader.
inline constexpr const char* kReportVariable = "FAULTY_SOCKETS_REPORT";

struct Report {
    std::array<std::atomic<std::uint64_t>, kKinds> calls{};
    std::atomic<std::uint64_t> failed{0};
};

}  // namespace earshot::prove
