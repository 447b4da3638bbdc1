#include "server/start_target.h"

#include <gtest/gtest.h>

#include "server/limits.h"

namespace earshot::server {
namespace {

TEST(StartTarget, IsAFlowByAddressPortAndTransport) {
    const auto flow = find_flow("sip:sbc@192.0.2.10");
    ASSERT_TRUE(flow.has_value());
    EXPECT_EQ(base::to_string(flow->remote), "192.0.2.10:5060");
    EXPECT_EQ(flow->transport, sip::Transport::Udp);
    const auto tcp = find_flow("sip:[2001:db8::1]:5070;transport=TCP");
    ASSERT_TRUE(tcp.has_value());
    EXPECT_EQ(base::to_string(tcp->remote), "[2001:db8::1]:5070");
    EXPECT_EQ(tcp->transport, sip::Transport::Tcp);
}

TEST(StartTarget, RefusesWhatCannotBeAsked) {
    for (const char* uri :
         {"", "sbc", "tel:+1", "sips:sbc@192.0.2.10", "sip:sbc@192.0.2.10;transport=tls",
          "sip:sbc@sbc.example", "sip:sbc@0.0.0.0", "sip:sbc@224.0.0.1", "sip:sbc@[ff02::1]",
          "sip:sbc@192.0.2.10?Replaces=x", "sip:a@192.0.2.10>\r\nX: y"}) {
        const auto flow = find_flow(uri);
        ASSERT_FALSE(flow.has_value()) << uri;
        EXPECT_EQ(flow.error().code, "bad_request") << uri;
        EXPECT_FALSE(flow.error().text.empty());
    }
}

TEST(StartTarget, HasALimit) {
    const std::string start = "sip:";
    const std::string end = "@192.0.2.10";
    const std::string user(kMaxTargetBytes - start.size() - end.size(), 'u');
    EXPECT_TRUE(find_flow(start + user + end).has_value());
    EXPECT_FALSE(find_flow(start + user + "u" + end).has_value());
    EXPECT_TRUE(is_call_reference(std::string(kMaxTargetBytes, 'c')));
    EXPECT_FALSE(is_call_reference(std::string(kMaxTargetBytes + 1, 'c')));
}

TEST(CallReference, IsACallIdWithOrWithoutTags) {
    EXPECT_TRUE(is_call_reference("a84b4c76e66710@pc33.example.com"));
    EXPECT_TRUE(is_call_reference("a84b4c76;local-tag=xyz;remote-tag=1234"));
    for (const char* bad : {"", ";local-tag=x", "a b", "a,b", "a\r\nX: y", "a\xc3\xbc"})
        EXPECT_FALSE(is_call_reference(bad)) << bad;
}

}  // namespace
}  // namespace earshot::server
