#include "io/media_hosts.h"

#include <gtest/gtest.h>

namespace earshot::io {
namespace {

base::NetAddress address(std::string_view text) { return *base::parse_net_address(text); }

TEST(MediaHosts, AreTheOneHostOfAFamilyOrAll) {
    const auto one = find_media_hosts({address("192.0.2.7:5060"), address("192.0.2.7:5070")});
    EXPECT_EQ(base::to_string(one.usual), "192.0.2.7:0");
    EXPECT_FALSE(one.other);
    const auto both = find_media_hosts(
        {address("[2001:db8::7]:5060"), address("192.0.2.7:5060"), address("10.0.0.7:5060")});
    EXPECT_EQ(base::to_string(both.usual), "[2001:db8::7]:0");
    EXPECT_EQ(base::to_string(*both.other), "0.0.0.0:0");
}

}  // namespace
}  // namespace earshot::io
