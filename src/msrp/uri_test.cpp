#include "msrp/uri.h"

#include <gtest/gtest.h>

#include "msrp/limits.h"

namespace earshot::msrp {
namespace {

Uri uri_of(std::string_view text) {
    auto uri = parse_uri(text);
    EXPECT_TRUE(uri) << text << ": " << uri.error().what;
    return uri ? *uri : Uri{};
}

TEST(MsrpUri, TakesTheExamplesOfRfc4975) {
    for (const char* text :
         {"msrp://atlanta.example.com:7654/jshA7weztas;tcp",
          "msrps://[2001:db8::9]:2855/9dQe4wTz0k;tcp",
          "msrp://bob.example.com:8888/9di4eae923wzd;tcp;x=y;z", "msrps://relay.example.com;tcp"}) {
        EXPECT_EQ(to_string(uri_of(text)), text);
    }
    const Uri uri = uri_of("msrps://alice@[2001:db8::9]:2855/9dQe4wTz0k;tcp");
    EXPECT_TRUE(uri.is_secure);
    EXPECT_EQ(uri.host, "2001:db8::9");
    EXPECT_EQ(uri.port, 2855);
    EXPECT_EQ(uri.session_id, "9dQe4wTz0k");
    EXPECT_EQ(uri.transport, "tcp");
}

TEST(MsrpUri, ComparesAsRfc4975Section6_1Says) {
    const Uri uri = uri_of("msrp://Host.example:1/aB;tcp");
    EXPECT_TRUE(is_same(uri, uri_of("MSRP://x@hOST.example:1/aB;TCP;other")));
    EXPECT_FALSE(is_same(uri, uri_of("msrp://host.example:1/ab;tcp")));
    EXPECT_FALSE(is_same(uri, uri_of("msrps://host.example:1/aB;tcp")));
    EXPECT_FALSE(is_same(uri, uri_of("msrp://host.example:2/aB;tcp")));
    EXPECT_FALSE(is_same(uri, uri_of("msrp://host.example/aB;tcp")));
    EXPECT_FALSE(is_same(uri, uri_of("msrp://host.example:1/aB;sctp")));
    EXPECT_TRUE(
        is_same(uri_of("msrp://[2001:DB8:0::9]:1/a;tcp"), uri_of("msrp://[2001:db8::9]:1/a;tcp")));
}

TEST(MsrpUri, SaysWhatIsWrong) {
    for (const char* text :
         {"", "msrp:", "sip:a@b;tcp", "msrp://host:1/a", "msrp://host:1/;tcp", "msrp://:1/a;tcp",
          "msrp://host:/a;tcp", "msrp://host:0/a;tcp", "msrp://host:65536/a;tcp",
          "msrp://[::1/a;tcp", "msrp://[x]:1/a;tcp", "msrp://ho st:1/a;tcp",
          "msrp://host:1/a b;tcp", "msrp://host:1/a;", "msrp://host:1/a;t cp"}) {
        EXPECT_FALSE(parse_uri(text)) << text;
    }
    const std::string longest = "msrp://" + std::string(kMaxUriBytes - 11, 'h') + ";tcp";
    EXPECT_TRUE(parse_uri(longest));
    EXPECT_EQ(parse_uri("msrp://h" + longest.substr(7)).error().code, base::Errc::TooLarge);
}

TEST(MsrpPath, HoldsTheRelaysAndTheEnds) {
    const std::string_view text =
        "msrps://intra.example:1/aN;tcp msrps://extra.example:2/bO;tcp msrps://bob.example:3/c;tcp";
    const auto path = parse_path(text);
    ASSERT_TRUE(path);
    ASSERT_EQ(path->size(), 3U);
    EXPECT_EQ((*path)[2].host, "bob.example");
    EXPECT_EQ(to_string(*path), text);
    EXPECT_EQ(parse_path("  msrp://a;tcp   msrp://b;tcp ")->size(), 2U);
    EXPECT_FALSE(parse_path(" "));
    EXPECT_FALSE(parse_path("msrp://a;tcp b"));
}

TEST(MsrpPath, EndsWhereRelaysGoInCircles) {
    std::string text;
    for (std::size_t i = 0; i < kMaxPathUris; ++i) text += "msrp://a;tcp ";
    EXPECT_TRUE(parse_path(text));
    EXPECT_EQ(parse_path(text + "msrp://a;tcp").error().code, base::Errc::TooLarge);
}

}  // namespace
}  // namespace earshot::msrp
