// Recording sessions whose lines share a transport (BUNDLE, RFC 9143).
#include "siprec/session_fixture.h"

namespace earshot::siprec {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kPrint1 =
    "a=fingerprint:sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:"
    "49:6B:19:E5:7C:AB:4A:AD\n";
const std::string kDtls = kPrint1 + "a=setup:actpass\n";
const std::string kIce = "a=ice-ufrag:8hhY\na=ice-pwd:asd88fgpdd777uzjYhagZg\n";
const std::string kMid = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\n";
const std::string kKey1 =
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\n";
const std::string kKey2 =
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw\n";

class BundleSession : public SessionTest {
protected:
    BundleSession() {
        ours_.digest.assign(32, 0xab);
        config_.dtls = {
            .fingerprint = &ours_, .new_ice = [] {
                static int count = 0;
                return IceCredentials{"ours" + std::to_string(++count), "our-password-of-22-chr"};
            }};
        config_.srtp_keys = [](base::SrtpSuite suite) {  // each another one
            static std::uint64_t seed = 0;
            base::SeededRandom random(++seed);
            return base::SrtpMasterKey::generate(suite, random);
        };
    }
    // Line `mid` has the label and the port that follow from it: "a" is "1" and 40000.
    static std::string line(char mid, int type, const std::string& attributes = {},
                            const std::string& proto = "RTP/AVP") {
        const int index = mid - 'a';
        return text(mid, 40000 + 2 * index, type, attributes, proto);
    }
    static std::string only(char mid, int type, const std::string& attributes = {},
                            const std::string& proto = "RTP/AVP") {
        return text(mid, 0, type, "a=bundle-only\n" + attributes, proto);
    }
    static std::string text(char mid, int port, int type, const std::string& attributes,
                            const std::string& proto) {
        return "m=audio " + std::to_string(port) + " " + proto + " " + std::to_string(type) +
               "\na=sendonly\na=rtcp-mux\na=label:" + std::to_string(mid - 'a' + 1) +
               "\na=mid:" + mid + "\n" + attributes;
    }
    std::string offer(const std::string& group, const std::string& lines) {
        return "v=0\no=- 1 " + std::to_string(++version_) +
               " IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n" +
               (group.empty() ? "" : "a=group:BUNDLE " + group + "\n") + lines;
    }
    void invite_with(const std::string& group, const std::string& lines) {
        actions_.clear();
        start(message_of(in_dialog("INVITE", "Require: siprec\nContent-Type: application/sdp\n",
                                   offer(group, lines))));
    }
    void offer_again(const std::string& group, const std::string& lines) {
        if (session_->is_established()) ack();
        request("INVITE", "Require: siprec\nContent-Type: application/sdp\n", offer(group, lines));
    }
    std::vector<std::uint32_t> transports() const {
        std::vector<std::uint32_t> all_of_them;
        for (const OpenStream& open : all<OpenStream>())
            all_of_them.push_back(open.facts.transport);
        return all_of_them;
    }
    std::vector<std::string> codes() const {
        std::vector<std::string> found;
        for (const Event& event : all<Event>())
            if (event.type == "sip_leniency") found.emplace_back(facts_of(event.leniency).code);
        return found;
    }

