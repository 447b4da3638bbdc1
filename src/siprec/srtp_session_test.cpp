// Recording sessions whose media is SRTP, keyed by a=crypto (RFC 4568, RFC 7866 section 12.2).
#include "base/text.h"
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kKey1 = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
constexpr const char* kKey2 = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

class SrtpSession : public SessionTest {
protected:
    static std::string line(int port, const std::string& crypto, const char* proto = "RTP/SAVP") {
        return "m=audio " + std::to_string(port) + " " + proto +
               " 0\na=sendonly\na=label:" + std::to_string(port) + "\n" + crypto;
    }
    static std::string crypto(int tag, const char* suite, const char* key,
                              const char* parameters = "") {
        return "a=crypto:" + std::to_string(tag) + " " + suite + " inline:" + key + parameters +
               "\n";
    }
    static std::string offer(const std::string& lines, int version = 1) {
        return "v=0\no=- 1 " + std::to_string(version) +
               " IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n" + lines;
    }
    void invite_with(const std::string& lines) {
        start(message_of(
            in_dialog("INVITE", "Require: siprec\nContent-Type: application/sdp\n", offer(lines))));
        if (session_->is_established()) ack();
    }
    void offer_again(const std::string& lines) {
        request("INVITE", "Require: siprec\nContent-Type: application/sdp\n",
                offer(lines, ++version_));
    }
    int version_ = 1;
};

TEST_F(SrtpSession, P127_P128_TakesTheFirstSuiteItHasAndAnswersWithAKeyOfItsOwn) {
    for (const char* proto : {"RTP/SAVP", "RTP/SAVPF"}) {
        actions_.clear();
        invite_with(line(40000,
                         crypto(1, "F8_128_HMAC_SHA1_80", kKey1) +
                             crypto(2, "AES_CM_128_HMAC_SHA1_32", kKey1, "|2^20|1:4") +
                             crypto(3, "AES_CM_128_HMAC_SHA1_80", kKey2),
                         proto));
        EXPECT_EQ(answer_lines("m="),
                  std::vector<std::string>{std::string{"m=audio 10000 "} + proto + " 0"});
        const auto lines = answer_lines("a=crypto:");
        ASSERT_EQ(lines.size(), 1U);
        EXPECT_THAT(lines[0], HasSubstr("a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:"));
        EXPECT_THAT(lines[0], Not(HasSubstr(kKey1)));
        const StreamFacts facts = all<OpenStream>().at(0).facts;
        ASSERT_TRUE(facts.sdes);
        EXPECT_EQ(base::to_base64(facts.sdes->peer.at(0).material()), kKey1);
        EXPECT_EQ(base::to_hex(facts.sdes->peer.at(0).mki()), "00000001");
        EXPECT_THAT(lines[0], HasSubstr(base::to_base64(facts.sdes->ours.material())));
    }
}

TEST_F(SrtpSession, TheSuiteIsAFactOfTheStreamAndNoEventHoldsAKey) {
    invite_with(line(40000, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey1)));
    EXPECT_THAT(events("stream_added").at(0),
                HasSubstr(R"("keying":"sdes","suite":"AES_CM_128_HMAC_SHA1_80")"));
    for (const Event& event : all<Event>()) {
        EXPECT_THAT(event.json, Not(HasSubstr(kKey1)));
        EXPECT_THAT(event.json, Not(HasSubstr("inline")));
    }
}

TEST_F(SrtpSession, E8_ALineWithoutUsableKeysGetsPortZero) {
    invite_with(line(40000, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey1, " UNENCRYPTED_SRTP")) +
                line(40002, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey1)) + line(40004, "") +
                line(40006, crypto(1, "AES_256_CM_HMAC_SHA1_80", kKey1)));
    EXPECT_EQ(response().status, 200);
    EXPECT_THAT(answer_lines("m="), ElementsAre("m=audio 0 RTP/SAVP 0", "m=audio 10000 RTP/SAVP 0",
                                                "m=audio 0 RTP/SAVP 0", "m=audio 0 RTP/SAVP 0"));
    ASSERT_EQ(count("stream_refused"), 3U);
    EXPECT_THAT(events("stream_refused")[0], HasSubstr("no_usable_key"));
}

TEST_F(SrtpSession, E8_WithoutAnyUsableKeyItIs488) {
    invite_with(line(40000, "") + line(40002, crypto(1, "AES_CM_128_HMAC_SHA1_80", "short")));
    EXPECT_EQ(response().status, 488);
    EXPECT_EQ(all<End>().at(0).reason.code, "no_common_media");
}

