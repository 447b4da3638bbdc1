#include "sdp/ice.h"

#include <gtest/gtest.h>

#include "sdp/limits.h"

namespace earshot::sdp {
namespace {

constexpr std::string_view kCredentials =
    "a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n";  // RFC 8839 section 5.4's

class IceOfferTest : public testing::Test {
protected:
    std::string text_;
    SessionDescription description_;

    std::optional<IceOffer> read(std::string_view session, std::string_view medium,
                                 std::string_view address = "192.0.2.1", int port = 4000) {
        text_ = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 ";
        text_.append(address).append("\r\nt=0 0\r\n").append(session);
        text_ += "m=audio " + std::to_string(port) + " RTP/SAVPF 0\r\n";
        text_.append(medium);
        description_ = *parse(text_);
        return ice_of(description_, description_.media[0]);
    }
};

TEST(IceCandidate, ReadsTheExamplesOfRfc8839Section5_1) {
    const auto host = parse_candidate("1 1 UDP 2130706431 203.0.113.141 8998 typ host");
    ASSERT_TRUE(host);
    EXPECT_EQ(host->priority, 2130706431U);
    EXPECT_EQ(host->address, "203.0.113.141");
    EXPECT_EQ(host->port, 8998);
    EXPECT_EQ(host->type, "host");
    const auto reflexive = parse_candidate(
        "2 2 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998");
    ASSERT_TRUE(reflexive);
    EXPECT_EQ(reflexive->component, 2);
    EXPECT_EQ(reflexive->type, "srflx");
}

TEST(IceCandidate, IsWrittenAsItWasRead) {
    for (const std::string_view text : {"1 1 UDP 2130706431 203.0.113.141 8998 typ host",
                                        "a/+9 256 TCP 0 2001:db8::1 9 typ relay"}) {
        const auto candidate = parse_candidate(text);
        ASSERT_TRUE(candidate);
        EXPECT_EQ(to_string(*candidate), text);
    }
}

TEST(IceCandidate, ReadsNoTruncationAndNoNonsense) {
    const std::string_view whole = "1 1 UDP 2130706431 203.0.113.141 8998 typ ";
    for (std::size_t size = 0; size <= whole.size(); ++size)
        EXPECT_FALSE(parse_candidate(whole.substr(0, size))) << size;
    EXPECT_FALSE(parse_candidate("1 0 UDP 1 192.0.2.1 1 typ host"));
    EXPECT_FALSE(parse_candidate("1 257 UDP 1 192.0.2.1 1 typ host"));
    EXPECT_FALSE(parse_candidate("1 1 UDP 4294967296 192.0.2.1 1 typ host"));
    EXPECT_FALSE(parse_candidate("1 1 UDP 1 192.0.2.1 65536 typ host"));
    EXPECT_FALSE(parse_candidate("1 1 UDP 1 192.0.2.1 1 type host"));
}

TEST(IceCandidate, OfOursHasTheHighestPriorityOfItsComponent) {
    EXPECT_EQ(host_candidate(*base::parse_net_address("192.0.2.9:4000"), 1),
              "1 1 UDP 2130706431 192.0.2.9 4000 typ host");
    EXPECT_EQ(host_candidate(*base::parse_net_address("[2001:db8::1]:4001"), 2),
              "1 2 UDP 2130706430 2001:db8::1 4001 typ host");
}

TEST_F(IceOfferTest, NeedsUsableCredentials) {
    EXPECT_FALSE(read("", ""));
    EXPECT_FALSE(read("", "a=ice-ufrag:8hhY\r\n"));
    EXPECT_FALSE(read("", "a=ice-ufrag:8hh\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"));
    EXPECT_FALSE(read("", "a=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZ\r\n"));
    EXPECT_FALSE(read("", "a=ice-ufrag:8hh Y\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"));
    const std::string longest(kMaxIceCredentialChars, 'x');
    EXPECT_TRUE(read("", "a=ice-ufrag:" + longest + "\r\na=ice-pwd:" + longest + "\r\n"));
    EXPECT_FALSE(read("", "a=ice-ufrag:" + longest + "x\r\na=ice-pwd:" + longest + "\r\n"));
}

TEST_F(IceOfferTest, TakesTheCredentialsOfTheMediumThenOfTheSession) {
    const auto of_session = read(kCredentials, "");
    ASSERT_TRUE(of_session);
    EXPECT_EQ(of_session->ufrag, "8hhY");
    EXPECT_EQ(of_session->password, "asd88fgpdd777uzjYhagZg");
    EXPECT_FALSE(of_session->is_lite);
    EXPECT_EQ(read(kCredentials, "a=ice-ufrag:other\r\n")->ufrag, "other");
    EXPECT_TRUE(read("a=ice-lite\r\n", kCredentials)->is_lite);
}

TEST_F(IceOfferTest, SeesAnAddressThatIsNoneOfTheCandidates) {
    const std::string lines = std::string(kCredentials) +
                              "a=candidate:1 1 UDP 1 10.0.0.1 4000 typ host\r\n"
                              "a=candidate:1 2 UDP 1 192.0.2.1 4000 typ host\r\n";
    EXPECT_TRUE(read("", lines)->is_mismatch);
    EXPECT_FALSE(read("", lines, "10.0.0.1")->is_mismatch);
    EXPECT_TRUE(read("", lines, "10.0.0.1", 4002)->is_mismatch);
    // Trickle ICE (RFC 8840): no candidate or no address yet.
    EXPECT_FALSE(read("", lines, "0.0.0.0", 9)->is_mismatch);
    EXPECT_FALSE(read("", kCredentials)->is_mismatch);
    // A browser hides its address behind a name.
    EXPECT_FALSE(read("", lines + "a=candidate:1 1 UDP 1 x.local 5 typ host\r\n")->is_mismatch);
}

}  // namespace
}  // namespace earshot::sdp
