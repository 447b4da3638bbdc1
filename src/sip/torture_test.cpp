// What the parser makes of messages like those of RFC 4475, in detail. What becomes of all 49 of
// them in the end is tests/torture/.
#include <gtest/gtest.h>

#include <string>

#include "sip/parser.h"

namespace earshot::sip {
namespace {

constexpr Verdict kGood = Verdict::Good;
constexpr Verdict kRefuse = Verdict::Refuse;
constexpr Verdict kDrop = Verdict::Drop;

constexpr std::string_view kRest =
    "From: <sip:ear@a.example>;tag=1\r\nTo: sip:shot@b.example\r\nCall-ID: own@a\r\n"
    "Max-Forwards: 9\r\nContent-Length: 0\r\n";

ParsedMessage parse_with(std::string_view start, std::string_view via_and_cseq,
                         std::string_view rest = kRest) {
    return parse_message(std::string(start) + "\r\n" + std::string(via_and_cseq) +
                         std::string(rest) + "\r\n");
}

TEST(Torture, SpacesAndFoldsAnywhereLikeSection3_1_1_1) {
    const ParsedMessage parsed = parse_message(
        "INVITE sip:shot@b.example;flag SIP/2.0\r\nTO :\r\n sip:shot@b.example ;   tag  = 77n\r\n"
        "from   : \"E \\\\\\\"\"    <sip:ear@a.example>\r\n  ;\r\n  tag = 1q\r\n"
        "MaX-fOrWaRdS: 0068\r\nCall-ID: own.1@a\r\nContent-Length   : 2\r\ncseq: 0009\r\n  "
        "INVITE\r\n"
        "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390sk\r\ns :\r\nNews:\r\n more\r\n"
        "v:  SIP  / 2.0  / TCP     two.example   ;\r\n  branch  =   z9hG4bK9ik  ,\r\n"
        " SIP  /    2.0   / UDP  192.0.2.111   ; branch=\r\n z9hG4bK30\r\n\r\nok");
    ASSERT_EQ(parsed.verdict, kGood) << parsed.reason;
    const Message& m = parsed.message;
    EXPECT_EQ(m.to_tag(), "77n");
    EXPECT_EQ(m.from_tag(), "1q");
    EXPECT_EQ(m.from().display_name, "E \\\\\\\"");
    EXPECT_EQ(m.cseq().number, 9U);
    EXPECT_EQ(m.find(HeaderId::Subject), "");
    EXPECT_EQ(m.find("News"), "more");
    const auto vias = m.values(HeaderId::Via);
    ASSERT_EQ(vias.size(), 3U);
    EXPECT_EQ(m.top_via().host, "192.0.2.2");
    EXPECT_EQ(parse_via(vias[1])->branch(), "z9hG4bK9ik");
    EXPECT_EQ(parse_via(vias[2])->branch(), "z9hG4bK30");
    EXPECT_EQ(base::as_text(m.body()), "ok");
}

TEST(Torture, StrangeTokensLikeSection3_1_1_2) {
    constexpr std::string_view kMethod = "!odd-Mix%45_`word'~.+*";
    const ParsedMessage parsed = parse_with(
        std::string(kMethod) +
            " sip:1_odd.Name~(be!)&isn't+it$/crazy?,/;;*:&a=1,w!*p$w~d(x)@b.example"
            " SIP/2.0",
        "Via: SIP/2.0/!odd-tr% 192.0.2.1;branch=z9hG4bK-.!%66*_+`'~\r\nCSeq: 139122385 " +
            std::string(kMethod) + "\r\n");
    ASSERT_EQ(parsed.verdict, kGood) << parsed.reason;
    EXPECT_EQ(parsed.message.method_name(), kMethod);
    EXPECT_EQ(parsed.message.top_via().branch(), "z9hG4bK-.!%66*_+`'~");
    EXPECT_EQ(parse_uri(parsed.message.request_uri())->host, "b.example");
}

TEST(Torture, EscapedNamesAreOtherNamesLikeSection3_1_1_5) {
    const ParsedMessage parsed =
        parse_with("OPTIONS sip:b.example SIP/2.0",
                   "Via: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\nContact: <sip:1@h>\r\n"
                   "C%6Fntact: <sip:2@h>\r\nm: <sip:3@h>\r\n");
    ASSERT_EQ(parsed.verdict, kGood);
    EXPECT_EQ(parsed.message.values(HeaderId::Contact).size(), 2U);
    EXPECT_EQ(parsed.message.find("C%6fntact"), "<sip:2@h>");
}

TEST(Torture, ASecondRequestInTheDatagramIsNoBodyLikeSection3_1_1_8) {
    const ParsedMessage parsed =
        parse_message("OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\n" +
                      std::string(kRest) + "\r\n\r\nINVITE sip:other SIP/2.0\r\n\r\n");
    ASSERT_EQ(parsed.verdict, kGood);
    EXPECT_TRUE(parsed.message.body().empty());
}

TEST(Torture, AnsweredOrSilentLikeSections3_1_2And3_3) {
    struct Case {
        std::string_view start;
        std::string_view lines;
        Verdict verdict;
        int status;
    };
    constexpr Case kOwn[] = {
        {"INVITE sip:b SIP/2.0", "Via: SIP/2.0/UDP h;;,;,,\r\nCSeq: 1 INVITE\r\n", kRefuse, 400},
        {"INVITE sip:b SIP/2.0", "Via: SIP/2.0/UDP h\r\nCSeq: 36893488147419103232 INVITE\r\n",
         kRefuse, 400},
        {"SIP/2.0 503 Full", "Via: SIP/2.0/UDP h\r\nCSeq: 9292394834772304023312 OPTIONS\r\n",
         kDrop, 0},
        {"INVITE sip:b; lr SIP/2.0", "Via: SIP/2.0/UDP h\r\nCSeq: 1 INVITE\r\n", kRefuse, 400},
        {"OPTIONS  sip:b   SIP/2.0  ", "Via: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\n", kGood, 0},
        {"OPTIONS sip:b?Route=%3Csip:c%3E SIP/2.0", "Via: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\n",
         kGood, 0},
        {"OPTIONS sip:b SIP/8.0", "Via: SIP/8.0/UDP h\r\nCSeq: 1 OPTIONS\r\n", kRefuse, 505},
        {"SIP/2.0 4294967301 better not", "Via: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\n", kDrop, 0},
        {"SIP/2.0 100 ", "Via: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\n", kGood, 0},
        {"OPTIONS nobodyKnows:this SIP/2.0", "Via: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\n", kGood, 0},
        {"OPTIONS sip:b SIP/2.0", "Via: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\nl: 7\r\n", kRefuse,
         400},
        {"OPTIONS sip:b SIP/2.0", "Via: SIP/2.0/UDP h\r\nCSeq: 1 OPTIONS\r\nCSeq: 2 OPTIONS\r\n",
         kRefuse, 400},
    };
    for (const Case& c : kOwn) {
        const ParsedMessage parsed = parse_with(c.start, c.lines);
        EXPECT_EQ(parsed.verdict, c.verdict) << c.start << " " << c.lines << parsed.reason;
        EXPECT_EQ(parsed.status, c.status) << c.start << " " << c.lines << parsed.reason;
    }
}

TEST(Torture, Rfc2543PeersLikeSection3_4_1) {
    const ParsedMessage parsed = parse_message(
        "INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP old.example\r\nFrom: <sip:a@old.example>\r\n"
        "Record-Route: <sip:old.example>\r\nTo: sip:b\r\nCall-ID: own\r\nCSeq: 56 INVITE\r\n\r\n");
    ASSERT_EQ(parsed.verdict, kGood) << parsed.reason;
    EXPECT_FALSE(parsed.message.top_via().has_magic_branch());
    EXPECT_EQ(parsed.message.from_tag(), "");
}

}  // namespace
}  // namespace earshot::sip
