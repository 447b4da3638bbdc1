#include "sdp/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "sdp/offer_answer.h"

namespace earshot::sdp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

SessionDescription must_parse(std::string_view text) {
    static std::deque<std::string> texts;  // what descriptions point into
    auto parsed = parse(texts.emplace_back(text));
    EXPECT_TRUE(parsed.has_value()) << text;
    return parsed ? *parsed : SessionDescription{};
}

std::string session(const std::string& groups, const std::string& lines) {
    return "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n" + groups +
           lines;
}
std::string line(int port, const std::string& types, const std::string& mid,
                 const std::string& more = {}, const std::string& proto = "RTP/AVP") {
    return "m=audio " + std::to_string(port) + " " + proto + " " + types +
           "\r\na=sendonly\r\na=rtcp-mux\r\na=mid:" + mid + "\r\n" + more;
}
const std::string kExtension = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
const std::string kOnly = "a=bundle-only\r\n";

std::vector<std::pair<BundleFault, std::string>> faults_of(const BundleOffer& bundles) {
    std::vector<std::pair<BundleFault, std::string>> faults;
    for (const auto& one : bundles.faults) faults.emplace_back(one.fault, one.detail);
    return faults;
}

TEST(Bundle, ReadsGroupsInTheirOwnOrder) {
    const std::string text =
        session("a=group:BUNDLE b a\r\na=group:LS a b\r\na=group:BUNDLE c\r\n",
                line(4000, "0", "a") + line(4002, "8", "b") + line(4004, "9", "c"));
    const BundleOffer bundles = bundles_of(must_parse(text));
    EXPECT_THAT(bundles.groups,
                ElementsAre(ElementsAre(std::size_t{1}, std::size_t{0}), ElementsAre(2U)));
    EXPECT_THAT(bundles.faults, IsEmpty());
}

TEST(Bundle, TakesLinesWithoutAPortWhereTheyAreBundleOnly) {
    const std::string text =
        session("a=group:BUNDLE a b c\r\n",
                line(4000, "0", "a") + line(0, "8", "b", kOnly) + line(0, "9", "c"));
    EXPECT_THAT(bundles_of(must_parse(text)).groups, ElementsAre(ElementsAre(0U, 1U)));
}

TEST(Bundle, PassesOverAMidThatNoLineHas) {
    const std::string text = session("a=group:BUNDLE x a\r\n", line(4000, "0", "a"));
    const BundleOffer bundles = bundles_of(must_parse(text));
    EXPECT_THAT(bundles.groups, ElementsAre(ElementsAre(0U)));
    EXPECT_THAT(faults_of(bundles), ElementsAre(std::pair(BundleFault::UnknownMid, "x")));
}

TEST(Bundle, TheFirstOfWhatIsRepeatedCounts) {
    const std::string text =
        session("a=group:BUNDLE a a\r\na=group:BUNDLE b a\r\n",
                line(4000, "0", "a") + line(4002, "8", "b") + line(4004, "9", "a"));
    const BundleOffer bundles = bundles_of(must_parse(text));
    EXPECT_THAT(bundles.groups, ElementsAre(ElementsAre(0U), ElementsAre(1U)));
    ASSERT_EQ(bundles.faults.size(), 3U);
    for (const auto& one : bundles.faults) EXPECT_EQ(one.fault, BundleFault::RepeatedMid);
}

TEST(Bundle, IsNoneWhereRtcpDoesNotShareThePort) {
    std::string text =
        session("a=group:BUNDLE a b\r\n", line(4000, "0", "a") + line(4002, "8", "b"));
    text.erase(text.find("a=rtcp-mux\r\n"), 12);
    const BundleOffer bundles = bundles_of(must_parse(text));
    EXPECT_THAT(bundles.groups, IsEmpty());
    EXPECT_THAT(faults_of(bundles), ElementsAre(std::pair(BundleFault::NoRtcpMux, "a")));
}

TEST(Bundle, LeavesOutALineInTheClearBesideOneThatIsNot) {
    const std::string text = session("a=group:BUNDLE a b\r\n",
                                     line(4000, "0", "a", {}, "RTP/SAVP") + line(4002, "8", "b"));
    const BundleOffer bundles = bundles_of(must_parse(text));
    EXPECT_THAT(bundles.groups, ElementsAre(ElementsAre(0U)));
    EXPECT_THAT(faults_of(bundles), ElementsAre(std::pair(BundleFault::OtherProtection, "b")));
}

TEST(Bundle, LeavesOutWhoseTypesAreAnothersUnlessItsPacketsSayMore) {
    const auto groups = [](const std::string& a, const std::string& b) {
        return bundles_of(must_parse(session(
            "a=group:BUNDLE a b\r\n", line(4000, "0 13", "a", a) + line(4002, "0 13", "b", b))));
    };
    EXPECT_THAT(groups({}, {}).groups, ElementsAre(ElementsAre(0U)));
    EXPECT_THAT(faults_of(groups({}, {})),
                ElementsAre(std::pair(BundleFault::SharedPayloadType, "b")));
    EXPECT_THAT(groups(kExtension, {}).groups, ElementsAre(ElementsAre(0U)));
    EXPECT_THAT(groups(kExtension, kExtension).groups, ElementsAre(ElementsAre(0U, 1U)));
    EXPECT_THAT(groups(kExtension, kExtension).faults, IsEmpty());
    EXPECT_THAT(groups("a=ssrc:1 cname:x\r\n", "a=ssrc:2 cname:x\r\n").groups,
                ElementsAre(ElementsAre(0U, 1U)));
    EXPECT_THAT(groups({}, kOnly).groups, ElementsAre(ElementsAre(0U, 1U)));
    EXPECT_EQ(groups({}, kOnly).faults.size(), 1U);
}

