#include "io/socket_address.h"

#include <gtest/gtest.h>

namespace earshot::io {
namespace {

TEST(SocketAddress, GoesThereAndBackInBothFamilies) {
    for (const auto* text : {"192.0.2.1:4000", "[2001:db8::1]:65535", "0.0.0.0:0", "[::]:1"}) {
        const auto address = base::parse_net_address(text);
        ASSERT_TRUE(address) << text;
        const SocketAddress kernel = to_socket_address(*address);
        EXPECT_EQ(from_socket_address(kernel.storage), *address) << text;
        EXPECT_EQ(kernel.storage.ss_family, text[0] == '[' ? AF_INET6 : AF_INET);
    }
}

TEST(SocketAddress, IsUnspecifiedForAnotherFamily) {
    sockaddr_storage storage{};
    storage.ss_family = AF_UNIX;
    EXPECT_EQ(from_socket_address(storage), base::NetAddress{});
}

}  // namespace
}  // namespace earshot::io
