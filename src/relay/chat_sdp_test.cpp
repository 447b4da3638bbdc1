#include "relay/chat_sdp.h"

#include <gtest/gtest.h>

namespace earshot::relay {
namespace {

std::string with_line(const std::string& line) {
    return "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n" + line;
}

ChatLine kind_of(const std::string& line) {
    const std::string text = with_line(line + "\r\n");
    return chat_line(sdp::parse(text)->media.at(0));
}

std::optional<chat::Peer> read(const std::string& line, bool answers = false) {
    const std::string text = with_line(line);
    const auto sdp = sdp::parse(text);
    return peer_of(*sdp, sdp->media.at(0), answers);
}

const std::string kLine =
    "m=message 7000 TCP/MSRP *\r\na=accept-types:text/plain\r\n"
    "a=path:msrp://192.0.2.10:7000/ana;tcp\r\n";

TEST(ChatSdp, KnowsChatsByMediumAndTransport) {
    EXPECT_EQ(kind_of("m=message 7000 TCP/MSRP *"), ChatLine::Plain);
    EXPECT_EQ(kind_of("m=message 7000 TCP/TLS/MSRP *"), ChatLine::Encrypted);
    EXPECT_EQ(kind_of("m=message 0 TCP/MSRP *"), ChatLine::None);
    EXPECT_EQ(kind_of("m=message 7000 WS/MSRP *"), ChatLine::None);
    EXPECT_EQ(kind_of("m=audio 7000 RTP/AVP 0"), ChatLine::None);
}

TEST(ChatSdp, WhoOffersConnectsUnlessItSaysOtherwise) {
    EXPECT_FALSE(read(kLine)->connect_to);
    EXPECT_FALSE(read(kLine + "a=setup:actpass\r\n")->connect_to);
    EXPECT_FALSE(read(kLine + "a=setup:active\r\n", true)->connect_to);
    const auto listener = base::parse_net_address("192.0.2.10:7000");
    EXPECT_EQ(read(kLine + "a=setup:passive\r\n")->connect_to, listener);
    EXPECT_EQ(read(kLine, true)->connect_to, listener);  // RFC 4975's default
}

TEST(ChatSdp, ThePathLeadsToThePartyAndWithCemaTheConnectionLine) {
    const std::string bent =
        "m=message 7001 TCP/MSRP *\r\nc=IN IP4 192.0.2.99\r\na=setup:passive\r\n"
        "a=path:msrp://192.0.2.10:7000/ana;tcp\r\n";
    EXPECT_EQ(read(bent)->connect_to, base::parse_net_address("192.0.2.10:7000"));
    EXPECT_EQ(read(bent + "a=msrp-cema\r\n")->connect_to,
              base::parse_net_address("192.0.2.99:7001"));
    const std::string named =
        "m=message 7001 TCP/MSRP *\r\na=setup:passive\r\na=path:msrp://ana.example:7000/x;tcp\r\n";
    EXPECT_EQ(read(named)->connect_to, base::parse_net_address("192.0.2.10:7001"));
    EXPECT_FALSE(read("m=message 7001 TCP/MSRP *\r\n"));
    EXPECT_FALSE(read("m=message 7001 TCP/MSRP *\r\na=path:http://x\r\n"));
    EXPECT_EQ(read("m=message 7001 TCP/MSRP *\r\n"
                   "a=path:msrp://relay.example:2855/r;tcp msrp://192.0.2.10:7000/ana;tcp\r\n")
                  ->path.size(),
              2U);
    // Behind relays (RFC 4976) the first of them is connected to, with CEMA, too.
    const std::string relayed =
        "m=message 2855 TCP/MSRP *\r\nc=IN IP4 192.0.2.99\r\na=setup:passive\r\na=msrp-cema\r\n"
        "a=path:msrp://192.0.2.50:2856/r;tcp msrp://192.0.2.10:7000/ana;tcp\r\n";
    EXPECT_EQ(read(relayed)->connect_to, base::parse_net_address("192.0.2.50:2856"));
}

TEST(ChatSdp, TellsThePartysLineAtOurAddress) {
    const ToldChat told{.address = *base::parse_net_address("198.51.100.7:20000"),
                        .path = "msrp://198.51.100.7:20000/x;tcp",
                        .setup = sdp::Setup::ActPass,
                        .has_cema = true};
    EXPECT_EQ(told_chat_section("m=message 7000 TCP/MSRP *\r\ni=Chat\r\nc=IN IP4 192.0.2.10\r\n"
                                "a=setup:active\r\na=path:msrp://192.0.2.10:7000/ana;tcp\r\n"
                                "a=accept-types:text/plain\r\na=msrp-cema\r\n",
                                told),
              "m=message 20000 TCP/MSRP *\r\ni=Chat\r\nc=IN IP4 198.51.100.7\r\n"
              "a=accept-types:text/plain\r\n"
              "a=path:msrp://198.51.100.7:20000/x;tcp\r\na=setup:actpass\r\na=msrp-cema\r\n");
    // CEMA is about one hop: who is not to be told it is not.
    EXPECT_EQ(told_chat_section("m=message 7000 TCP/MSRP *\r\na=msrp-cema\r\na=msrp-cemax\r\n",
                                {.address = told.address, .path = told.path, .setup = {}}),
              "m=message 20000 TCP/MSRP *\r\nc=IN IP4 198.51.100.7\r\na=msrp-cemax\r\n"
              "a=path:msrp://198.51.100.7:20000/x;tcp\r\n");
    EXPECT_EQ(told_chat_section("m=message 7000 TCP/MSRP *",
                                {.address = told.address, .path = told.path, .setup = {}}),
              "m=message 20000 TCP/MSRP *\r\nc=IN IP4 198.51.100.7\r\n"
              "a=path:msrp://198.51.100.7:20000/x;tcp\r\n");
}

TEST(ChatSdp, OurCertificateTakesThePlaceOfThePartys) {  // RFC 8122
    const std::string theirs =
        "a=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\r\n";
    const std::string line =
        "m=message 7000 TCP/TLS/MSRP *\r\n" + theirs + "a=path:msrps://192.0.2.10:7000/ana;tcp\r\n";
    ASSERT_EQ(read(line)->fingerprints.size(), 1U);
    EXPECT_EQ(read(line)->fingerprints[0].function, base::HashFunction::Sha1);
    EXPECT_TRUE(read(kLine + theirs)->fingerprints.empty());  // without TLS it means nothing
    const std::string told = told_chat_section(
        line, {.address = *base::parse_net_address("198.51.100.7:20000"),
               .path = "msrps://198.51.100.7:20000/x;tcp",
               .setup = sdp::Setup::Passive,
               .fingerprint = base::CertificateFingerprint{.digest = base::Bytes(32, 0x5a)}});
    EXPECT_EQ(told.find("sha-1"), std::string::npos);
    EXPECT_NE(told.find("m=message 20000 TCP/TLS/MSRP *\r\n"), std::string::npos);
    EXPECT_NE(told.find("a=fingerprint:sha-256 5A:5A:"), std::string::npos);
}

}  // namespace
}  // namespace earshot::relay