TEST_F(SrtpSession, ACryptoAttributeDoesNotMakeAClearLineSecure) {
    invite_with(line(40000, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey1), "RTP/AVP"));
    EXPECT_TRUE(answer_lines("a=crypto:").empty());
    EXPECT_FALSE(all<OpenStream>().at(0).facts.sdes);
}

TEST_F(SrtpSession, ANewKeyOfThePeerChangesTheStreamAndLeavesOurs) {
    invite_with(line(40000, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey1)));
    const auto before = answer_lines("a=crypto:");
    offer_again(line(40000, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey2)));
    EXPECT_EQ(answer_lines("a=crypto:"), before);
    ASSERT_EQ(all<UpdateStream>().size(), 1U);
    EXPECT_EQ(base::to_base64(all<UpdateStream>()[0].facts.sdes->peer.at(0).material()), kKey2);
    EXPECT_EQ(count("key_changed"), 1U);
    EXPECT_EQ(count("stream_changed"), 0U);
}

TEST_F(SrtpSession, TheSameOfferAgainChangesNothing) {
    const std::string lines = line(40000, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey1));
    invite_with(lines);
    const auto before = answer_lines("a=crypto:");
    offer_again(lines);
    EXPECT_EQ(answer_lines("a=crypto:"), before);
    EXPECT_TRUE(all<UpdateStream>().empty());
    EXPECT_EQ(count("key_changed"), 0U);
}

TEST_F(SrtpSession, AnotherSuiteGetsAnotherKeyOfOurs) {
    invite_with(line(40000, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey1)));
    offer_again(line(40000, crypto(4, "AES_CM_128_HMAC_SHA1_32", kKey1)));
    const auto after = answer_lines("a=crypto:");
    ASSERT_EQ(after.size(), 1U);
    EXPECT_THAT(after[0], HasSubstr("a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:"));
    EXPECT_TRUE(all<UpdateStream>().at(0).facts.sdes);
    EXPECT_THAT(events("stream_changed").at(0), HasSubstr("AES_CM_128_HMAC_SHA1_32"));
}

TEST_F(SrtpSession, OnlyTheTagChangesWithTheTag) {
    invite_with(line(40000, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey1)));
    offer_again(line(40000, crypto(7, "AES_CM_128_HMAC_SHA1_80", kKey1)));
    EXPECT_THAT(answer_lines("a=crypto:").at(0), HasSubstr("a=crypto:7 "));
    EXPECT_TRUE(all<UpdateStream>().empty());
}

TEST_F(SrtpSession, ClearMediaMayBecomeSecureAndBack) {
    invite_with(line(40000, "", "RTP/AVP"));
    offer_again(line(40000, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey1)));
    EXPECT_TRUE(all<UpdateStream>().at(0).facts.sdes);
    EXPECT_EQ(answer_lines("a=crypto:").size(), 1U);
    offer_again(line(40000, "", "RTP/AVP"));
    EXPECT_FALSE(all<UpdateStream>().at(0).facts.sdes);
    EXPECT_TRUE(answer_lines("a=crypto:").empty());
}

TEST_F(SrtpSession, OurOwnOfferRepeatsOurKeyAndAnAnswerWithoutOneLeavesTheKeysInForce) {
    invite_with(line(40000, crypto(1, "AES_CM_128_HMAC_SHA1_80", kKey1)));
    const std::string ours = answer_lines("a=crypto:").at(0);
    actions_.clear();
    session_->pause(now_, {.who = "op", .access = "token", .from = "127.0.0.1", .reason = ""});
    drain();
    const auto sent = all<SendRequest>();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_THAT(sent[0].request.body, HasSubstr(ours));
    actions_.clear();
    std::string answer = offer(line(40000, ""));
    session_->on_response(
        now_, message_of(to_wire("SIP/2.0 200 OK\nVia: SIP/2.0/UDP x;branch=z9hG4bKx\n"
                                 "From: <sip:a@x>;tag=b\nTo: <sip:b@x>;tag=a\nCall-ID: c1\n"
                                 "CSeq: 9 INVITE\nContact: <sip:src@192.0.2.10>\n"
                                 "Content-Type: application/sdp\n\n" +
                                 answer)));
    drain();
    EXPECT_TRUE(all<CloseStream>().empty());
    EXPECT_EQ(count("stream_refused"), 0U);
}

}  // namespace
}  // namespace earshot::siprec
