// Recording sessions whose media is keyed by DTLS (RFC 5763), with ICE where it is offered.
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kPrint1 =
    "a=fingerprint:sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:"
    "49:6B:19:E5:7C:AB:4A:AD\n";
const std::string kPrint2 =
    "a=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\n";
const std::string kIce = "a=ice-ufrag:8hhY\na=ice-pwd:asd88fgpdd777uzjYhagZg\n";

class DtlsSession : public SessionTest {
protected:
    DtlsSession() {
        ours_.digest.assign(32, 0xab);
        config_.dtls = {
            .fingerprint = &ours_, .new_ice = [] {
                static int count = 0;
                return IceCredentials{"ours" + std::to_string(++count), "our-password-of-22-chr"};
            }};
    }
    static std::string line(const std::string& attributes, int port = 40000,
                            const char* proto = "UDP/TLS/RTP/SAVPF") {
        return "m=audio " + std::to_string(port) + " " + proto + " 0\na=sendonly\na=label:1\n" +
               attributes;
    }
    static std::string offer(const std::string& lines, int version,
                             const std::string& address = "192.0.2.10") {
        return "v=0\no=- 1 " + std::to_string(version) + " IN IP4 192.0.2.10\ns=-\nc=IN IP4 " +
               address + "\nt=0 0\n" + lines;
    }
    void invite_with(const std::string& lines, const std::string& address = "192.0.2.10") {
        actions_.clear();
        version_ = 1;
        start(message_of(in_dialog("INVITE", "Require: siprec\nContent-Type: application/sdp\n",
                                   offer(lines, version_, address))));
        if (session_->is_established()) ack();
    }
    void offer_again(const std::string& lines) {
        actions_.clear();
        request("INVITE", "Require: siprec\nContent-Type: application/sdp\n",
                offer(lines, ++version_));
    }
    DtlsFacts opened() const { return all<OpenStream>().at(0).facts.dtls.value_or(DtlsFacts{}); }

    base::CertificateFingerprint ours_;
    int version_ = 1;
};

TEST_F(DtlsSession, P127_AnswersWithItsFingerprintAndIsPassive) {
    for (const char* proto : {"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"}) {
        invite_with(line(kPrint1 + kPrint2 + "a=setup:actpass\n", 40000, proto));
        EXPECT_EQ(answer_lines("m="),
                  std::vector<std::string>{"m=audio 10000 " + std::string(proto) + " 0"});
        ASSERT_EQ(answer_lines("a=fingerprint:").size(), 1U);
        EXPECT_THAT(answer_lines("a=fingerprint:")[0], HasSubstr("sha-256 AB:AB"));
        EXPECT_THAT(answer_lines("a=setup:"), ElementsAre("a=setup:passive"));
        EXPECT_THAT(answer_lines("a=crypto:"), IsEmpty());
        EXPECT_THAT(answer_lines("a=ice"), IsEmpty());
        EXPECT_EQ(opened().peer.size(), 2U);
        EXPECT_FALSE(opened().are_we_active);
        EXPECT_THAT(events("stream_added").at(0),
                    HasSubstr(R"("keying":"dtls","setup":"passive","ice":false)"));
    }
}

TEST_F(DtlsSession, IsActiveToAPassivePeer) {
    invite_with(line(kPrint1 + "a=setup:passive\n"));
    EXPECT_THAT(answer_lines("a=setup:"), ElementsAre("a=setup:active"));
    EXPECT_TRUE(opened().are_we_active);
}

TEST_F(DtlsSession, E8_WithoutAFingerprintOrARoleItIs488) {
    for (const std::string& attributes :
         {std::string("a=setup:actpass\n"), std::string("a=fingerprint:md5 00\na=setup:actpass\n"),
          kPrint1 + "a=setup:holdconn\n"}) {
        invite_with(line(attributes));
        EXPECT_EQ(response().status, 488);
    }
}

TEST_F(DtlsSession, WithoutACertificateOfOursItIsRefused) {
    config_.dtls = {};
    invite_with(line(kPrint1 + "a=setup:actpass\n") + line("", 40002, "RTP/AVP"));
    EXPECT_THAT(answer_lines("m="),
                ElementsAre("m=audio 0 UDP/TLS/RTP/SAVPF 0", "m=audio 10000 RTP/AVP 0"));
    EXPECT_THAT(events("stream_refused").at(0), HasSubstr("srtp_not_supported"));
}

TEST_F(DtlsSession, AnswersIceAsALiteAgentWithOneCandidateForEachComponent) {
    invite_with(line(kPrint1 + "a=setup:actpass\n" + kIce));
    EXPECT_EQ(answer_lines("a=ice-lite").size(), 1U);
    EXPECT_EQ(answer_lines("a=ice-ufrag:").size(), 1U);
    EXPECT_THAT(answer_lines("a=ice-pwd:"), ElementsAre("a=ice-pwd:our-password-of-22-chr"));
    EXPECT_THAT(answer_lines("a=candidate:"),
                ElementsAre("a=candidate:1 1 UDP 2130706431 192.0.2.80 10000 typ host",
                            "a=candidate:1 2 UDP 2130706430 192.0.2.80 10001 typ host"));
    ASSERT_TRUE(opened().ice);
    EXPECT_EQ(opened().ice->peer_ufrag, "8hhY");
    for (const Event& event : all<Event>()) EXPECT_THAT(event.json, Not(HasSubstr("password")));
}

