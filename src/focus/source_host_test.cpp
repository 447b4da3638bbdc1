#include "focus/source_host.h"

#include <gtest/gtest.h>

namespace earshot::focus {
namespace {

TEST(SourceHost, TheNamedHostIsAloneFromItsFirstPacketOn) {
    const base::NetAddress named = *base::parse_net_address("192.0.2.7:20000");
    const base::NetAddress stranger = *base::parse_net_address("192.0.2.66:20000");
    SourceHost host;
    EXPECT_TRUE(host.admits(stranger, named));  // a plane behind an address of its own
    EXPECT_TRUE(host.admits(*base::parse_net_address("192.0.2.7:31000"), named));
    EXPECT_FALSE(host.admits(stranger, named));
    EXPECT_TRUE(host.admits(named, named));
}

}  // namespace
}  // namespace earshot::focus
