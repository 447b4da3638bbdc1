#include "server/own_addresses.h"

#include <gtest/gtest.h>

namespace earshot::server {
namespace {

base::NetAddress address(const char* text) { return *base::parse_net_address(text); }

OwnAddresses make(std::vector<base::NetAddress> advertised,
                  std::vector<base::NetAddress> listeners) {
    const auto route = [](const base::NetAddress& remote) -> base::Result<base::NetAddress> {
        if (!remote.is_v4()) return base::Error{base::Errc::Io, "no route"};
        return address("10.0.0.2:0");
    };
    return {std::move(advertised), std::move(listeners), route};
}

TEST(OwnAddresses, AreThoseThatListenersAreBoundTo) {
    const auto own = make({}, {address("192.0.2.7:5060")});
    EXPECT_EQ(base::to_string(own.signalling(0)), "192.0.2.7:5060");
    EXPECT_EQ(base::host_to_string(own.media({.remote = address("192.0.2.9:5060")}).usual),
              "192.0.2.7");
    EXPECT_TRUE(own.media({.remote = address("192.0.2.9:5060")}).other.is_unspecified());
}

TEST(OwnAddresses, BehindANatAreTheAdvertisedOfTheFamily) {
    const auto own = make({address("203.0.113.7:0"), address("[2001:db8::7]:5080")},
                          {address("10.0.0.2:5062"), address("[::]:5062")});
    EXPECT_EQ(base::to_string(own.signalling(0)), "203.0.113.7:5062");
    EXPECT_EQ(base::to_string(own.signalling(1)), "[2001:db8::7]:5080");
    const sip::Flow flow{.listener = 1, .remote = address("[2001:db8::9]:5060")};
    EXPECT_EQ(base::to_string(own.media(flow).usual), "[2001:db8::7]:0");
    EXPECT_EQ(base::to_string(own.media(flow).other), "203.0.113.7:0");
}

TEST(OwnAddresses, OfListenersBoundToAllAreFoundByTheRoute) {
    const auto own = make({}, {address("0.0.0.0:5060"), address("[::]:5060")});
    EXPECT_EQ(base::to_string(own.signalling(0)), "10.0.0.2:5060");
    EXPECT_EQ(base::to_string(own.signalling(1)), "[::1]:5060");  // no route: nobody comes
    const sip::Flow flow{.remote = address("192.0.2.9:5060")};
    EXPECT_EQ(base::to_string(own.media(flow).usual), "10.0.0.2:0");
    EXPECT_TRUE(own.media(flow).other.is_unspecified());
}

TEST(OwnAddresses, KnowWhatComesBackToUs) {
    const auto bound = make({}, {address("192.0.2.7:5060"), address("[2001:db8::7]:5070")});
    EXPECT_TRUE(bound.is_own(address("192.0.2.7:5060")));
    EXPECT_TRUE(bound.is_own(address("[2001:db8::7]:5070")));
    EXPECT_FALSE(bound.is_own(address("192.0.2.7:5061")));  // another server of this host
    EXPECT_FALSE(bound.is_own(address("192.0.2.8:5060")));
    EXPECT_FALSE(bound.is_own(address("127.0.0.1:5060")));
    const auto all = make({}, {address("0.0.0.0:5060")});
    EXPECT_TRUE(all.is_own(address("10.0.0.2:5060")));
    EXPECT_TRUE(all.is_own(address("127.0.0.5:5060")));
    EXPECT_FALSE(all.is_own(address("10.0.0.3:5060")));
    EXPECT_FALSE(all.is_own(address("10.0.0.2:5070")));
    EXPECT_FALSE(all.is_own(address("[::1]:5060")));
    const auto nat = make({address("203.0.113.7:0"), address("[2001:db8::7]:5080")},
                          {address("10.0.0.2:5062"), address("[::]:5062")});
    EXPECT_TRUE(nat.is_own(address("203.0.113.7:5062")));
    EXPECT_TRUE(nat.is_own(address("[2001:db8::7]:5080")));
    EXPECT_FALSE(nat.is_own(address("203.0.113.7:5060")));
    EXPECT_TRUE(nat.is_own(address("10.0.0.2:5062")));
}

}  // namespace
}  // namespace earshot::server
