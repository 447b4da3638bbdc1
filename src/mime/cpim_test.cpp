#include "mime/cpim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::mime {
namespace {

using testing::ElementsAre;

// RFC 3862 section 5.1, without its MIME part's multipart.
const std::string kExample =
    "From: MR SANDERS <im:piglet@100akerwood.com>\r\n"
    "To: Depressed Donkey <im:eeyore@100akerwood.com>\r\n"
    "DateTime: 2000-12-13T13:40:00-08:00\r\n"
    "Subject: the weather will be fine today\r\n"
    "Subject:;lang=fr beau temps prevu pour aujourd'hui\r\n"
    "NS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n"
    "Require: MyFeatures.VitalMessageOption\r\n"
    "MyFeatures.VitalMessageOption: Confirmation-requested\r\n"
    "MyFeatures.WackyMessageOption: Use-silly-font\r\n"
    "\r\n"
    "Content-type: text/plain; charset=utf-8\r\n"
    "Content-ID: <1234567890@foo.com>\r\n"
    "\r\n"
    "Here is the text of my message.";

TEST(Cpim, ReadsTheExampleOfRfc3862) {
    const auto head = parse_cpim(kExample);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->from, (CpimAddress{"MR SANDERS", "im:piglet@100akerwood.com"}));
    EXPECT_THAT(head->to,
                ElementsAre(CpimAddress{"Depressed Donkey", "im:eeyore@100akerwood.com"}));
    EXPECT_EQ(head->date_time, "2000-12-13T13:40:00-08:00");
    EXPECT_EQ(head->subject, "the weather will be fine today");
    EXPECT_EQ(head->find("mid:MessageFeatures@id.foo.com", "WackyMessageOption"), "Use-silly-font");
    EXPECT_EQ(head->content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(kExample.substr(head->content_at), "Here is the text of my message.");
}

TEST(Cpim, IsTheSameWhenWrittenAndReadAgain) {
    CpimHead head;
    head.from = CpimAddress{"Ana \"A\" Reis", "sip:ana@desk.example"};
    head.to = {CpimAddress{"", "sip:review-42@conf.example"}, CpimAddress{"B", "sip:b@c.example"}};
    head.cc = {CpimAddress{"<x>", "sip:x@c.example"}};
    head.date_time = "2026-03-02T14:06:11.250Z";
    head.subject = "a\\b\nc";
    head.others = {{"urn:ietf:params:imdn", "Message-ID", "34jk324j"}, {"urn:other", "Name", "v"}};
    head.content_type = "text/plain";
    head.content_disposition = "render";
    const std::string text = write_cpim(head, {{"urn:ietf:params:imdn", "imdn"}}) + "Hi";
    EXPECT_THAT(text,
                testing::HasSubstr("NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk"));
    const auto read = parse_cpim(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->from, head.from);
    EXPECT_EQ(read->to, head.to);
    EXPECT_EQ(read->cc, head.cc);
    EXPECT_EQ(read->subject, head.subject);
    EXPECT_EQ(read->others, head.others);
    EXPECT_EQ(read->content_type, "text/plain");
    EXPECT_EQ(text.substr(read->content_at), "Hi");
}

TEST(Cpim, TakesWhatSendersGetWrong) {
    const auto head =
        parse_cpim("\nfrom:<sip:a@x>\nTO:   sip:b@x  \n\ncontent-type:text/html\n\n<b>");
    ASSERT_TRUE(head);
    EXPECT_EQ(head->from->uri, "sip:a@x");
    EXPECT_EQ(head->to.at(0).uri, "sip:b@x");
    EXPECT_EQ(head->content_type, "text/html");
    const auto bare = parse_cpim("From: <sip:a@x>\r\n\r\n\r\ntext");
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->content_type, "");
}

TEST(Cpim, SaysWhereReadersMayDifferOnWhoIsMeant) {
    const auto is_ambiguous = [](std::string_view headers) {
        const auto head = parse_cpim(std::string(headers) + "\r\n\r\n\r\ntext");
        EXPECT_TRUE(head) << headers;
        return head && head->is_ambiguous;
    };
    EXPECT_FALSE(is_ambiguous("From: Ana <sip:a@x>\r\nTo: <sip:b@x>\r\nTo: <sip:c@x>"));
    EXPECT_FALSE(is_ambiguous("From: \"Boss <sip:boss@x>\" <sip:a@x>"));
    EXPECT_FALSE(is_ambiguous("From: \"a\\\"<b\" <sip:a@x>"));
    EXPECT_FALSE(is_ambiguous("From: <sip:a@x>\r\nSubject: <a> <b>"));
    EXPECT_TRUE(is_ambiguous("From: <sip:a@x>\r\nFrom: Recorder <sip:r@x>"));
    EXPECT_TRUE(is_ambiguous("From: <sip:a@x>\r\n from :<sip:r@x>"));
    EXPECT_TRUE(is_ambiguous("From: <sip:a@x>\r\nNS: <urn:x>\r\nFrom: <sip:r@x>"));
    EXPECT_TRUE(is_ambiguous(
        "From: <sip:a@x>\r\nNS: c <urn:ietf:params:cpim-headers:>\r\nc.From: <sip:r@x>"));
    EXPECT_TRUE(is_ambiguous("From: Recorder <sip:r@x> <sip:a@x>"));
    EXPECT_TRUE(is_ambiguous("From: \"Recorder <sip:r@x> <sip:a@x>"));
    EXPECT_TRUE(is_ambiguous("From: <sip:a@x>\r\nTo: <sip:b@x> <sip:c@x>"));
}

TEST(Cpim, UndoesEscapes) {
    const auto head = parse_cpim(
        "From: \"\\u00e9\\\"\\\\\" <sip:a@x>\r\nSubject: a\\tb\\u20AC\\q\\u12\r\n\r\n\r\n");
    ASSERT_TRUE(head);
    EXPECT_EQ(head->from->name, "é\"\\");
    EXPECT_EQ(head->subject, "a\tb€\\q\\u12");
}

TEST(Cpim, SaysThatItsHeadersHaveNoEndWhereverItIsCut) {
    const std::size_t content_at = kExample.find("Here is");
    for (std::size_t size = 0; size < content_at; ++size) {
        const auto head = parse_cpim(kExample.substr(0, size));
        ASSERT_FALSE(head) << size;
        EXPECT_EQ(head.error().code, base::Errc::Malformed);
    }
    EXPECT_TRUE(parse_cpim(kExample.substr(0, content_at)));
    EXPECT_FALSE(parse_cpim("no header at all\r\n\r\n\r\n"));
}

TEST(Cpim, HasLimits) {
    const std::string end = "\r\n\r\n";
    const std::string most = "X: " + std::string(kMaxCpimHeadBytes - 7 - 2, 'x') + "\r\n" + end;
    ASSERT_EQ(most.size(), kMaxCpimHeadBytes);
    EXPECT_TRUE(parse_cpim(most + "content"));
    EXPECT_EQ(parse_cpim("X" + most + "content").error().code, base::Errc::TooLarge);

    std::string many;
    for (std::size_t i = 0; i < kMaxCpimHeaders; ++i) many += "X: y\r\n";
    EXPECT_TRUE(parse_cpim(many + end));
    EXPECT_EQ(parse_cpim(many + "X: y\r\n" + end).error().code, base::Errc::TooLarge);
}

}  // namespace
}  // namespace earshot::mime
