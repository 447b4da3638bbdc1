#include "io/media_traffic.h"

#include <gtest/gtest.h>
#include <linux/bpf_common.h>
#include <sys/socket.h>

#include "io/file_descriptor.h"
#include "io/limits.h"

namespace earshot::io {
namespace {

MediaTraffic traffic_of(std::size_t addresses, std::size_t interfaces) {
    MediaTraffic traffic;
    for (std::size_t i = 0; i < addresses; ++i) {
        base::NetAddress address = *base::parse_net_address("[2001:db8::1]:0");
        address.ip[15] = static_cast<std::uint8_t>(i);
        traffic.addresses.push_back(address);
    }
    for (std::size_t i = 0; i < interfaces; ++i)
        traffic.interfaces.push_back(
            {.name = "eth" + std::to_string(i), .index = static_cast<std::uint32_t>(i + 1)});
    traffic.first_port = 20000;
    traffic.last_port = 29999;
    traffic.max_ip_bytes = kMaxRingPacketBytes;
    return traffic;
}

TEST(MediaTraffic, TakesAsManyAddressesAndInterfacesAsItsLimitsSayAndNoMore) {
    EXPECT_FALSE(check_limits(traffic_of(kMaxRingAddresses, kMaxRingInterfaces)));
    const auto addresses = check_limits(traffic_of(kMaxRingAddresses + 1, 1));
    ASSERT_TRUE(addresses);
    EXPECT_EQ(addresses->code, "too_many_addresses");
    EXPECT_TRUE(check_limits(traffic_of(1, kMaxRingInterfaces + 1)));
}

// All jumps lie within the program and forward, as the kernel demands: none was cut to 8 bits.
TEST(MediaTraffic, TheLongestFilterIsOneThatTheKernelTakes) {
    std::vector<sock_filter> code = make_filter(traffic_of(kMaxRingAddresses, kMaxRingInterfaces));
    const auto ends = [&](std::size_t at) {
        return at < code.size() && (BPF_CLASS(code[at].code) != BPF_JMP || at + 1 < code.size());
    };
    for (std::size_t i = 0; i < code.size(); ++i) {
        if (BPF_CLASS(code[i].code) != BPF_JMP) continue;
        EXPECT_TRUE(ends(i + 1 + code[i].jt)) << i;
        EXPECT_TRUE(ends(i + 1 + code[i].jf)) << i;
    }
    const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sock_fprog program{.len = static_cast<unsigned short>(code.size()),
                             .filter = code.data()};
    EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program),
              0);
}

// The last address is looked for behind all the others.
TEST(MediaTraffic, EachJumpToAVerdictEndsAtOne) {
    const std::vector<sock_filter> code =
        make_filter(traffic_of(kMaxRingAddresses, kMaxRingInterfaces));
    ASSERT_EQ(code.back().k, 0U);
    // The first test (to this host) refuses by the farthest jump of all; it must reach the end.
    ASSERT_EQ(BPF_CLASS(code[1].code), BPF_JMP);
    EXPECT_EQ(std::size_t{2} + code[1].jf, code.size() - 1);
}

}  // namespace
}  // namespace earshot::io
