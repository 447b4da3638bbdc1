#include "mime/multipart.h"

#include <gtest/gtest.h>

#include <string>

#include "mime/media_type.h"
#include "mime/multipart_writer.h"

namespace earshot::mime {
namespace {

constexpr std::string_view kType = "multipart/mixed;boundary=b42";

// spec/metadata-model.md section 9.1, shortened.
const std::string kGood =
    "--b42\r\n"
    "Content-Type: application/sdp\r\n"
    "\r\n"
    "v=0\r\ns=-\r\n"
    "\r\n"
    "--b42\r\n"
    "Content-Type: application/rs-metadata+xml;charset=utf-8\r\n"
    "Content-Disposition: recording-session;handling=optional\r\n"
    "Content-ID: <meta@src.example>\r\n"
    "\r\n"
    "<recording/>\r\n"
    "--b42--\r\n";

Body must_parse(std::string_view type, std::string_view body) {
    auto parsed = parse_body(type, {}, body);
    EXPECT_TRUE(parsed.has_value()) << body;
    return parsed ? *parsed : Body{};
}

TEST(MultipartParser, TakesSdpAndMetadataApart) {
    const Body body = must_parse(kType, kGood);
    ASSERT_EQ(body.parts.size(), 2U);
    EXPECT_TRUE(body.is_multipart);
    EXPECT_TRUE(body.is_closed);
    EXPECT_FALSE(body.is_boundary_guessed);
    EXPECT_TRUE(body.unparsed.empty());

    EXPECT_EQ(body.parts[0].content_type, "application/sdp");
    EXPECT_EQ(body.parts[0].body, "v=0\r\ns=-\r\n");
    EXPECT_EQ(body.parts[0].disposition, "");
    EXPECT_EQ(body.parts[0].handling, Handling::Required);
    EXPECT_EQ(body.parts[0].depth, 1);

    const Part* metadata = body.find("Application/RS-metadata+xml");
    ASSERT_NE(metadata, nullptr);
    EXPECT_EQ(metadata->disposition, "recording-session");
    EXPECT_EQ(metadata->handling, Handling::Optional);
    EXPECT_EQ(metadata->content_id, "meta@src.example");
    EXPECT_EQ(metadata->body, "<recording/>");
    EXPECT_EQ(find_parameter(metadata->content_type_parameters, "CHARSET"), "utf-8");
    EXPECT_EQ(find_header(*metadata, "content-disposition"), "recording-session;handling=optional");
    EXPECT_EQ(find_header(*metadata, "content-length"), std::nullopt);
}

// RFC 2046 section 5.1.1: preamble, epilogue, a part without headers, line ends of bodies.
TEST(MultipartParser, ExampleFromRfc2046Section5_1_1) {
    const Body body = must_parse("multipart/mixed; boundary=\"simple boundary\"",
                                 "This is the preamble.  It is to be ignored.\r\n\r\n"
                                 "--simple boundary\r\n\r\n"
                                 "This is implicitly typed plain US-ASCII text.\r\n"
                                 "It does NOT end with a linebreak.\r\n"
                                 "--simple boundary\r\n"
                                 "Content-type: text/plain; charset=us-ascii\r\n\r\n"
                                 "This is explicitly typed plain US-ASCII text.\r\n"
                                 "It DOES end with a linebreak.\r\n\r\n"
                                 "--simple boundary--\r\n\r\n"
                                 "This is the epilogue.  It is also to be ignored.\r\n");
    ASSERT_EQ(body.parts.size(), 2U);
    EXPECT_EQ(body.parts[0].content_type, "text/plain");
    EXPECT_EQ(body.parts[0].headers, "");
    EXPECT_EQ(body.parts[0].body,
              "This is implicitly typed plain US-ASCII text.\r\n"
              "It does NOT end with a linebreak.");
    EXPECT_EQ(body.parts[1].body,
              "This is explicitly typed plain US-ASCII text.\r\n"
              "It DOES end with a linebreak.\r\n");
}

TEST(MultipartParser, GivesASinglePartForAnyOtherType) {
    const auto body = parse_body("application/rs-metadata+xml; x=1",
                                 "recording-session;handling=optional", "<r/>");
    ASSERT_TRUE(body);
    ASSERT_EQ(body->parts.size(), 1U);
    EXPECT_FALSE(body->is_multipart);
    EXPECT_EQ(body->parts[0].content_type, "application/rs-metadata+xml");
    EXPECT_EQ(body->parts[0].disposition, "recording-session");
    EXPECT_EQ(body->parts[0].handling, Handling::Optional);
    EXPECT_EQ(body->parts[0].body, "<r/>");
    EXPECT_EQ(body->parts[0].depth, 0);
}

struct OddBody {
    const char* what;
    const char* type;
    const char* body;
};

// Each must give an SDP part "v=0\r\n" or "v=0\n" or "v=0" first or second, and "<r/>".
class OddMultipart : public testing::TestWithParam<OddBody> {};

TEST_P(OddMultipart, StillGivesSdpAndMetadata) {
    const Body body = must_parse(GetParam().type, GetParam().body);
    const Part* sdp = body.find("application/sdp");
    const Part* metadata = body.find("application/rs-metadata");
    ASSERT_NE(sdp, nullptr);
    ASSERT_NE(metadata, nullptr);
    EXPECT_TRUE(sdp->body.starts_with("v=0")) << sdp->body;
    EXPECT_LE(sdp->body.size(), 5U);
    EXPECT_TRUE(metadata->body.starts_with("<r/>")) << metadata->body;
    EXPECT_LE(metadata->body.size(), 6U);
}

INSTANTIATE_TEST_SUITE_P(
    Field, OddMultipart,
    testing::Values(
        OddBody{"Q1: no space, constant boundary",
                "multipart/mixed;boundary=OSS-unique-boundary-42",
                "--OSS-unique-boundary-42\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n"
                "--OSS-unique-boundary-42\r\nContent-Type: application/rs-metadata\r\n\r\n<r/>\r\n"
                "--OSS-unique-boundary-42--"},
        OddBody{"Q11: blank line first, padding after the final delimiter",
                "multipart/mixed; boundary=unique-1",
                "\r\n--unique-1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--unique-1 \t\r\n"
                "Content-Type: application/rs-metadata\r\n\r\n<r/>\r\n--unique-1-- \r\n"},
        OddBody{"Q16: disposition first, third part, no closing delimiter",
                "multipart/mixed;boundary=uniqueBoundary",
                "--uniqueBoundary\r\nContent-Disposition: session;handling=required\r\n"
                "Content-Type: application/sdp\r\n\r\nv=0\r\n--uniqueBoundary\r\n"
                "Content-Type: application/gtd\r\nContent-Disposition: signal;handling=optional\r\n"
                "\r\nGTD\r\n--uniqueBoundary\r\nContent-Type: application/rs-metadata\r\n\r\n<r/>"
                "\r\n"},
        OddBody{
            "Q24: metadata first, no space after the colon, wrong Content-Length",
            "multipart/mixed;boundary=UNIQUE",
            "--UNIQUE\r\nContent-Length:99999\r\nContent-Type:application/rs-metadata\r\n\r\n"
            "<r/>\r\n--UNIQUE\r\nContent-Type:application/sdp\r\nContent-Length:1\r\n\r\nv=0\r\n"
            "--UNIQUE--\r\n"},
        OddBody{"Q33: bare LF", "multipart/mixed;boundary=b",
                "--b\nContent-Type: application/sdp\n\nv=0\n--b\n"
                "Content-Type: application/rs-metadata\n\n<r/>\n--b--\n"},
        OddBody{"space before the colon, upper case, folded",
                "MULTIPART/Mixed ; charset=x;\r\n BOUNDARY = \"b\" ; y",
                "--b\r\ncontent-TYPE : application/SDP\r\nX-A: 1\r\n  2\r\n\r\nv=0\r\n--b\r\n"
                "Content-Type:\r\n application/rs-metadata\r\n\r\n<r/>\r\n--b--"},
        OddBody{"no blank line before the body", "multipart/mixed;boundary=b",
                "--b\r\nContent-Type: application/sdp\r\nv=0\r\n--b\r\n"
                "Content-Type: application/rs-metadata\r\n<r/>\r\n--b--\r\n"},
        OddBody{"no boundary parameter", "multipart/mixed",
                "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\n"
                "Content-Type: application/rs-metadata\r\n\r\n<r/>\r\n--b--\r\n"},
        OddBody{"another boundary than announced", "multipart/mixed;boundary=other",
                "\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\n"
                "Content-Type: application/rs-metadata\r\n\r\n<r/>\r\n--b--\r\n"},
        OddBody{"E-13: nested", "multipart/mixed;boundary=a",
                "--a\r\nContent-Type: multipart/alternative;boundary=ab\r\n\r\n"
                "--ab\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--ab--\r\n--a\r\n"
                "Content-Type: application/rs-metadata\r\n\r\n<r/>\r\n--a--\r\n"}));

TEST(MultipartParser, FlattensNestedMultipartsWithTheirDepth) {
    const Body body = must_parse("multipart/mixed;boundary=a",
                                 "--a\r\nContent-Type: multipart/related;boundary=b\r\n\r\n"
                                 "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"
                                 "--a\r\n\r\nthree\r\n--a--\r\n");
    ASSERT_EQ(body.parts.size(), 3U);
    EXPECT_EQ(body.parts[0].body, "one");
    EXPECT_EQ(body.parts[0].depth, 2);
    EXPECT_EQ(body.parts[1].body, "two");
    EXPECT_EQ(body.parts[2].body, "three");
    EXPECT_EQ(body.parts[2].depth, 1);
}

std::string nested(unsigned depth) {
    if (depth == 0) return "Content-Type: text/x\r\n\r\nleaf";
    const std::string boundary = "n" + std::to_string(depth);
    return "Content-Type: multipart/mixed;boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n" +
           nested(depth - 1) + "\r\n--" + boundary + "--";
}

TEST(MultipartParser, ParsesDepthThreeAndKeepsWhatLiesDeeper) {
    const std::string at_limit = "--n\r\n" + nested(kMaxDepth - 1) + "\r\n--n--\r\n";
    const Body deep = must_parse("multipart/mixed;boundary=n", at_limit);
    ASSERT_EQ(deep.parts.size(), 1U);
    EXPECT_EQ(deep.parts[0].depth, kMaxDepth);
    EXPECT_EQ(deep.parts[0].body, "leaf");

    const std::string past_limit = "--n\r\n" + nested(kMaxDepth) + "\r\n--n--\r\n";
    const Body deeper = must_parse("multipart/mixed;boundary=n", past_limit);
    ASSERT_EQ(deeper.parts.size(), 1U);
    EXPECT_EQ(deeper.parts[0].depth, kMaxDepth);
    EXPECT_EQ(deeper.parts[0].content_type, "multipart/mixed");
    EXPECT_EQ(deeper.parts[0].body, "--n1\r\nContent-Type: text/x\r\n\r\nleaf\r\n--n1--");
}

TEST(MultipartParser, ParsesSixteenPartsAndKeepsTheRestAsText) {
    std::string text;
    for (std::size_t i = 0; i < kMaxParts; ++i) text += "--b\r\n\r\n" + std::to_string(i) + "\r\n";
    const std::string full_text = text + "--b--\r\n";
    const Body full = must_parse("multipart/mixed;boundary=b", full_text);
    EXPECT_EQ(full.parts.size(), kMaxParts);
    EXPECT_TRUE(full.unparsed.empty());
    EXPECT_TRUE(full.is_closed);

    const std::string over_text = text + "--b\r\n\r\nmore\r\n--b--\r\n";
    const Body over = must_parse("multipart/mixed;boundary=b", over_text);
    EXPECT_EQ(over.parts.size(), kMaxParts);
    EXPECT_EQ(over.parts.back().body, "15");
    EXPECT_EQ(over.unparsed, "\r\nmore\r\n--b--\r\n");

    const std::string cut_text = text + "--b";
    EXPECT_EQ(must_parse("multipart/mixed;boundary=b", cut_text).parts.size(), kMaxParts);
}

TEST(MultipartParser, AcceptsABoundaryOfSeventyBytesAndNoLonger) {
    const std::string at(kMaxBoundaryBytes, 'x');
    const std::string past(kMaxBoundaryBytes + 1, 'x');
    EXPECT_TRUE(parse_body("multipart/mixed;boundary=" + at, {}, "--" + at + "\r\n\r\nx"));
    EXPECT_FALSE(parse_body("multipart/mixed;boundary=" + past, {}, "--" + past + "\r\n\r\nx"));
}

// Sofia-SIP's CVE-2026-110658: a boundary longer than the body.
TEST(MultipartParser, RefusesABodyWithoutADelimiter) {
    for (const std::string_view text :
         {"", "-", "--", "--\r\n", "\r\n", "hello\r\n--b42x\r\n", "b42", "x--b42\r\n"}) {
        EXPECT_FALSE(parse_body(kType, {}, text)) << text;
    }
    EXPECT_FALSE(parse_body("multipart/mixed", {}, "hello"));
    EXPECT_FALSE(parse_body("multipart/mixed;boundary=\"\"", {}, "hello"));
}

TEST(MultipartParser, DoesNotTakeALongerBoundaryForItsOwn) {
    const Body body = must_parse("multipart/mixed;boundary=b",
                                 "--b\r\n\r\n--bb\r\n--b-\r\n--b x\r\n --b\r\nx--b\r\n--b--\r\n");
    ASSERT_EQ(body.parts.size(), 1U);
    EXPECT_EQ(body.parts[0].body, "--bb\r\n--b-\r\n--b x\r\n --b\r\nx--b");
}

TEST(MultipartParser, FindsABoundaryOfDashesAmongDashes) {
    const Body body =
        must_parse("multipart/mixed;boundary=---",
                   "---- \r\n-----\r\n\r\na -----\r\n----\r\n-----\r\n\r\nb\r\n-------\r\n");
    ASSERT_EQ(body.parts.size(), 2U);
    EXPECT_EQ(body.parts[0].body, "a -----\r\n----");
    EXPECT_EQ(body.parts[1].body, "b");
    EXPECT_TRUE(body.is_closed);
}

TEST(MultipartParser, StripsOnlyTheAngleBracketsThatArePaired) {
    for (const auto& [written, read] : {std::pair{"<a@b>", "a@b"}, std::pair{"<", "<"},
                                        std::pair{"<>", ""}, std::pair{"a@b", "a@b"}}) {
        const std::string text =
            "--b\r\nContent-ID: " + std::string{written} + "\r\n\r\nx\r\n--b--";
        EXPECT_EQ(must_parse("multipart/mixed;boundary=b", text).parts.at(0).content_id, read);
    }
}

TEST(MultipartParser, SurvivesEveryTruncation) {
    for (std::size_t size = 0; size <= kGood.size(); ++size) {
        // A copy of exactly that size, so that AddressSanitizer sees a read past its end.
        const std::string cut(kGood.data(), size);
        const auto body = parse_body(kType, {}, cut);
        if (size >= 5) {
            ASSERT_TRUE(body) << size;
            EXPECT_LE(body->parts.size(), 2U);
        }
    }
    for (std::size_t size = 0; size <= kType.size(); ++size) {
        const std::string cut(kType.substr(0, size));
        static_cast<void>(parse_body(cut, cut, kGood));
    }
}

TEST(MultipartParser, IsLinearInLinesThatLookLikeDelimiters) {
    const std::string boundary(kMaxBoundaryBytes, '-');
    std::string text = "--" + boundary + "\r\n\r\n";
    while (text.size() < 256 * 1024) text += "--" + boundary + "-\n";
    const Body body = must_parse("multipart/mixed;boundary=" + boundary, text);
    EXPECT_EQ(body.parts.size(), 1U);
}

TEST(FindParameter, ReadsQuotesSpacesAndMissingValues) {
    EXPECT_EQ(find_parameter("a=1;b=2", "b"), "2");
    EXPECT_EQ(find_parameter(" a = \"x;y\" ; b = \"2\"", "b"), "2");
    EXPECT_EQ(find_parameter("a=\"x;y\"", "a"), "x;y");
    EXPECT_EQ(find_parameter("a=\"x\\\"y\";b=3", "b"), "3");
    EXPECT_EQ(find_parameter("a=\"open", "a"), "open");
    EXPECT_EQ(find_parameter("flag;b=2", "flag"), "");
    EXPECT_EQ(find_parameter("b=1;b=2", "b"), "1");
    EXPECT_EQ(find_parameter(";;=;", "x"), std::nullopt);
    EXPECT_EQ(find_parameter("", "x"), std::nullopt);
}

TEST(MultipartWriter, WritesWhatTheParserReads) {
    const OutgoingPart parts[] = {
        {"application/sdp", {}, {}, "v=0\r\n"},
        {"application/rs-metadata+xml", "recording-session", "m@x", "<recording/>"}};
    const auto text = write_multipart(parts, "b42");
    ASSERT_TRUE(text);
    EXPECT_EQ(*text,
              "--b42\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n"
              "--b42\r\nContent-Type: application/rs-metadata+xml\r\n"
              "Content-Disposition: recording-session\r\nContent-ID: <m@x>\r\n\r\n<recording/>\r\n"
              "--b42--\r\n");
    const Body body = must_parse(multipart_mixed_type("b42"), *text);
    ASSERT_EQ(body.parts.size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(body.parts[i].content_type, parts[i].content_type);
        EXPECT_EQ(body.parts[i].disposition, parts[i].disposition);
        EXPECT_EQ(body.parts[i].content_id, parts[i].content_id);
        EXPECT_EQ(body.parts[i].body, parts[i].body);
    }
}

TEST(MultipartWriter, RefusesABoundaryThatWouldBreakTheBody) {
    const OutgoingPart parts[] = {{"text/plain", {}, {}, "x\r\n--b42\r\n"}};
    EXPECT_FALSE(write_multipart(parts, "b42"));
    EXPECT_FALSE(write_multipart(parts, ""));
    EXPECT_FALSE(write_multipart(parts, "a b"));
    EXPECT_FALSE(write_multipart(parts, "a\r\nb"));
    EXPECT_FALSE(write_multipart(parts, std::string(kMaxBoundaryBytes + 1, 'x')));
    EXPECT_TRUE(write_multipart(parts, std::string(kMaxBoundaryBytes, 'x')));
}

}  // namespace
}  // namespace earshot::mime
