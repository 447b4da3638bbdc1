// RFC 4475: what becomes of each of its 49 torture messages. The originals are not ours to copy:
// the test reads them from the directory that EARSHOT_TORTURE_DIR names (the RFC's archive,
// unpacked) and is skipped without it. The tests after it use messages of our own that are like
// them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "sip/parser.h"

namespace earshot::sip {
namespace {

struct TortureCase {
    std::string_view file;
    std::string_view section;
    Verdict verdict;
    int status = 0;  // of a refusal
    // Valid as a message; what the layers above make of it, or why we are more lenient than the
    // RFC.
    std::string_view note = {};
};

constexpr Verdict kGood = Verdict::Good;
constexpr Verdict kRefuse = Verdict::Refuse;
constexpr Verdict kDrop = Verdict::Drop;

constexpr TortureCase kCases[] = {
    {"wsinv", "3.1.1.1", kGood},
    {"intmeth", "3.1.1.2", kGood, 0, "unknown method: 501"},
    {"esc01", "3.1.1.3", kGood},
    {"escnull", "3.1.1.4", kGood, 0, "REGISTER: 405"},
    {"esc02", "3.1.1.5", kGood, 0, "unknown method, not REGISTER: 501"},
    {"lwsdisp", "3.1.1.6", kGood},
    {"longreq", "3.1.1.7", kGood},
    {"dblreq", "3.1.1.8", kGood, 0, "the bytes after the body are no second request"},
    {"semiuri", "3.1.1.9", kGood},
    {"transports", "3.1.1.10", kGood},
    {"mpart01", "3.1.1.11", kGood, 0, "MESSAGE: 405"},
    {"unreason", "3.1.1.12", kGood},
    {"noreason", "3.1.1.13", kGood},
    {"badinv01", "3.1.2.1", kRefuse, 400},
    {"clerr", "3.1.2.2", kRefuse, 400},
    {"ncl", "3.1.2.3", kRefuse, 400},
    {"scalar02", "3.1.2.4", kRefuse, 400},
    {"scalarlg", "3.1.2.5", kDrop, 0, "a response"},
    {"quotbal", "3.1.2.6", kRefuse, 400},
    {"ltgtruri", "3.1.2.7", kRefuse, 400},
    {"lwsruri", "3.1.2.8", kRefuse, 400},
    {"lwsstart", "3.1.2.9", kGood, 0, "lenient: nothing is ambiguous"},
    {"trws", "3.1.2.10", kGood, 0, "lenient: nothing is ambiguous"},
    {"escruri", "3.1.2.11", kGood, 0, "lenient: headers of a Request-URI are ignored"},
    {"baddate", "3.1.2.12", kGood, 0, "parse_date refuses it; the arrival time is used"},
    {"regbadct", "3.1.2.13", kGood, 0, "REGISTER: 405"},
    {"badaspec", "3.1.2.14", kGood, 0, "lenient: the spaces around the URI are trimmed"},
    {"baddn", "3.1.2.15", kGood, 0, "lenient: no reason to lose a call for a display name"},
    {"badvers", "3.1.2.16", kRefuse, 505},
    {"mismatch01", "3.1.2.17", kRefuse, 400},
    {"mismatch02", "3.1.2.18", kRefuse, 400},
    {"bigcode", "3.1.2.19", kDrop, 0, "a response"},
    {"badbranch", "3.2.1", kGood, 0, "has_magic_branch() is false: matched as RFC 2543"},
    {"insuf", "3.3.1", kRefuse, 400},
    {"unkscm", "3.3.2", kGood, 0, "416"},
    {"novelsc", "3.3.3", kGood, 0, "416"},
    {"unksm2", "3.3.4", kGood, 0, "REGISTER: 405"},
    {"bext01", "3.3.5", kGood, 0, "420 with Unsupported"},
    {"invut", "3.3.6", kGood, 0, "415 with Accept"},
    {"regaut01", "3.3.7", kGood, 0, "REGISTER: 405"},
    {"multi01", "3.3.8", kRefuse, 400},
    {"mcl01", "3.3.9", kRefuse, 400},
    {"bcast", "3.3.10", kGood, 0, "a response that matches no transaction: dropped"},
    {"zeromf", "3.3.11", kGood, 0, "for us: answered, not forwarded"},
    {"cparam01", "3.3.12", kGood, 0, "REGISTER: 405"},
    {"cparam02", "3.3.13", kGood, 0, "REGISTER: 405"},
    {"regescrt", "3.3.14", kGood, 0, "REGISTER: 405"},
    {"sdp01", "3.3.15", kGood, 0, "406"},
    {"inv2543", "3.4.1", kGood, 0, "RFC 2543: no branch, no tag, no Max-Forwards"},
};
static_assert(std::size(kCases) == 49);

TEST(Torture, TheMessagesOfRfc4475MeetTheirFates) {
    // Read before any thread starts. NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char* directory = std::getenv("EARSHOT_TORTURE_DIR");
    if (directory == nullptr) GTEST_SKIP() << "EARSHOT_TORTURE_DIR is not set";
    for (const TortureCase& c : kCases) {
        std::ifstream file(std::string(directory) + "/" + std::string(c.file) + ".dat",
                           std::ios::binary);
        ASSERT_TRUE(file) << c.file;
        const std::string text(std::istreambuf_iterator<char>(file), {});
        const ParsedMessage parsed = parse_message(text);
        EXPECT_EQ(parsed.verdict, c.verdict) << c.section << " " << c.file << ": " << parsed.reason;
        EXPECT_EQ(parsed.status, c.status) << c.section << " " << c.file << ": " << parsed.reason;
    }
}

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
