// Which of our addresses a media line gets: that of the IP family of its offer.
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

std::string sdp(std::string_view session_address, std::string_view line_address = {}) {
    std::string text = "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN " + std::string{session_address} +
                       "\nt=0 0\nm=audio 40000 RTP/AVP 0\na=sendonly\na=label:1\n";
    if (!line_address.empty())
        text += "m=audio 40002 RTP/AVP 0\nc=IN " + std::string{line_address} +
                "\na=sendonly\na=label:2\n";
    return text;
}

class MediaFamily : public SessionTest {
protected:
    void invite(const std::string& body) {
        start(message_of(
            in_dialog("INVITE", "Require: siprec\nContent-Type: application/sdp\n", body)));
    }
};

TEST_F(MediaFamily, IsTheOffersWhereWeHaveItAndTheUsualElse) {
    invite(sdp("IP6 2001:db8::10"));
    EXPECT_EQ(answer_lines("c="), std::vector<std::string>{"c=IN IP4 192.0.2.80"});
    EXPECT_FALSE(all<OpenStream>().front().facts.ipv6);
    actions_.clear();
    config_.media.other = *base::parse_host("2001:db8::80", 0);
    invite(sdp("IP6 2001:db8::10"));
    EXPECT_EQ(answer_lines("c="), std::vector<std::string>{"c=IN IP6 2001:db8::80"});
    EXPECT_TRUE(all<OpenStream>().front().facts.ipv6);
}

TEST_F(MediaFamily, MayDifferFromLineToLine) {
    config_.media.other = *base::parse_host("2001:db8::80", 0);
    invite(sdp("IP4 192.0.2.10", "IP6 2001:db8::10"));
    EXPECT_EQ(answer_lines("c="),
              (std::vector<std::string>{"c=IN IP4 192.0.2.80", "c=IN IP6 2001:db8::80"}));
}

TEST_F(MediaFamily, OfAnUnsetAddressIsThatOfTheSipPeer) {
    config_.media.usual = *base::parse_host("2001:db8::80", 0);
    config_.media.other = *base::parse_host("192.0.2.80", 0);
    invite(sdp("IP4 0.0.0.0"));  // Q8; peer_ is an IPv4 host
    EXPECT_EQ(answer_lines("c="), std::vector<std::string>{"c=IN IP4 192.0.2.80"});
}

TEST_F(MediaFamily, ThatChangesEndsTheStreamAndBeginsAnother) {
    config_.media.other = *base::parse_host("2001:db8::80", 0);
    invite(sdp("IP4 192.0.2.10"));
    ack();
    request("INVITE", "Content-Type: application/sdp\n", sdp("IP6 2001:db8::10"));
    EXPECT_EQ(all<CloseStream>().size(), 1U);
    ASSERT_EQ(all<OpenStream>().size(), 1U);
    EXPECT_TRUE(all<OpenStream>().front().facts.ipv6);
    EXPECT_EQ(answer_lines("c="), std::vector<std::string>{"c=IN IP6 2001:db8::80"});
    // A pause by an unset address of the other family moves nothing.
    request("INVITE", "Content-Type: application/sdp\n", sdp("IP4 0.0.0.0"));
    EXPECT_TRUE(all<OpenStream>().empty());
}

}  // namespace
}  // namespace earshot::siprec
