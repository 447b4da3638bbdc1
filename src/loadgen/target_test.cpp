#include "loadgen/target.h"

#include <gtest/gtest.h>

namespace earshot::loadgen {
namespace {

TEST(FindTarget, ReadsTransportAddressAndPort) {
    const auto udp = find_target("sip:rec@127.0.0.1");
    ASSERT_TRUE(udp);
    EXPECT_EQ(udp->transport, sip::Transport::Udp);
    EXPECT_EQ(to_string(udp->address), "127.0.0.1:5060");

    const auto tcp = find_target("sip:rec@127.0.0.1:5070;transport=TCP");
    ASSERT_TRUE(tcp);
    EXPECT_EQ(tcp->transport, sip::Transport::Tcp);
    EXPECT_EQ(to_string(tcp->address), "127.0.0.1:5070");
    EXPECT_EQ(tcp->uri, "sip:rec@127.0.0.1:5070;transport=TCP");

    const auto named = find_target("\"Recorder\" <sip:rec@[::1]:5080;transport=tcp?subject=x>");
    ASSERT_TRUE(named);
    EXPECT_EQ(to_string(named->address), "[::1]:5080");
    EXPECT_EQ(named->uri, "sip:rec@[::1]:5080;transport=tcp");
}

TEST(FindTarget, KnowsTls) {
    for (const char* uri : {"sips:rec@127.0.0.1", "sip:rec@127.0.0.1;transport=TLS",
                            "sips:rec@127.0.0.1;transport=tcp"}) {
        const auto target = find_target(uri);
        ASSERT_TRUE(target) << uri;
        EXPECT_EQ(target->transport, sip::Transport::Tls) << uri;
        EXPECT_EQ(to_string(target->address), "127.0.0.1:5061") << uri;
    }
    EXPECT_EQ(with_tls("sip:rec@127.0.0.1"), "sip:rec@127.0.0.1;transport=tls");
    EXPECT_EQ(with_tls("sips:rec@127.0.0.1"), "sips:rec@127.0.0.1");
    EXPECT_EQ(with_tls("sip:rec@127.0.0.1;transport=tcp"), "sip:rec@127.0.0.1;transport=tcp");
}

TEST(FindTarget, RefusesWhatItCannotReach) {
    for (const char* uri : {"", "rec", "tel:+123", "http://127.0.0.1", "sip:"}) {
        const auto target = find_target(uri);
        ASSERT_FALSE(target) << uri;
        EXPECT_EQ(target.error().code, "bad_uri") << uri;
    }
    for (const char* uri : {"sip:rec@127.0.0.1;transport=sctp", "sip:rec@127.0.0.1;transport=ws"}) {
        const auto target = find_target(uri);
        ASSERT_FALSE(target) << uri;
        EXPECT_EQ(target.error().code, "unsupported_transport") << uri;
    }
}

TEST(TypedUri, TakesBareUrisWithTheirParameters) {
    EXPECT_EQ(typed_uri(" sip:a@b;x=1 "), "sip:a@b;x=1");
    EXPECT_EQ(typed_uri("\"A\" <sip:a@b;x=1>;tag=2"), "sip:a@b;x=1");
    EXPECT_EQ(typed_uri(""), "");
}

}  // namespace
}  // namespace earshot::loadgen