TEST(Bundle, TheTaggedLineIsTheFirstThatCanCarryTheOthers) {
    const BundleOffer bundles{.groups = {{2, 0, 1}, {3}}, .faults = {}};
    EXPECT_THAT(carriers_of(bundles, 4, [](std::size_t) { return true; }),
                ElementsAre(2U, 2U, 2U, 3U));
    EXPECT_THAT(carriers_of(bundles, 4, [](std::size_t i) { return i == 1; }),
                ElementsAre(1U, 1U, 1U, 3U));
    EXPECT_THAT(carriers_of(bundles, 2, [](std::size_t) { return true; }), ElementsAre(0U, 0U));
    EXPECT_THAT(carriers_of(bundles, 4, [](std::size_t) { return false; }),
                ElementsAre(0U, 1U, 2U, 3U));
}

MediaDecision taken(std::size_t tagged, std::string security = {}) {
    MediaDecision decision{true, 10000, 10000, false};
    decision.carrier = decision.bundle = tagged;
    decision.security = std::move(security);
    return decision;
}

TEST(BundleAnswer, HasTheGroupTheTaggedLineFirstAndOnePort) {
    const SessionDescription offer =
        must_parse(session("a=group:BUNDLE b a c\r\n", line(4000, "0", "a", kExtension) +
                                                           line(4002, "8", "b", kExtension) +
                                                           line(0, "9", "c", kExtension + kOnly)));
    const MediaDecision decisions[] = {taken(1), taken(1, "a=setup:passive\r\n"), taken(1)};
    const std::string text = make_recording_answer(offer, {}, decisions);
    const SessionDescription answer = must_parse(text);
    EXPECT_EQ(answer.find_session_attribute("group")->value, "BUNDLE b a c");
    for (const MediaDescription& medium : answer.media) {
        EXPECT_EQ(medium.port, 10000);
        EXPECT_TRUE(medium.has_rtcp_mux);
        ASSERT_NE(answer.find_attribute(medium, "extmap"), nullptr);
        EXPECT_EQ(answer.find_attribute(medium, "extmap")->value,
                  "4 urn:ietf:params:rtp-hdrext:sdes:mid");
        EXPECT_EQ(answer.find_attribute(medium, "setup") != nullptr, medium.mid == "b");
    }
    EXPECT_THAT(text, Not(HasSubstr("bundle-only")));
}

TEST(BundleAnswer, LeavesOutOfTheGroupWhatItRefuses) {
    const SessionDescription offer = must_parse(session(
        "a=group:BUNDLE a b\r\n", line(4000, "0", "a", kExtension) + line(0, "9", "b", kOnly)));
    const MediaDecision decisions[] = {taken(0), {}};
    const SessionDescription answer = must_parse(make_recording_answer(offer, {}, decisions));
    EXPECT_EQ(answer.find_session_attribute("group")->value, "BUNDLE a");
    EXPECT_EQ(answer.media[1].port, 0);
    const MediaDecision alone[] = {{true, 10000, 10000, false}, {}};
    const std::string text = make_recording_answer(offer, {}, alone);
    EXPECT_THAT(text, Not(HasSubstr("a=group")));
    EXPECT_THAT(text, Not(HasSubstr("sdes:mid")));
}

TEST(BundleAnswer, RefusesABundleOnlyLineThatNothingCarries) {
    const SessionDescription offer =
        must_parse(session("a=group:BUNDLE b\r\n", line(0, "9", "b", kOnly)));
    EXPECT_EQ(check_offered_media(offer, offer.media[0]), Refusal::BundleOnly);
    EXPECT_EQ(to_string(Refusal::BundleOnly), "bundle_only");
}

TEST(BundleAnswer, ALaterOfferHandsTheTransportOverWhenTheTaggedLineGoes) {
    const std::string text = session("a=group:BUNDLE a b c\r\n",
                                     line(10000, "0", "a", "a=ice-ufrag:u\r\na=setup:passive\r\n") +
                                         line(10000, "8", "b") + line(10000, "9", "c"));
    SessionDescription ours = must_parse(text);
    EXPECT_EQ(write_bundled(ours), write(ours));
    ours.media[0].port = 0;
    const std::string written = write_bundled(ours);
    const SessionDescription later = must_parse(written);
    EXPECT_EQ(later.find_session_attribute("group")->value, "BUNDLE b c");
    EXPECT_EQ(later.find_attribute(later.media[0], "ice-ufrag"), nullptr);
    EXPECT_EQ(later.find_attribute(later.media[1], "ice-ufrag")->value, "u");
    EXPECT_EQ(later.find_attribute(later.media[1], "setup")->value, "passive");
    EXPECT_EQ(later.find_attribute(later.media[2], "ice-ufrag"), nullptr);
    EXPECT_EQ(later.media[0].mid, "a");
    EXPECT_TRUE(later.media[2].has_rtcp_mux);
}

}  // namespace
}  // namespace earshot::sdp
