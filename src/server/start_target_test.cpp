#include "server/start_target.h"

#include <gtest/gtest.h>

#include "server/limits.h"

namespace earshot::server {
namespace {

TEST(StartTarget, IsAnAddressWithPortAndTransport) {
    const auto target = read_target("sip:sbc@192.0.2.10");
    ASSERT_TRUE(target.has_value());
    EXPECT_EQ(base::to_string(*target->address), "192.0.2.10:5060");
    EXPECT_EQ(target->transport, std::nullopt);
    const auto tcp = read_target("sip:[2001:db8::1]:5070;transport=TCP");
    ASSERT_TRUE(tcp.has_value());
    EXPECT_EQ(base::to_string(*tcp->address), "[2001:db8::1]:5070");
    EXPECT_EQ(tcp->transport, sip::Transport::Tcp);
}

TEST(StartTarget, MayBeANameThatIsLookedUpLater) {
    for (const char* uri : {"sip:sbc@sbc.example", "sip:sbc.example.:5070;transport=udp",
                            "sip:_x@a-b.c1.example", "sip:localhost"}) {
        const auto target = read_target(uri);
        ASSERT_TRUE(target.has_value()) << uri;
        EXPECT_EQ(target->address, std::nullopt) << uri;
        EXPECT_FALSE(target->host.empty());
    }
}

TEST(StartTarget, MayBeReachedByTls) {
    for (const char* uri : {"sips:sbc@192.0.2.10", "sip:sbc@192.0.2.10;transport=tls"}) {
        const auto target = read_target(uri);
        ASSERT_TRUE(target.has_value()) << uri;
        EXPECT_EQ(target->transport, sip::Transport::Tls);
        EXPECT_EQ(target->port, 5061);
    }
    EXPECT_EQ(read_target("sips:sbc@192.0.2.10;transport=tcp")->transport, sip::Transport::Tls);
}

TEST(StartTarget, RefusesWhatCannotBeAsked) {
    for (const char* uri :
         {"", "sbc", "tel:+1", "sip:sbc@192.0.2.10;transport=ws", "sip:sbc@192.0.2",
          "sip:sbc@192.0.2.300", "sip:sbc@a..b", "sip:sbc@.b", "sip:a@b,c", "sip:sbc@0.0.0.0",
          "sip:sbc@224.0.0.1", "sip:sbc@[ff02::1]", "sip:sbc@192.0.2.10?Replaces=x",
          "sip:a@192.0.2.10>\r\nX: y"}) {
        const auto target = read_target(uri);
        ASSERT_FALSE(target.has_value()) << uri;
        EXPECT_EQ(target.error().code, "bad_request") << uri;
        EXPECT_FALSE(target.error().text.empty());
    }
}

TEST(StartTarget, HasALimit) {
    const std::string start = "sip:";
    const std::string end = "@192.0.2.10";
    const std::string user(kMaxTargetBytes - start.size() - end.size(), 'u');
    EXPECT_TRUE(read_target(start + user + end).has_value());
    EXPECT_FALSE(read_target(start + user + "u" + end).has_value());
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
