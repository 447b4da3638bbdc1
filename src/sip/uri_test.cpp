#include "sip/uri.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace earshot::sip {
namespace {

Uri uri(std::string_view text) {
    const auto parsed = parse_uri(text);
    EXPECT_TRUE(parsed) << text;
    return parsed ? *parsed : Uri{};
}

TEST(Uri, SplitsEveryPart) {
    const Uri u = uri("sip:alice:secret@atlanta.com:5070;transport=tcp;lr?subject=x&priority=high");
    EXPECT_EQ(u.scheme, UriScheme::Sip);
    EXPECT_EQ(u.user, "alice");
    EXPECT_EQ(u.password, "secret");
    EXPECT_EQ(u.host, "atlanta.com");
    EXPECT_EQ(u.port, 5070);
    EXPECT_EQ(u.params, ";transport=tcp;lr");
    EXPECT_EQ(u.param("Transport"), "tcp");
    EXPECT_EQ(u.param("lr"), "");
    EXPECT_FALSE(u.param("maddr"));
    EXPECT_EQ(u.headers, "subject=x&priority=high");
}

TEST(Uri, ReadsHostsWithoutUserAndIpv6) {
    EXPECT_EQ(uri("sips:[2001:db8::1]:5061;lr").host, "[2001:db8::1]");
    EXPECT_EQ(uri("sips:[2001:db8::1]:5061;lr").port, 5061);
    EXPECT_EQ(uri("sips:[2001:db8::1]").scheme, UriScheme::Sips);
    EXPECT_EQ(uri("SIP:gateway?a=b").host, "gateway");
    EXPECT_EQ(uri("sip:host:").host, "host");
    EXPECT_FALSE(uri("sip:host:").port);
}

TEST(Uri, KeepsSemicolonsAndQuestionMarksOfTheUser) {  // RFC 4475 §3.1.1.9
    const Uri u = uri("sip:user;par=u%40example.net@example.com");
    EXPECT_EQ(u.user, "user;par=u%40example.net");
    EXPECT_EQ(u.host, "example.com");
    EXPECT_EQ(uri("sip:+1-201;phone-context=+1?x@gw;user=phone").param("user"), "phone");
}

TEST(Uri, ReadsTelephoneNumbersAndForeignSchemes) {
    const Uri tel = uri("tel:+1-201-555-0123;phone-context=example.com");
    EXPECT_EQ(tel.scheme, UriScheme::Tel);
    EXPECT_EQ(tel.user, "+1-201-555-0123");
    EXPECT_EQ(tel.param("phone-context"), "example.com");
    const Uri urn = uri("urn:service:sos");
    EXPECT_EQ(urn.scheme, UriScheme::Other);
    EXPECT_EQ(urn.scheme_name, "urn");
    EXPECT_EQ(urn.user, "service:sos");
}

TEST(Uri, RefusesWhatIsNone) {
    for (const std::string_view text :
         {"", "alice", "sip:", "sip:a@", "sip:a@host:port", "sip:a@host:65536", "sip:a@h ost",
          "<sip:a@host>", "sip:a@host\"", "sip:a@[::1", "sip:a@b@c", ":x", "tel:", "1x:y"}) {
        EXPECT_FALSE(parse_uri(text)) << text;
    }
}

TEST(UriComparison, EqualExamplesFromRfc3261Section19_1_4) {
    const std::vector<std::pair<std::string_view, std::string_view>> equal{
        {"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"},
        {"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"},
        {"sip:carol@chicago.com", "sip:carol@chicago.com;security=on"},
        {"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
         "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"},
        {"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
         "sip:alice@atlanta.com?priority=urgent&subject=project%20x"},
        {"tel:+1201555", "TEL:+1201555"},
    };
    for (const auto& [a, b] : equal) {
        EXPECT_TRUE(uris_equal(uri(a), uri(b))) << a << " " << b;
        EXPECT_TRUE(uris_equal(uri(b), uri(a))) << b << " " << a;
    }
}

TEST(UriComparison, DifferentExamplesFromRfc3261Section19_1_4) {
    const std::vector<std::pair<std::string_view, std::string_view>> different{
        {"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"},
        {"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"},
        {"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"},
        {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"},
        {"sip:a@b", "sips:a@b"},
        {"sip:a%3Bb@c", "sip:a;b@c"},
        {"urn:a:b", "urn:a:B"},
    };
    for (const auto& [a, b] : different) {
        EXPECT_FALSE(uris_equal(uri(a), uri(b))) << a << " " << b;
        EXPECT_FALSE(uris_equal(uri(b), uri(a))) << b << " " << a;
    }
}

TEST(UriComparison, GivesUpOnHundredsOfParameters) {
    std::string many = "sip:a@b";
    for (int i = 0; i < 65; ++i) many += ";p" + std::to_string(i);
    EXPECT_TRUE(uris_equal(uri(many), uri(many)));
    EXPECT_FALSE(uris_equal(uri(many), uri("sip:a@b")));
}

TEST(Params, FindsQuotedSpacedAndBareOnes) {
    constexpr std::string_view kParams = R"( ; tag = 98asjd8 ;x="a;b\"c";;flag ; empty=;x=second)";
    EXPECT_EQ(find_param(kParams, "TAG"), "98asjd8");
    EXPECT_EQ(find_param(kParams, "x"), R"(a;b\"c)");
    EXPECT_EQ(find_param(kParams, "flag"), "");
    EXPECT_EQ(find_param(kParams, "empty"), "");
    EXPECT_FALSE(find_param(kParams, "b"));
    EXPECT_EQ(find_param(R"(;x="open)", "x"), "open");
    EXPECT_EQ(find_param(R"(;x="\)", "x"), "\\");
}

TEST(Unescape, LeavesBrokenEscapesAlone) {
    EXPECT_EQ(unescape("a%20b%4"), "a b%4");
    EXPECT_EQ(unescape("%Z1%00x"), std::string("%Z1\0x", 5));
}

}  // namespace
}  // namespace earshot::sip
