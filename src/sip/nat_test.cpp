#include "sip/nat.h"

#include <gtest/gtest.h>

namespace earshot::sip {
namespace {

base::NetAddress at(std::string_view host) { return base::parse_host(host, 5060).value(); }

TEST(Nat, KnowsTheEdgesOfPrivateNetworks) {
    for (const char* host :
         {"10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "100.64.0.1",
          "100.127.255.255", "169.254.1.1", "127.0.0.1", "0.0.0.0", "fc00::1", "fdff::1", "fe80::1",
          "febf::1", "::1", "::"})
        EXPECT_TRUE(is_private(at(host))) << host;
    for (const char* host :
         {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.1.1", "192.169.0.1",
          "100.63.255.255", "100.128.0.0", "169.253.1.1", "192.0.2.1", "2001:db8::1", "fec0::1"})
        EXPECT_FALSE(is_private(at(host))) << host;
}

TEST(Nat, APeerIsHiddenThatNamesAPrivateAddressFromElsewhere) {
    const base::NetAddress source = at("198.51.100.7");
    EXPECT_TRUE(is_hidden("192.168.1.5", source));
    EXPECT_TRUE(is_hidden("[fd00::5]", source));
    EXPECT_TRUE(is_hidden_uri("sip:ann@192.168.1.5:5070;ob", source));
    EXPECT_FALSE(is_hidden("198.51.100.7", source));
    EXPECT_FALSE(is_hidden("203.0.113.9", source));  // told on purpose
    EXPECT_FALSE(is_hidden("phone.example.com", source));
    EXPECT_FALSE(is_hidden("", source));
    EXPECT_FALSE(is_hidden_uri("tel:+4930", source));
    EXPECT_FALSE(is_hidden("192.168.1.5", at("192.168.1.5")));
}

// A proxy without Record-Route, and a phone behind the NAT of another private network.
TEST(Nat, WithinPrivateNetworksTheViaTellsWhoIsHidden) {
    const auto via = [](std::string_view text) { return *parse_via(text); };
    const base::NetAddress source = at("10.0.0.4");
    EXPECT_FALSE(is_hidden_hop("sip:b@10.0.0.5", via("SIP/2.0/UDP 10.0.0.4;branch=z"), source));
    EXPECT_TRUE(
        is_hidden_hop("sip:b@192.168.1.5", via("SIP/2.0/UDP 192.168.1.5;branch=z"), source));
    EXPECT_TRUE(is_hidden_hop("sip:b@10.0.0.5", via("SIP/2.0/UDP 198.51.100.7;branch=z"),
                              at("198.51.100.7")));
}

}  // namespace
}  // namespace earshot::sip