    base::CertificateFingerprint ours_;
    int version_ = 0;
};

TEST_F(BundleSession, AnswersWithTheGroupOnePortAndTheTransportOfTheTaggedLine) {
    const std::string proto = "UDP/TLS/RTP/SAVPF";
    invite_with("a b c", line('a', 0, kDtls + kIce + kMid, proto) +
                             line('b', 8, kDtls + kIce + kMid, proto) +
                             only('c', 9, kDtls + kIce + kMid, proto));
    EXPECT_THAT(answer_lines("a=group:"), ElementsAre("a=group:BUNDLE a b c"));
    EXPECT_THAT(answer_lines("m="), ElementsAre("m=audio 10000 UDP/TLS/RTP/SAVPF 0",
                                                "m=audio 10000 UDP/TLS/RTP/SAVPF 8",
                                                "m=audio 10000 UDP/TLS/RTP/SAVPF 9"));
    EXPECT_EQ(answer_lines("a=fingerprint:").size(), 1U);
    EXPECT_EQ(answer_lines("a=candidate:").size(), 1U);
    EXPECT_EQ(answer_lines("a=ice-ufrag:").size(), 1U);
    EXPECT_EQ(answer_lines("a=rtcp-mux").size(), 3U);
    EXPECT_EQ(answer_lines("a=extmap:").size(), 3U);
    EXPECT_THAT(codes(), IsEmpty());
    const auto opened = all<OpenStream>();
    ASSERT_EQ(opened.size(), 3U);
    for (const OpenStream& one : opened) {
        EXPECT_EQ(one.facts.transport, opened[0].facts.transport);
        EXPECT_EQ(one.facts.dtls, opened[0].facts.dtls);  // ICE of ours included
        EXPECT_EQ(one.facts.peer_rtp, *base::parse_net_address("192.0.2.10:40000"));
        EXPECT_TRUE(one.facts.rtcp_mux && one.facts.is_bundled);
    }
    EXPECT_EQ(opened[1].facts.mid, "b");
    EXPECT_THAT(events("stream_added").at(1), HasSubstr(R"("bundled_mid":"b")"));
}

// As browsers do under max-bundle: only the first line has an address.
TEST_F(BundleSession, ALineThatIsCarriedNeedsNoAddressOfItsOwn) {
    std::string second = line('b', 8);
    second.replace(second.find("40002"), 5, "9");
    second.insert(second.find("a=sendonly"), "c=IN IP4 0.0.0.0\n");
    invite_with("a b", line('a', 0) + second);
    EXPECT_EQ(all<OpenStream>().at(1).facts.peer_rtp, *base::parse_net_address("192.0.2.10:40000"));
    EXPECT_FALSE(all<OpenStream>().at(1).facts.paused);
    EXPECT_THAT(codes(), IsEmpty());
}

TEST_F(BundleSession, WithoutTheGroupEachLineHasATransport) {
    invite_with("", line('a', 0, kMid) + line('b', 8, kMid));
    EXPECT_THAT(answer_lines("a=group:"), IsEmpty());
    EXPECT_THAT(answer_lines("a=extmap:"), IsEmpty());
    EXPECT_THAT(answer_lines("m="),
                ElementsAre("m=audio 10000 RTP/AVP 0", "m=audio 10002 RTP/AVP 8"));
    EXPECT_NE(transports().at(0), transports().at(1));
}

TEST_F(BundleSession, TheTaggedLineIsTheFirstThatIsTaken) {
    const std::string refused = "m=image 39998 udptl t38\na=mid:x\na=label:9\n";
    invite_with("x b a",
                refused + line('a', 0, kKey1, "RTP/SAVP") + line('b', 8, kKey2, "RTP/SAVP"));
    EXPECT_THAT(answer_lines("a=group:"), ElementsAre("a=group:BUNDLE b a"));
    ASSERT_EQ(answer_lines("a=crypto:").size(), 1U);
    const auto opened = all<OpenStream>();
    ASSERT_EQ(opened.size(), 2U);
    EXPECT_EQ(opened[0].facts.sdes, opened[1].facts.sdes);
    EXPECT_EQ(opened[0].facts.peer_rtp, *base::parse_net_address("192.0.2.10:40002"));
}

TEST_F(BundleSession, ALineWithoutKeysOfItsOwnHasThoseOfTheTaggedLine) {
    invite_with("a b", line('a', 0, kKey1, "RTP/SAVP") + only('b', 8, {}, "RTP/SAVP"));
    EXPECT_THAT(answer_lines("m="),
                ElementsAre("m=audio 10000 RTP/SAVP 0", "m=audio 10000 RTP/SAVP 8"));
    EXPECT_EQ(all<OpenStream>().at(0).facts.sdes, all<OpenStream>().at(1).facts.sdes);
}

TEST_F(BundleSession, ABundleOnlyLineWithoutAGroupIsRefusedWithThatReason) {
    invite_with("", line('a', 0) + only('b', 8));
    EXPECT_THAT(answer_lines("m="), ElementsAre("m=audio 10000 RTP/AVP 0", "m=audio 0 RTP/AVP 8"));
    EXPECT_THAT(events("stream_refused").at(0), HasSubstr("bundle_only"));
    invite_with("b", only('b', 8));
    EXPECT_EQ(response().status, 488);
}

TEST_F(BundleSession, OffersThatLieAreTakenAsFarAsTheyHoldAndToldBy) {
    invite_with("z a b", line('a', 0) + line('b', 8));
    EXPECT_THAT(answer_lines("a=group:"), ElementsAre("a=group:BUNDLE a b"));
    EXPECT_THAT(codes(), ElementsAre("bundle_unknown_mid"));
    // The same type in two lines, and nothing that tells the packets apart.
    invite_with("a b", line('a', 0) + line('b', 0));
    EXPECT_THAT(answer_lines("a=group:"), ElementsAre("a=group:BUNDLE a"));
    EXPECT_THAT(answer_lines("m="),
                ElementsAre("m=audio 10000 RTP/AVP 0", "m=audio 10002 RTP/AVP 0"));
    EXPECT_THAT(codes(), ElementsAre("bundle_shared_payload_type"));
    invite_with("a b", line('a', 0) + only('b', 0));
    EXPECT_THAT(answer_lines("m="),
                ElementsAre("m=audio 10000 RTP/AVP 0", "m=audio 10000 RTP/AVP 0"));
    EXPECT_THAT(codes(), ElementsAre("bundle_shared_payload_type"));
    invite_with("a b", line('a', 0, kKey1, "RTP/SAVP") + line('b', 8));
    EXPECT_THAT(answer_lines("m="),
                ElementsAre("m=audio 10000 RTP/SAVP 0", "m=audio 10002 RTP/AVP 8"));
    EXPECT_THAT(codes(), ElementsAre("bundle_other_protection"));
    config_.strict = true;
    invite_with("z a b", line('a', 0) + line('b', 8));
    EXPECT_EQ(response().status, 488);
}

TEST_F(BundleSession, ALineThatIsAddedJoinsTheGroupsTransport) {
    invite_with("a", line('a', 0));
    const auto before = transports();
    offer_again("a b", line('a', 0) + only('b', 8));
    EXPECT_EQ(transports(), before);
    EXPECT_THAT(all<MoveStream>(), IsEmpty());
    EXPECT_THAT(answer_lines("m="),
                ElementsAre("m=audio 10000 RTP/AVP 0", "m=audio 10000 RTP/AVP 8"));
}

TEST_F(BundleSession, LinesThatRunMoveToTheTransportOfTheGroupAndBack) {
    invite_with("", line('a', 0) + line('b', 8));
    const auto before = transports();
    offer_again("a b", line('a', 0) + line('b', 8));
    auto moved = all<MoveStream>();
    ASSERT_EQ(moved.size(), 1U);
    EXPECT_EQ(moved[0].facts.stream, 1);
    EXPECT_EQ(moved[0].facts.transport, before[0]);
    EXPECT_THAT(answer_lines("m="),
                ElementsAre("m=audio 10000 RTP/AVP 0", "m=audio 10000 RTP/AVP 8"));
    EXPECT_THAT(events("stream_changed"), Contains(HasSubstr(R"("local_port":10000)")));
    EXPECT_THAT(events("stream_removed"), IsEmpty());
    // The group is dropped: the tagged line stays where it is.
    offer_again("", line('a', 0) + line('b', 8));
    moved = all<MoveStream>();
    ASSERT_EQ(moved.size(), 1U);
    EXPECT_EQ(moved[0].facts.stream, 1);
    EXPECT_FALSE(moved[0].facts.is_bundled);
    EXPECT_THAT(moved[0].facts.transport, Not(testing::AnyOf(before[0], before[1])));
    EXPECT_THAT(answer_lines("a=group:"), IsEmpty());
    EXPECT_EQ(answer_lines("m=").at(0), "m=audio 10000 RTP/AVP 0");
    EXPECT_NE(answer_lines("m=").at(1), "m=audio 10000 RTP/AVP 8");
    EXPECT_THAT(all<OpenStream>(), IsEmpty());
}

TEST_F(BundleSession, TheGroupStaysWhereItIsWhenItsTaggedLineLeaves) {
    invite_with("a b c", line('a', 0, kKey1, "RTP/SAVP") + line('b', 8, kKey1, "RTP/SAVP") +
                             line('c', 9, kKey1, "RTP/SAVP"));
    const auto keys = all<OpenStream>().at(0).facts.sdes;
    offer_again("b c", line('a', 0, kKey1, "RTP/SAVP") + line('b', 8, kKey1, "RTP/SAVP") +
                           line('c', 9, kKey1, "RTP/SAVP"));
    const auto moved = all<MoveStream>();
    ASSERT_EQ(moved.size(), 1U);
    EXPECT_EQ(moved[0].facts.stream, 0);
    // Of one key there are not two contexts on our side: it is a new one.
    EXPECT_FALSE(moved[0].facts.sdes->ours == keys->ours);
    EXPECT_THAT(answer_lines("a=group:"), ElementsAre("a=group:BUNDLE b c"));
    EXPECT_EQ(answer_lines("a=crypto:").size(), 2U);
    EXPECT_EQ(answer_lines("m=").at(1), "m=audio 10000 RTP/SAVP 8");
    for (const UpdateStream& update : all<UpdateStream>()) EXPECT_EQ(update.facts.sdes, keys);
}

TEST_F(BundleSession, TheTaggedLineIsDisabledAndTheOthersGoOn) {
    invite_with("a b", line('a', 0) + line('b', 8));
    offer_again("b", "m=audio 0 RTP/AVP 0\na=mid:a\na=label:1\n" + line('b', 8));
    EXPECT_EQ(all<CloseStream>().size(), 1U);
    EXPECT_THAT(all<MoveStream>(), IsEmpty());
    EXPECT_THAT(answer_lines("m="), ElementsAre("m=audio 0 RTP/AVP 0", "m=audio 10000 RTP/AVP 8"));
    EXPECT_THAT(answer_lines("a=group:"), ElementsAre("a=group:BUNDLE b"));
}

TEST_F(BundleSession, EachLineHasItsOwnPause) {
    invite_with("a b", line('a', 0) + line('b', 8));
    std::string held = line('b', 8);
    held.replace(held.find("sendonly"), 8, "inactive");
    offer_again("a b", line('a', 0) + held);
    ASSERT_EQ(all<PauseStream>().size(), 1U);
    EXPECT_EQ(all<PauseStream>()[0].stream, 1);
    offer_again("a b", line('a', 0) + line('b', 8));
    ASSERT_EQ(all<ResumeStream>().size(), 1U);
    EXPECT_EQ(all<ResumeStream>()[0].stream, 1);
}

TEST_F(BundleSession, AnIceRestartIsOneForTheWholeGroup) {
    const std::string proto = "UDP/TLS/RTP/SAVPF";
    const std::string restarted = "a=ice-ufrag:9uB6\na=ice-pwd:YH75Fviy6338Vbrhrlp8Yh\n";
    invite_with("a b", line('a', 0, kDtls + kIce, proto) + only('b', 8, {}, proto));
    offer_again("a b", line('a', 0, kDtls + restarted, proto) + only('b', 8, {}, proto));
    const auto updates = all<UpdateStream>();
    ASSERT_EQ(updates.size(), 2U);
    EXPECT_EQ(updates[0].facts.dtls, updates[1].facts.dtls);
    EXPECT_EQ(updates[0].facts.dtls->ice->peer_ufrag, "9uB6");
}

TEST_F(BundleSession, TheSameOfferAgainChangesNothing) {
    const std::string lines =
        line('a', 0, kDtls + kIce, "UDP/TLS/RTP/SAVPF") + only('b', 8, {}, "UDP/TLS/RTP/SAVPF");
    invite_with("a b", lines);
    const auto before = answer_lines("a=");
    offer_again("a b", lines);
    EXPECT_EQ(answer_lines("a="), before);
    EXPECT_THAT(all<UpdateStream>(), IsEmpty());
    EXPECT_THAT(all<MoveStream>(), IsEmpty());
}

TEST_F(BundleSession, WhereNoPortIsLeftForALineThatMovesItIsClosed) {
    invite_with("a b", line('a', 0) + line('b', 8));
    ack();
    fails_to_move_ = true;
    request("INVITE", "Require: siprec\nContent-Type: application/sdp\n",
            offer("", line('a', 0) + line('b', 8)));
    EXPECT_EQ(all<CloseStream>().size(), 1U);
    EXPECT_THAT(answer_lines("m="), ElementsAre("m=audio 10000 RTP/AVP 0", "m=audio 0 RTP/AVP 8"));
    EXPECT_THAT(events("stream_refused").at(0), HasSubstr("no_ports"));
}

}  // namespace
}  // namespace earshot::siprec
