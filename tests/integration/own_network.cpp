#include "integration/own_network.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "io/file_descriptor.h"

namespace earshot::test {

namespace {

// Set once, before main() begins with the tests.
bool& is_own() {
    static bool own = false;
    return own;
}

ifreq loopback() {
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", sizeof request.ifr_name - 1);
    return request;
}

}  // namespace

bool enter_own_network() {
    if (::unshare(CLONE_NEWNET) != 0) return false;
    const io::FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request = loopback();
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
    is_own() = ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
    return is_own();
}

bool has_own_network() { return is_own(); }

void stay_on_one_cpu() {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ::sched_setaffinity(0, sizeof one, &one);
}

void wait_for_arrival() {
    const io::FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(socket.get(), generic, size), 0);
    ASSERT_EQ(::getsockname(socket.get(), generic, &size), 0);
    char byte = 0;
    ASSERT_EQ(::sendto(socket.get(), &byte, 1, 0, generic, size), 1);
    ASSERT_EQ(::recv(socket.get(), &byte, 1, 0), 1);
}

void set_loopback_mtu(int bytes) {
    ASSERT_TRUE(has_own_network());
    const io::FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request = loopback();
    request.ifr_mtu = bytes;
    ASSERT_EQ(::ioctl(socket.get(), SIOCSIFMTU, &request), 0);
}

}  // namespace earshot::test

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    earshot::test::enter_own_network();
    return RUN_ALL_TESTS();
}
