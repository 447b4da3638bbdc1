#include "sip/headers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace earshot::sip {
namespace {

NameAddr address(std::string_view value) {
    const auto parsed = parse_name_addr(value);
    EXPECT_TRUE(parsed) << value;
    return parsed ? *parsed : NameAddr{};
}

TEST(NameAddr, ReadsQuotedNamesAndTags) {
    const NameAddr a = address(R"( "J Rosenberg \\\""  <sip:jdrosen@example.com> ; tag = 98asjd8)");
    EXPECT_EQ(a.display_name, R"(J Rosenberg \\\")");
    EXPECT_EQ(a.uri, "sip:jdrosen@example.com");
    EXPECT_EQ(a.tag(), "98asjd8");
    EXPECT_FALSE(a.is_unterminated);
}

TEST(NameAddr, GivesParametersOfABareUriToTheHeader) {  // RFC 3261 §20.10
    const NameAddr a = address("sip:+19725552222@gw1.example.net;tag=1;unknownparam");
    EXPECT_EQ(a.uri, "sip:+19725552222@gw1.example.net");
    EXPECT_EQ(a.tag(), "1");
    EXPECT_EQ(address("caller<sip:caller@example.com>;tag=323").display_name, "caller");
    EXPECT_EQ(address(R"(sip:a@b;x="<y>")").uri, "sip:a@b");
    EXPECT_TRUE(address("*").is_wildcard);
}

TEST(NameAddr, ToleratesUnquotedPunctuationInNames) {  // RFC 4475 §3.1.2.15, interop Q7
    EXPECT_EQ(address("Bell, Alexander <sip:a@b>;tag=43").display_name, "Bell, Alexander");
    EXPECT_EQ(address("Ann;lang=en-US;id=22 <sip:a@b>").display_name, "Ann;lang=en-US;id=22");
    EXPECT_EQ(address("\"Watson\" < sip:t.watson@example.org >").uri, "sip:t.watson@example.org");
}

TEST(NameAddr, FindsTheFeatureTagWhereverPeersPutIt) {
    for (const std::string_view value :
         {"<sip:src@192.0.2.1>;+sip.src",           // RFC 7866 §6.1.1
          "<sip:src@192.0.2.1>;+sip.src=\"TRUE\"",  // P-14
          "<sip:src@192.0.2.1;transport=tcp>;src",  // BroadWorks, AudioCodes: Q24, Q28
          "<sip:src@192.0.2.1:5060;+sip.src>",      // Avaya: Q27
          "<sip:src@192.0.2.1:5060;+sip.src",       // Metaswitch: Q22
          "sip:src@192.0.2.1;+sip.src"}) {
        EXPECT_TRUE(address(value).has_feature("sip.src")) << value;
        EXPECT_TRUE(address(value).has_feature("+sip.src")) << value;
        EXPECT_FALSE(address(value).has_feature("sip.srs")) << value;
    }
    EXPECT_TRUE(address("<sip:src@192.0.2.1:5060;+sip.src").is_unterminated);
    EXPECT_FALSE(address("<sip:a@b>;+sip.src=\"FALSE\"").has_feature("sip.src"));
    EXPECT_FALSE(address("<sip:src@b>").has_feature("sip.src"));
    EXPECT_TRUE(address("<sip:b@c>;isFocus").has_feature("isfocus"));
}

TEST(NameAddr, RefusesWhatCannotBeRead) {
    for (const std::string_view value : {"", "  ", "\"Mr. J. User <sip:j.user@example.com>", "<>",
                                         "\"a\" sip:a@b", "<sip:a@b> tag=1", ";tag=1"}) {
        EXPECT_FALSE(parse_name_addr(value)) << value;
    }
}

TEST(Via, ReadsTheOddSpacingOfRfc4475Section3_1_1_1) {
    const auto via =
        parse_via("SIP  / 2.0 /TCP     spindle.example.com : 5061  ;\t branch  = z9hG4bK9");
    ASSERT_TRUE(via);
    EXPECT_EQ(via->transport, "TCP");
    EXPECT_EQ(via->host, "spindle.example.com");
    EXPECT_EQ(via->port, 5061);
    EXPECT_EQ(via->branch(), "z9hG4bK9");
    EXPECT_TRUE(via->has_magic_branch());
}

TEST(Via, TellsRportAndReceived) {
    const auto via =
        parse_via("SIP/2.0/UDP [2001:db8::9]:5060;rport;received=192.0.2.1;branch=z9hG4bK");
    ASSERT_TRUE(via);
    EXPECT_EQ(via->host, "[2001:db8::9]");
    EXPECT_EQ(via->port, 5060);
    EXPECT_TRUE(via->has_rport());
    EXPECT_FALSE(via->rport());
    EXPECT_EQ(via->received(), "192.0.2.1");
    EXPECT_FALSE(via->has_magic_branch());  // the cookie alone, RFC 4475 §3.2.1
    EXPECT_EQ(parse_via("SIP/2.0/UDP h;rport=9")->rport(), 9);
}

TEST(Via, RefusesWhatCannotBeAnswered) {
    for (const std::string_view value :
         {"", "SIP/2.0", "SIP/2.0/UDP", "SIP/2.0/UDP ;branch=1", "SIP/2.0/UDP h:x",
          "SIP/2.0/UDP h h", "SIP/2.0/UDP [::1", "HTTP/1.1/TCP h", ";", "SIP/2.0/;x h"}) {
        EXPECT_FALSE(parse_via(value)) << value;
    }
}

TEST(CSeqHeader, KeepsToItsRange) {
    EXPECT_EQ(parse_cseq("0009  INVITE")->number, 9U);
    EXPECT_EQ(parse_cseq("2147483647 ACK")->method, "ACK");
    for (const std::string_view value : {"", "1", "INVITE", "-1 INVITE", "2147483648 INVITE",
                                         "36893488147419103232 REGISTER", "1 INVITE BYE"}) {
        EXPECT_FALSE(parse_cseq(value)) << value;
    }
}

TEST(ContentType, FindsTheBoundaryQuotedOrNot) {  // interop Q1, Q11
    for (const std::string_view value :
         {"multipart/mixed;boundary=OSS-unique-boundary-42",
          "Multipart/Mixed ; boundary=\"OSS-unique-boundary-42\"",
          "multipart / mixed;charset=x; Boundary = OSS-unique-boundary-42"}) {
        const auto type = parse_content_type(value);
        ASSERT_TRUE(type) << value;
        EXPECT_TRUE(type->is("multipart", "mixed")) << value;
        EXPECT_EQ(type->param("boundary"), "OSS-unique-boundary-42") << value;
    }
    EXPECT_FALSE(parse_content_type("application"));
    EXPECT_FALSE(parse_content_type("/sdp"));
}

TEST(TokenValue, SplitsDispositionAndParameters) {
    const TokenValue value = parse_token_value("session ;handling=required");
    EXPECT_EQ(value.token, "session");
    EXPECT_EQ(value.param("handling"), "required");
    EXPECT_EQ(parse_token_value("recording-session").token, "recording-session");
}

TEST(DeltaSeconds, ReadsParametersAndCapsWhatIsTooLarge) {
    const auto expires = parse_delta_seconds("1800;refresher=uac");
    ASSERT_TRUE(expires);
    EXPECT_EQ(expires->seconds.count(), 1800);
    EXPECT_EQ(find_param(expires->params, "refresher"), "uac");
    EXPECT_EQ(parse_delta_seconds("120 (in a meeting);duration=3600")->seconds.count(), 120);
    EXPECT_EQ(parse_delta_seconds("10000000000000000")->seconds.count(), 4294967295);
    EXPECT_FALSE(parse_delta_seconds("-1"));
    EXPECT_FALSE(parse_delta_seconds(""));
}

TEST(Date, ExampleFromRfc3261Section20_17) {
    const auto date = parse_date("Sat, 13 Nov 2010 23:29:00 GMT");
    ASSERT_TRUE(date);
    EXPECT_EQ(base::to_ns(*date), 1289690940'000'000'000);
    EXPECT_EQ(format_date(*date), "Sat, 13 Nov 2010 23:29:00 GMT");
}

TEST(Date, RefusesOtherZonesAndImpossibleDays) {
    for (const std::string_view value :
         {"Fri, 01 Jan 2010 16:00:00 EST", "Sat, 31 Feb 2010 23:29:00 GMT", "tomorrow",
          "a, b c d e", "Sat, 13 Nov 2010 24:00:00 GMT", "Sat, 13 Nov 2010 23:29:00 GMT x",
          "Sat, 13 Nov 9999 23:29:00 GMT", ""}) {
        EXPECT_FALSE(parse_date(value)) << value;
    }
}

TEST(List, SplitsOutsideQuotesAndBracketsOnly) {
    std::string_view rest = R"("a, \"b" <sip:x,y@z>;q=1, <sip:c>,, , "open, <sip:d>)";
    std::vector<std::string> elements;
    std::string_view element;
    while (take_list_element(rest, element)) elements.emplace_back(element);
    EXPECT_EQ(elements, (std::vector<std::string>{R"("a, \"b" <sip:x,y@z>;q=1)", "<sip:c>",
                                                  R"("open, <sip:d>)"}));
}

TEST(List, AnUnclosedBracketEndsAtItsComma) {
    std::string_view rest = "<sip:a;+sip.src, b";
    std::string_view element;
    ASSERT_TRUE(take_list_element(rest, element));
    EXPECT_EQ(element, "<sip:a;+sip.src");
    ASSERT_TRUE(take_list_element(rest, element));
    EXPECT_EQ(element, "b");
}

}  // namespace
}  // namespace earshot::sip
