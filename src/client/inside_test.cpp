#include "client/inside.h"

#include <gtest/gtest.h>

namespace earshot::client {
namespace {

ClientConfig config() {
    ClientConfig config;
    config.sip_listen = {*base::parse_net_address("10.1.0.2:5060")};
    config.advertised = {*base::parse_host("198.51.100.1", 0)};
    config.advertised_except = {"10.1.*", "pbx.example.com"};
    return config;
}

TEST(Inside, IsWhoTheGlobsNameByAddressOrName) {
    EXPECT_TRUE(is_inside(config(), "10.1.0.9"));
    EXPECT_TRUE(is_inside(config(), "pbx.example.com"));
    EXPECT_FALSE(is_inside(config(), "10.2.0.9"));
    EXPECT_FALSE(is_inside(config(), "198.51.100.1"));
    EXPECT_FALSE(is_inside({}, "10.1.0.9"));
}

std::string media_told(const ClientConfig& config, std::vector<std::string> servers,
                       std::string media = {}) {
    policy::RecordingPlan plan;
    plan.settings.servers = std::move(servers);
    plan.settings.media = std::move(media);
    return as_servers_see_us(config, plan).settings.media;
}

TEST(Inside, ServersAreToldWhereWeAreOnlyIfAllOfThemAreInside) {
    EXPECT_EQ(media_told(config(), {"sip:rec@10.1.0.9", "sip:pbx.example.com:5070"}), "10.1.0.2");
    EXPECT_EQ(media_told(config(), {"sip:rec@10.1.0.9", "sip:rec@203.0.113.9"}), "");
    EXPECT_EQ(media_told(config(), {}), "");
    EXPECT_EQ(media_told(config(), {"sip:rec@10.1.0.9"}, "10.1.0.3"), "10.1.0.3");  // a rule's own
    ClientConfig open = config();
    open.advertised.clear();
    EXPECT_EQ(media_told(open, {"sip:rec@10.1.0.9"}), "");
}

}  // namespace
}  // namespace earshot::client