TEST_F(DtlsSession, AnAddressThatIsNotKnownYetIsNoHold) {
    invite_with(line(kPrint1 + "a=setup:actpass\n" + kIce, 9), "0.0.0.0");
    const StreamFacts facts = all<OpenStream>().at(0).facts;
    EXPECT_FALSE(facts.paused);
    EXPECT_TRUE(facts.peer_rtp.is_unspecified());
}

TEST_F(DtlsSession, DoesWithoutIceWhereAnSbcChangedTheAddress) {
    invite_with(line(kPrint1 + "a=setup:actpass\n" + kIce +
                     "a=candidate:1 1 UDP 1 10.0.0.1 5000 typ host\n"));
    EXPECT_EQ(answer_lines("a=ice-mismatch").size(), 1U);
    EXPECT_THAT(answer_lines("a=candidate:"), IsEmpty());
    EXPECT_FALSE(opened().ice);
    EXPECT_EQ(all<OpenStream>().at(0).facts.peer_rtp, *base::parse_net_address("192.0.2.10:40000"));
}

TEST_F(DtlsSession, DoesWithoutIceToAnotherLiteAgent) {
    invite_with("a=ice-lite\n" + line(kPrint1 + "a=setup:actpass\n" + kIce));
    EXPECT_FALSE(opened().ice);
    EXPECT_THAT(answer_lines("a=ice"), IsEmpty());
}

TEST_F(DtlsSession, MuxesRtcpWhereItIsOfferedAndCanBeTold) {
    invite_with(line(kPrint1 + "a=setup:actpass\na=rtcp-mux\n" + kIce));
    EXPECT_EQ(answer_lines("a=rtcp-mux").size(), 1U);
    EXPECT_EQ(answer_lines("a=candidate:").size(), 1U);
    const StreamFacts facts = all<OpenStream>().at(0).facts;
    EXPECT_TRUE(facts.rtcp_mux);
    EXPECT_EQ(facts.peer_rtcp, facts.peer_rtp);
    invite_with("m=audio 40000 RTP/AVP 0 72\na=sendonly\na=label:1\na=rtcp-mux\n");
    EXPECT_THAT(answer_lines("a=rtcp-mux"), IsEmpty());
    EXPECT_FALSE(all<OpenStream>().at(0).facts.rtcp_mux);
    invite_with("m=audio 40000 RTP/AVP 0\na=sendonly\na=label:1\na=rtcp-mux\n");
    EXPECT_EQ(answer_lines("a=rtcp-mux").size(), 1U);
}

TEST_F(DtlsSession, TheSameOfferAgainChangesNothing) {
    const std::string lines = line(kPrint1 + "a=setup:actpass\n" + kIce);
    invite_with(lines);
    const auto before = answer_lines("a=");
    offer_again(lines);
    EXPECT_EQ(answer_lines("a="), before);
    EXPECT_THAT(all<UpdateStream>(), IsEmpty());
}

TEST_F(DtlsSession, AnotherFingerprintIsANewAssociation) {
    invite_with(line(kPrint1 + "a=setup:actpass\n"));
    offer_again(line(kPrint2 + "a=setup:active\n"));
    ASSERT_EQ(all<UpdateStream>().size(), 1U);
    EXPECT_EQ(all<UpdateStream>()[0].facts.dtls->peer[0].function, base::HashFunction::Sha1);
    EXPECT_EQ(count("key_changed"), 1U);
    EXPECT_THAT(answer_lines("a=setup:"), ElementsAre("a=setup:passive"));
}

TEST_F(DtlsSession, AnAssociationThatGoesOnKeepsItsRoles) {
    invite_with(line(kPrint1 + "a=setup:passive\n"));
    offer_again(line(kPrint1 + "a=setup:actpass\n"));
    EXPECT_THAT(answer_lines("a=setup:"), ElementsAre("a=setup:active"));
    EXPECT_THAT(all<UpdateStream>(), IsEmpty());
    offer_again(line(kPrint1 + "a=setup:actpass\na=tls-id:another\n"));
    EXPECT_THAT(answer_lines("a=setup:"), ElementsAre("a=setup:passive"));
    EXPECT_EQ(all<UpdateStream>().size(), 1U);
}

TEST_F(DtlsSession, AnIceRestartGetsNewCredentialsOfOurs) {
    invite_with(line(kPrint1 + "a=setup:actpass\n" + kIce));
    const auto before = answer_lines("a=ice-ufrag:");
    offer_again(
        line(kPrint1 + "a=setup:actpass\na=ice-ufrag:9uB6\na=ice-pwd:YH75Fviy6338Vbrhrlp8Yh\n"));
    EXPECT_NE(answer_lines("a=ice-ufrag:"), before);
    EXPECT_EQ(all<UpdateStream>().size(), 1U);
}

}  // namespace
}  // namespace earshot::siprec
