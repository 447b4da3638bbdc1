#include "io/media_claim.h"

#include <gtest/gtest.h>

#include "io/udp_socket.h"

namespace earshot::io {
namespace {

const std::string kUdp =
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode ref pointer drops             \n"
    "  441: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 "
    "11 2 0000000000000000 0         \n"
    " 1234: 010200C0:4E20 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 "
    "12 2 0000000000000000 0         \n";
const std::string kUdp6 =
    "  sl  local_address                         remote_address                        st\n"
    "  1: B80D0120000000000000000001000000:4E21 00000000000000000000000000000000:0000 07\n"
    "  2: 00000000000000000000000000000000:7530 00000000000000000000000000000000:0000 07\n";
const std::string kUnix =
    "Num       RefCount Protocol Flags    Type St Inode Path\n"
    "0000000000000000: 00000002 00000000 00000000 0002 01 21 /run/systemd/notify\n"
    "0000000000000000: 00000002 00000000 00000000 0002 01 22 @earshot-media/nonsense/1-2\n"
    "0000000000000000: 00000002 00000000 00000000 0002 01 23 "
    "@earshot-media/192.0.2.1/20000-29999\n"
    "0000000000000000: 00000002 00000000 00000000 0002 01 24 "
    "@earshot-media/2001:db8::1/40000-40001\n";

MediaRange range(const char* host, std::uint16_t first, std::uint16_t last) {
    return {.hosts = {*base::parse_host(host, 0)}, .first_port = first, .last_port = last};
}

TEST(MediaClaim, FindsASocketThatIsBoundInTheRangeAtOneOfItsHosts) {
    for (const char* host : {"192.0.2.1", "0.0.0.0"}) {
        const auto bound = find_bound(kUdp, range(host, 20000, 20001));
        ASSERT_TRUE(bound) << host;
        EXPECT_EQ(base::to_string(*bound), "192.0.2.1:20000");
    }
    EXPECT_FALSE(find_bound(kUdp, range("192.0.2.2", 20000, 20001)));
    EXPECT_FALSE(find_bound(kUdp, range("::", 20000, 20001)));
    EXPECT_FALSE(find_bound(kUdp, range("192.0.2.1", 20001, 65535)));
    EXPECT_FALSE(find_bound(kUdp, range("192.0.2.1", 1, 19999)));
}

TEST(MediaClaim, FindsIPv6SocketsAndThoseOfBothFamilies) {
    const auto six = find_bound(kUdp6, range("2001:db8::1", 20000, 20001));
    ASSERT_TRUE(six);
    EXPECT_EQ(base::to_string(*six), "[2001:db8::1]:20001");
    EXPECT_TRUE(find_bound(kUdp6, range("192.0.2.1", 30000, 30000)));
}

TEST(MediaClaim, FindsAClaimThatOverlaps) {
    EXPECT_EQ(find_claim(kUnix, range("192.0.2.1", 29999, 40000)), "192.0.2.1/20000-29999");
    EXPECT_EQ(find_claim(kUnix, range("0.0.0.0", 1, 20000)), "192.0.2.1/20000-29999");
    EXPECT_EQ(find_claim(kUnix, range("::", 1, 65535)), "2001:db8::1/40000-40001");
    EXPECT_FALSE(find_claim(kUnix, range("192.0.2.1", 30000, 40000)));
    EXPECT_FALSE(find_claim(kUnix, range("192.0.2.1", 1, 19999)));
    EXPECT_FALSE(find_claim(kUnix, range("192.0.2.2", 1, 65535)));
}

TEST(MediaClaim, TakesEachTruncationOfTheirText) {
    for (std::size_t size = 0; size < kUnix.size(); ++size)
        find_claim(kUnix.substr(0, size), range("0.0.0.0", 1, 65535));
    for (std::size_t size = 0; size < kUdp.find("010200C0:4E20") + 13; ++size)
        EXPECT_FALSE(find_bound(kUdp.substr(0, size), range("192.0.2.1", 20000, 20000))) << size;
    for (std::size_t size = 0; size < kUdp6.size(); ++size)
        find_bound(kUdp6.substr(0, size), range("::", 1, 65535));
}

TEST(MediaClaim, IsSeenWhileItLastsAndIsNobodyElses) {
    const MediaRange ours = range("127.0.0.77", 61000, 61099);
    EXPECT_FALSE(check_claims(ours));
    {
        const auto claim = MediaClaim::make(ours);
        ASSERT_TRUE(claim) << claim.error().text;
        const auto seen = check_claims(range("127.0.0.77", 61099, 61200));
        ASSERT_TRUE(seen);
        EXPECT_NE(seen->text.find("127.0.0.77/61000-61099"), std::string::npos) << seen->text;
        EXPECT_FALSE(MediaClaim::make(ours));
    }
    EXPECT_FALSE(check_claims(ours));
}

TEST(MediaClaim, ThisKernelShowsBoundSockets) {
    auto socket = UdpSocket::bind(*base::parse_net_address("127.0.0.77:0"));
    ASSERT_TRUE(socket);
    const std::uint16_t port = socket->local_address().port;
    const auto seen = check_bound(range("127.0.0.77", port, port));
    ASSERT_TRUE(seen);
    EXPECT_NE(seen->text.find(std::to_string(port)), std::string::npos) << seen->text;
    EXPECT_FALSE(check_bound(range("127.0.0.78", port, port)));
}

}  // namespace
}  // namespace earshot::io
